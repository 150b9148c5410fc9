"""Every command in the documents is one that the command line takes, and none is left out in silence."""

import ast
import re
import shlex

import pytest
import typer
from rich.text import Text

from tests.architecture.documents import (
    NEEDS,
    PAGES,
    ROOT,
    Block,
    blocks,
    check,
    check_foreign,
    commands,
    mentions,
    the_verbs,
)

LANGUAGES = {"", "sh", "python", "yaml", "text"}
VERBS = the_verbs()
TEXT = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
ALL = [block for page in PAGES for block in blocks(page)]


def label(block: Block) -> str:
    return f"{block.page}:{block.text.splitlines()[0][:40]}"


@pytest.mark.parametrize("page", PAGES)
def test_blocks_say_what_they_are(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page}: {block.language}"
        if block.language == "":
            typed = [line for line in block.text.splitlines() if line.startswith(("dymu ", "make ", "ray "))]
            assert not typed, f"{page}: commands stand in a block of ``sh``: {typed}"


@pytest.mark.parametrize("block", [block for block in ALL if block.is_shell], ids=label)
def test_commands_are_taken_as_they_stand(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    if "DYMU_DATA=" in block.text:
        monkeypatch.setenv("DYMU_DATA", ".")
    found = list(commands(block.text))
    assert found
    for words in found:
        if words[0] == "dymu":
            check(words, whole="..." not in words)
        else:
            assert check_foreign(words), f"{block.page}: {' '.join(words)}"


@pytest.mark.parametrize("block", [block for block in ALL if block.is_run], ids=label)
def test_what_is_run_needs_nothing_but_dymu(block: Block) -> None:
    programs = {words[0] for words in commands(block.text)}
    assert programs <= {"dymu", "make"}, f"{block.page}: say what {programs} need"


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_running_text_exist(page: str) -> None:
    for words in mentions(page):
        check(words, whole=False)


def test_what_is_not_run_is_of_few_kinds() -> None:
    assert {need for block in ALL for need in block.needs} == set(NEEDS)
    assert len(NEEDS) <= 6
    assert not [label(block) for block in ALL if len(block.needs) > 1]
    skipped = [block for block in ALL if block.is_shell and not block.is_run]
    assert len(skipped) <= 16
    assert all(sum(one.page == block.page for one in skipped) <= 8 for block in skipped)


def test_python_is_run_or_is_an_excerpt() -> None:
    python = [block for block in ALL if block.language == "python"]
    assert {block.page for block in python if not block.excerpt} == {"docs/tutorial.md"}
    assert not [label(block) for block in python if block.excerpt and block.file]


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "python"], ids=label)
def test_python_in_documents_is_python(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize(
    "words",
    [
        ["dymu", "tabel", "6"],
        ["dymu", "run", "studies.digits:ours", "--sedes", "3"],
        ["dymu", "run", "studies.digits:hours"],
        ["dymu", "table", "six"],
        ["dymu", "stop", "digits-ours.no_such_question"],
    ],
)
def test_a_typo_is_found(words: list[str]) -> None:
    with pytest.raises((typer.BadParameter.__base__ or Exception, AssertionError)):
        check(words, whole=True)


@pytest.mark.parametrize("name", VERBS)
def test_examples_in_the_help_are_taken_as_they_stand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_DATA", ".")
    for line in Text.from_markup(VERBS[name].epilog or "").plain.splitlines():
        for words in commands(line) if line.startswith("dymu ") else ():
            if words[0] == "dymu":
                assert shlex.join(words).startswith(name)
                check(words, whole=True)


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_and_flag_is_in_some_document(name: str) -> None:
    assert name in TEXT, f"no document says what `{name}` is for"
    flags = {flag for part in VERBS[name].params for flag in part.opts if flag.startswith("--")}
    untold = {flag for flag in flags - {"--help"} if not re.search(rf"{flag}(?![\w-])", TEXT)}
    assert not untold, f"no document says what these flags of `{name}` are for: {sorted(untold)}"


def test_the_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert len(pictures) >= 4
    assert all(picture.stat().st_size < 120_000 for picture in pictures)
