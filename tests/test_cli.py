import io
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from dymu import cli
from dymu.artifacts.store import Store
from dymu.errors import SpecError

ROOT = Path(__file__).parents[1]
TOYS = Path(__file__).parent / "run" / "toys"


class Said(NamedTuple):
    """How a command ended and what it printed, with line breaks as spaces."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Dymu = Callable[..., Said]


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def dymu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Dymu:
    """The command in this process, in the folder of the toys, with a store of its own."""
    monkeypatch.chdir(TOYS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("DYMU_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DYMU_DEBUG", "DYMU_DATA", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("dymu.reports.figures.for_run", lambda _: ())  # drawing takes seconds
    logger = logging.getLogger("dymu")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["dymu", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return Said(int(end.value.code or 0), out, flat(err))

    return call


def run(dymu: Dymu, *arguments: str) -> Said:
    return dymu("run", *arguments, "--backend", "local", "--no-tracking")


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """A question that was run once, one of its arms in vain, with figures; and its store."""
    store = tmp_path_factory.mktemp("question") / "store"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(TOYS)
        patch.setattr(sys, "path", list(sys.path))
        patch.setenv("COLUMNS", "200")
        command = ["run", "toy_question", "--backend", "local", "--no-tracking", "--store", str(store)]
        patch.setattr(sys, "argv", ["dymu", *command])
        logger = logging.getLogger("dymu")
        patch.setattr(logger, "handlers", [])
        patch.setattr(logger, "propagate", True)
        with pytest.raises(SystemExit) as end:
            cli.main()
    return Said(int(end.value.code or 0), out.getvalue(), flat(err.getvalue())), store


@pytest.fixture
def finished(dymu: Dymu, question: tuple[Said, Path], tmp_path: Path) -> Dymu:
    """The command with a copy of that store."""
    shutil.copytree(question[1], tmp_path / "store")
    return dymu


def commands(group: Any, name: str = "dymu") -> Iterator[tuple[str, Any]]:
    for verb, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {verb}")
        else:
            yield f"{name} {verb}", command


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


# --- the command line as such ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "dymu version"])
def test_every_command_says_what_it_does_and_gives_an_example(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert "Example" in command.epilog
    assert all(part.help for part in command.params)


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
    assert seconds < 1.5


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


def test_version(dymu: Dymu) -> None:
    assert dymu("version").out == "0.1.0\n"


# --- errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("plan", "toy_studies:oars"), 2, "no study 'oars'; toy_studies has toy_studies:ours"),
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


def test_a_store_of_a_newer_version_is_left_alone(dymu: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    said = run(dymu, "toy_studies:ours")
    assert said.code == 3
    assert "format 99" in said.err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["store.json"]


def test_a_table_without_records_is_refused(dymu: Dymu) -> None:
    run(dymu, "toy_studies:ours")
    said = dymu("table", "6")
    assert said.code == 4
    assert "no results for table 6" in said.err


# --- verbs -------------------------------------------------------------------------------------------------


def test_a_plan_makes_no_store(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("plan", "toy_question", "--json")
    assert said.code == 0
    assert said.json["to_run"] == 10
    assert not (tmp_path / "store").exists()


def test_a_plan_shows_what_is_cached(finished: Dymu) -> None:
    assert "10 steps: 8 cached" in flat(finished("plan", "toy_question").out)
    assert "20 steps: 8 cached" in flat(finished("plan", "toy_question", "--seeds", "2").out)


def test_a_run_tells_failures_prints_the_table_and_draws_figures(question: tuple[Said, Path]) -> None:
    said, store = question
    assert said.code == 1
    assert "arm broken, seed 0: weight/" in said.err
    assert "failed at step 3: TrainingError: the loss of task left is not finite at step 3" in said.err
    assert "Table 6. Which part of a toy matters?" in said.out
    folder = store / "reports" / "toy_studies-ours.toy_question"
    assert f"Tables and figures: {folder}" in flat(said.out)
    assert {"table.md", "table.csv", "table.tex", "curves-edge.svg"} <= {
        path.name for path in folder.iterdir()
    }


def test_the_same_run_again_is_answered_from_the_store(dymu: Dymu) -> None:
    assert run(dymu, "toy_studies:ours").code == 0
    said = run(dymu, "toy_studies:ours")
    assert said.code == 0
    assert "5 steps, all cached: nothing to run" in said.out


def test_an_arm_can_be_run_alone_and_its_table_names_what_is_missing(dymu: Dymu) -> None:
    said = run(dymu, "toy_question", "--arm", "double")
    assert said.code == 0
    assert "missing" in said.out


def test_an_ad_hoc_run_enters_no_table(dymu: Dymu) -> None:
    said = run(dymu, "toy_studies:ours", "-o", "method.edge.scale=3", "--seed-list", "2")
    assert said.code == 0
    assert "Ad hoc overrides: no table" in said.out
    (manifest,) = Store(Path(os.environ["DYMU_STORE"])).manifests()
    assert manifest.arms[0].ad_hoc == {"method.edge.scale": 3.0}
    assert list(manifest.arms[0].steps) == ["2"]
    assert dymu("table", "--study", "toy_studies:ours").code == 4


def test_files_go_where_the_user_says(dymu: Dymu, tmp_path: Path) -> None:
    run(dymu, "toy_studies:ours", "--out", str(tmp_path / "here"))
    assert (tmp_path / "here" / "table.md").exists()


def test_status_tells_every_stage(finished: Dymu) -> None:
    form = finished("status", "--json").json
    states = {(entry["arm"], entry["stage"]): entry["state"] for entry in form}
    assert states["baseline", "evaluate"] == "done"
    assert states["broken", "weight"] == "failed"
    assert states["broken", "evaluate"] == "waiting"
    said = finished("status", "toy_studies-ours.toy_question")
    assert "failed 3/5" in said.out
    assert "not finite at step 3" in said.err
    assert "knows no study 'other'" in finished("status", "other").err


@pytest.mark.parametrize(
    ("style", "part"), [("markdown", "| --: |"), ("csv", ","), ("latex", r"\toprule"), ("terminal", "HV")]
)
def test_tables_come_in_four_styles(finished: Dymu, style: str, part: str) -> None:
    said = finished("table", "6", "--style", style)
    assert said.code == 0
    assert part in said.out


def test_a_table_can_name_addresses_and_be_json(finished: Dymu) -> None:
    assert "evaluate/" in finished("table", "6", "--provenance").out
    assert finished("table", "--question", "toy_question", "--json").json["rows"]


def test_figures_are_listed_by_path(finished: Dymu, tmp_path: Path) -> None:
    said = finished("figure", "curves", "--out", str(tmp_path / "figures"))
    assert said.code == 0
    listed = {Path(line) for line in said.out.split()}
    assert listed
    assert listed <= set((tmp_path / "figures").iterdir())


def test_claims_are_judged(finished: Dymu) -> None:
    assert "undecided" in finished("claims").out
    assert finished("claims", "--json").json["rows"]


def test_explain_finds_the_field(finished: Dymu) -> None:
    said = finished("explain", "toy_studies:ours", "toy_studies:slow")
    assert "inputs.edge.config.num_steps: 5 ->" in said.out
    edges = [row["address"] for row in finished("cache", "ls", "edge", "--json").json]
    (difference,) = finished("explain", *edges, "--json").json
    assert difference["path"] == "config.scale"
    assert "are the same" in finished("explain", "toy_studies:ours", "toy_studies:ours").out


def test_the_store_can_be_listed(finished: Dymu) -> None:
    rows = finished("cache", "ls", "--json").json
    assert len(rows) == 8
    assert all(row["bytes"] > 0 and row["needed_by"] == ["toy_studies-ours.toy_question"] for row in rows)
    assert "8 artifacts" in finished("cache", "ls").out


def test_collecting_asks_first(finished: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store" / "manifests" / "toy_studies-ours.toy_question.json").unlink()
    assert "add --yes to remove them" in flat(finished("cache", "gc").out)
    assert len(finished("cache", "ls", "--json").json) == 8
    assert "removed" in flat(finished("cache", "gc", "--yes").out)
    kept = {row["address"].partition("/")[0] for row in finished("cache", "ls", "--json").json}
    assert kept <= {"anchor", "affinity", "edge"}  # a step that has begun can go on


def test_damage_is_found_removed_and_mended(dymu: Dymu, tmp_path: Path) -> None:
    run(dymu, "toy_studies:ours")
    store = Store(tmp_path / "store")
    (address,) = store.addresses("weight")
    file = store.path(address) / "result.json"
    file.write_text(file.read_text().replace("1", "2").replace("3", "4"))
    said = dymu("cache", "verify")
    assert said.code == 3
    assert address in said.err
    assert dymu("cache", "verify", "--json").json["damaged"].keys() == {address}
    assert "1 entries" in flat(dymu("cache", "gc", "--corrupt", "--yes").out)
    (final,) = store.addresses("evaluate")
    store.remove(final)
    assert run(dymu, "toy_studies:ours").code == 0
    assert dymu("cache", "verify").code == 0


def test_ui_serves_the_database_of_the_store(
    dymu: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: called.append(arguments))
    run(dymu, "toy_studies:ours")
    said = dymu("ui")
    assert said.code == 3
    assert "run a study first" in said.err
    database = tmp_path / "store" / "mlflow" / "mlflow.db"
    database.parent.mkdir()
    database.touch()
    said = dymu("ui", "--port", "5007")
    assert "http://127.0.0.1:5007" in said.out
    ((_, *arguments),) = called
    assert arguments[:3] == ["-m", "mlflow", "server"]
    assert f"sqlite:///{database}" in arguments
    assert "127.0.0.1" in arguments


def test_the_doctor_looks_at_everything(dymu: Dymu) -> None:
    said = dymu("doctor", "--json")
    assert said.code == 0, said.out
    names = {entry["name"] for entry in said.json}
    assert {"python", "packages", "store", "disk", "torch", "ray", "mlflow", "git"} <= names


def test_the_doctor_tells_what_fails(dymu: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    said = dymu("doctor")
    assert said.code == 3
    assert "fails" in said.out
    assert "format 99" in flat(said.out)
