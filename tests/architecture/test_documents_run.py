"""What the documents tell a reader to type works: commands run on a tiny store, and Python as well."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.documents import PAGES, ROOT, Block, blocks, commands, workspace

RUNNER = Path(__file__).with_name("run_documents.py")
QUICK = ("README.md", "docs/tutorial.md")
SLOW = tuple(
    page
    for page in PAGES
    if page not in QUICK
    and any(words[0] == "dymu" for block in blocks(page) if block.is_run for words in commands(block.text))
)


def play(pages: Sequence[str], folder: Path, *, here: bool) -> list[dict[str, Any]]:
    """Do what documents say, in their order; ``here`` starts no Ray and draws only what is asked for."""
    todo: list[Any] = []
    for block in (block for page in pages for block in blocks(page)):
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python" and not block.excerpt:
            todo.append(block.text)
        elif block.is_run:
            todo += [_command(words, here=here) for words in commands(block.text) if words[0] == "dymu"]
    plan = folder / "todo.json"
    plan.write_text(json.dumps(todo), encoding="utf-8")
    environment = {
        **{
            name: os.environ[name] for name in os.environ if not name.startswith(("DYMU_", "MLFLOW_", "RAY_"))
        },
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "disabled",
        "OMP_NUM_THREADS": "1",
        "DYMU_STORE": str(folder / "store"),
        "DYMU_DATA": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(RUNNER), str(plan), *(["quick"] if here else [])],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert told, done.stderr
    assert len(told) == len(todo), told[-1]
    assert told[-1]["code"] == 0, told[-1]
    return told


def _command(words: list[str], *, here: bool) -> list[str]:
    if here and words[1] in ("run", "retry"):
        return [*words, "--backend", "local", *(["--no-tracking"] if ".bars" in words[2] else [])]
    return words


@pytest.mark.timeout(1200)
def test_what_a_newcomer_types_works(tmp_path: Path) -> None:
    told = play(QUICK, workspace(tmp_path), here=True)
    assert len(told) >= 20


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", QUICK)
def test_it_works_as_it_stands(page: str, tmp_path: Path) -> None:
    play([page], workspace(tmp_path), here=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", SLOW)
def test_what_other_documents_say_works(page: str, tmp_path: Path) -> None:
    play([page], workspace(tmp_path), here=True)


def test_the_tutorial_writes_files_of_all_kinds() -> None:
    files = [block.file for block in blocks("docs/tutorial.md") if block.file]
    assert files == [
        *("studies/bars.py", "ablations/bars_threshold.py"),
        *("studies/bars_biased.py", "ablations/bars_methods.py"),
    ]


def test_a_block_says_what_it_needs() -> None:
    block = Block(page="", language="sh", needs=frozenset({"gpu"}), file="", text="")
    assert block.is_shell
    assert not block.is_run
