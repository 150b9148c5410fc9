"""Every command in the documents is one that the command line takes, and none is left out in silence."""

import ast

import pytest
import typer

from tests.architecture.documents import (
    PAGES,
    ROOT,
    Block,
    blocks,
    check,
    check_foreign,
    commands,
    mentions,
    the_command,
)

LANGUAGES = {"", "sh", "python", "yaml", "text"}
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


def test_verbs_are_all_in_some_document() -> None:
    shown = {name for name, verb in the_command().commands.items() if not verb.hidden}
    typed = [words for block in ALL if block.is_shell for words in commands(block.text)]
    told = [words for page in PAGES for words in mentions(page)]
    said = {words[1] for words in [*typed, *told] if words[0] == "dymu" and len(words) > 1}
    assert shown <= said, f"no document says what these are for: {sorted(shown - said)}"


def test_the_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert len(pictures) >= 4
    assert all(picture.stat().st_size < 120_000 for picture in pictures)
