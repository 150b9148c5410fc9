"""Commands and code in the documents: found, sorted, checked against the command line, and run.

A fenced block of ``sh`` holds commands. Its info string may say what it needs, as in
```` ```sh needs-cluster ````; everything else is run. In the tutorial ``python file=NAME`` is written to that
file and ``python`` alone is run; ``python excerpt`` is a part of something that a test runs elsewhere.
"""

import importlib
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer

from dymu.cli import app

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in ROOT.glob("docs/*.md")))
# Why a block is not run here, and what runs its like instead.
NEEDS = {
    "cluster": "starts servers and stays: tests/cluster, tests/run/jobs",
    "server": "a server of MLflow or PostgreSQL: test_operations.py, tests/tracking, tests/product",
    "gpu": "a CUDA device",
    "data": "a download, or images in an official layout: tests/commands/test_data.py",
    "bucket": "object storage: tests/artifacts, against a server on loopback",
    "hours": "more time than a test has",
}

_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_TARGET = re.compile(r"(studies|ablations)\.\w+(:\w+)?")
_NAME = re.compile(r"([a-z0-9_]+)-[a-z0-9-]+(?:\.([a-z0-9_]+))?")
_FOREIGN = frozenset(
    {
        "kubectl",
        "srun",
        "pip",
        "aws",
        "git",
        "cp",
        "mkdir",
        "rsync",
        "pg_dump",
        "pg_restore",
        "createdb",
        "curl",
        "ssh",
    }
)
_OF_THE_TUTORIAL = re.compile(r"(studies|ablations)\.(bars|MODULE)")
_PLACE = re.compile(r"\b[A-Z][A-Z_]+\b|<|\.\.\.")
_ENDS = frozenset({"|", "&", "&&", ">", ";", "||"})


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its document.
        language: First word behind the fence; empty for none.
        needs: What the document says that it needs.
        file: Where the document says that it belongs.
        excerpt: Whether it is a part of something larger.
        text: What stands in it.
    """

    page: str
    language: str
    needs: frozenset[str]
    file: str
    excerpt: bool = False
    text: str

    @property
    def is_shell(self) -> bool:
        """Whether it holds commands, not a listing of files."""
        return self.language == "sh"

    @property
    def is_run(self) -> bool:
        """Whether it is run by a test."""
        return self.is_shell and not self.needs


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    found = []
    for info, text in _FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        language, *rest = info.split() or [""]
        needs = frozenset(word.removeprefix("needs-") for word in rest if word.startswith("needs-"))
        file = "".join(word.removeprefix("file=") for word in rest if word.startswith("file="))
        assert needs <= set(NEEDS), f"{page}: {info}: unknown need"
        excerpt = "excerpt" in rest
        found.append(Block(page=page, language=language, needs=needs, file=file, excerpt=excerpt, text=text))
    return found


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a block: comments, pipes and redirections cut off, inner commands told."""
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"\w+=\$", line):
            continue  # a variable of a shell, set to what another program says
        words = _words(line)
        if words[:1] == ["trap"]:
            yield from commands(words[1])
        if words[:1] == ["srun"] and "--" in words:
            yield from commands(shlex.join(words[words.index("--") + 1 :]))
        while words:
            end = next((index for index, word in enumerate(words) if word in _ENDS), len(words))
            if words[:end]:
                yield words[:end]
            separator = words[end : end + 1]
            words = words[end + 1 :] if separator != [">"] else words[end + 2 :]


def _words(line: str) -> list[str]:
    split = shlex.shlex(line, posix=True, punctuation_chars=True)
    split.whitespace_split = True
    return list(split)


def mentions(page: str) -> Iterator[list[str]]:
    """Commands of dymu in running text."""
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for span in _SPAN.findall(text):
        if re.match(r"(\.venv/bin/)?dymu\b(?![./])", span):
            yield shlex.split(span.replace("\n", " "), comments=True)


@cache
def the_command() -> Any:
    """``dymu`` as the parser that it is."""
    return typer.main.get_command(app)


def the_verbs() -> dict[str, Any]:
    """Every command that the help shows, by what is typed for it."""
    found = {}
    groups = [("dymu", the_command())]
    for name, group in groups:
        for verb, command in group.commands.items():
            if hasattr(command, "commands"):
                groups.append((f"{name} {verb}", command))
            elif not command.hidden:
                found[f"{name} {verb}"] = command
    return found


def check(words: Sequence[str], *, whole: bool) -> None:
    """Parse a command of dymu as the command line does, and find the targets in it.

    Args:
        words: The command.
        whole: Whether it must be complete; running text may say ``dymu run`` and mean the verb.

    Raises:
        typer.BadParameter: If a value is none that the option takes; likewise the errors for other mistakes.
        AssertionError: If a verb, a target or a name in it does not exist.
    """
    command = the_command()
    rest = [word for word in words[1:] if word != "..."]
    context = command.make_context("dymu", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        if not rest:
            return
        verb = rest.pop(0)
        if verb.startswith("--"):
            return
        assert verb in command.commands, f"there is no verb {verb!r}: {shlex.join(words)}"
        command = command.commands[verb]
    try:
        command.make_context(words[1], list(rest), parent=context)
    except typer.BadParameter as error:
        is_missing = type(error).__name__ == "MissingParameter"
        if whole or not (is_missing or any(_PLACE.search(word) for word in rest)):
            raise
    for word in rest:
        _find(word, words)


def check_foreign(words: Sequence[str]) -> bool:
    """Whether another program's command is one that is known, and as far as it can be told, right."""
    program, *rest = words
    if program in ("export", "source", "trap", "wait") or re.match(r"\w+=", program):
        return True
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        return all("=" in word or word in targets for word in rest)
    if program.endswith("python"):
        return rest[0] in ("-m", "-c") or (ROOT / rest[0]).exists()
    if program == "ray":
        ray = importlib.import_module("ray.scripts.scripts").cli
        return not rest or rest[0] in ray.commands
    if program == "mlflow":
        return rest[0] in ("server", "models", "db")  # importing its command line takes seconds
    if program == "pytest":
        return all((ROOT / word).exists() for word in rest if word.startswith("tests/"))
    return program in _FOREIGN


_TINY = "num_preferences=2, num_cost_preferences=4, batch_size=40"


def workspace(folder: Path) -> Path:
    """A folder with the studies and ablations of the repository, those on digits in a tiny size."""
    for name in ("studies", "ablations"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    digits = folder / "studies" / "digits.py"
    text = digits.read_text(encoding="utf-8")
    for old, tiny in (
        (r"num_steps=\d+", "num_steps=2"),
        (r"decay_every=\d+", "decay_every=2"),
        (r"Digits\(\)", "Digits(num_train=40, num_val=16, num_test=40)"),
        (r"EvaluationConfig\(", f"EvaluationConfig({_TINY}, "),
        # Nets after two steps are no better than guessing; a hypervolume that is always 0 has no importances.
        (r"reference_point=\(3\.0, 3\.0, 3\.0\)", "reference_point=(9.0, 9.0, 9.0)"),
    ):
        text, count = re.subn(old, tiny, text)
        assert count, f"studies/digits.py has no {old}"
    digits.write_text(text, encoding="utf-8")
    return folder


def _find(word: str, words: Sequence[str]) -> None:
    """Find the target or the name of results that a word is."""
    said = shlex.join(words)
    if _TARGET.fullmatch(word):
        module_name, _, attribute = word.partition(":")
        if _OF_THE_TUTORIAL.match(word):
            return
        module = importlib.import_module(module_name)
        assert not attribute or hasattr(module, attribute), f"{module_name} has no {attribute}: {said}"
        return
    name = None if word.startswith(("studies-", "ablations-")) else _NAME.fullmatch(word)  # not that of a job
    if name is not None and words[1] in ("stop", "retry", "status", "logs", "records", "search", "table"):
        module_name, question = name.groups()
        assert (ROOT / "studies" / f"{module_name}.py").exists(), f"no study is called {word}: {said}"
        assert question is None or (ROOT / "ablations" / f"{question}.py").exists(), said
