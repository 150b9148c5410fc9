import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.text import Text

from dymu import cli
from dymu.errors import SpecError

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).parent / "run" / "toys"

Dymu = Callable[..., Any]


def commands(group: Any, name: str = "dymu") -> Iterator[tuple[str, Any]]:
    for verb, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {verb}")
        else:
            yield f"{name} {verb}", command


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "dymu version"])
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "Example" in command.epilog
    assert all(part.help for part in command.params)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_shown_as_it_is_written(name: str) -> None:
    # Rich takes ``[default: 1]`` for a tag of its own and leaves it out.
    for part in COMMANDS[name].params:
        assert Text.from_markup(part.help).plain == part.help.replace("\\[", "["), part.name


@pytest.mark.parametrize(
    "name",
    ["plan", "status", "table", "claims", "explain", "cache ls", "cache gc", "cache verify", "doctor"],
)
def test_what_reads_can_answer_in_json(name: str) -> None:
    assert "--json" in {option for part in COMMANDS[f"dymu {name}"].params for option in part.opts}


def fresh(*arguments: str, forbid: tuple[str, ...], store: Path | None = None) -> tuple[str, float]:
    """Output and CPU-seconds of a command in a process that must not have loaded some packages."""
    program = (
        "import sys\nfrom dymu.cli import main\n"
        f"sys.argv = ['dymu', *{list(arguments)!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = {set(forbid)!r} & set(sys.modules)\nassert not loaded, loaded\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DYMU_STORE": str(store), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=TOYS, env=environment, capture_output=True, text=True, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


HEAVY = ("torch", "ray", "mlflow", "optuna")


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    out, seconds = fresh("--help", forbid=(*HEAVY, "pandas", "scipy", "matplotlib", "pydantic"))
    assert "ablations" in out
    assert seconds < 1.5


@pytest.mark.parametrize(
    "arguments", [("table", "6"), ("status",), ("claims",), ("cache", "ls"), ("cache", "verify")]
)
def test_reading_is_quick_and_loads_nothing_heavy(finished: Dymu, arguments: tuple[str, ...]) -> None:
    assert finished(*arguments).code == 0
    out, seconds = fresh(*arguments, forbid=HEAVY, store=Path(os.environ["DYMU_STORE"]))
    assert out
    assert seconds < 3


def test_the_shell_can_complete_verbs() -> None:
    program = "import sys; sys.argv = ['dymu']; from dymu.cli import main; main()"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_DYMU_COMPLETE": "complete_bash",
        "COMP_WORDS": "dymu pl",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["plan"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("plan", "toy_studies:oars"),
            2,
            "no study 'oars' (did you mean 'ours'?); toy_studies has toy_studies:ours",
        ),
        (("plan", "toy_question", "--arm", "duoble"), 2, "did you mean 'double'?"),
        (("plan", "toy_studies:ours", "-o", "method.edge.scael=2"), 2, "has no field 'scael'"),
        (("plan", "toy_studies:ours", "--seeds", "0"), 2, "expected at least 1"),
        (("run", "toy_import", "--backend", "local"), 2, "a_module_that_does_not_exist"),
        (("run", "toy_studies:ours", "--backend", "slurm"), 2, "'slurm' is not one of"),
        (("table", "6"), 3, "is not a store"),
        (("status",), 3, "is not a store"),
        (("explain", "edge/00", "edge/11"), 3, "nothing is known of edge/00"),
        (("frobnicate",), 2, "No such command 'frobnicate'"),
    ],
)
def test_bad_input_is_one_clear_message(
    dymu: Dymu, arguments: tuple[str, ...], code: int, words: str
) -> None:
    said = dymu(*arguments)
    assert said.code == code
    assert words in said.err
    assert "Traceback" not in said.err
    assert not Path(os.environ["DYMU_STORE"]).exists() or arguments[0] == "run"


def test_debugging_shows_the_traceback(dymu: Dymu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["dymu", "plan", "toy_studies:oars"])
    with pytest.raises(SpecError):
        cli.main()
    assert dymu("version").code == 0


def test_a_store_of_a_newer_version_is_left_alone(run_here: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    said = run_here("toy_studies:ours")
    assert said.code == 3
    assert "format 99" in said.err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["store.json"]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_locale_without_arrows_ends_no_command(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding="ascii")
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(cli, "app", lambda: stream.write("HV \N{UPWARDS ARROW}\n"))
    cli.main()
    stream.flush()
    assert buffer.getvalue().decode() == ("HV ?\n" if terminal else "HV \N{UPWARDS ARROW}\n")
