import json
import logging
from pathlib import Path

import pytest
from rich.console import Console

from dymu.artifacts.store import Store
from dymu.commands.console import (
    complain,
    existing,
    listing_of,
    make_console,
    print_json,
    reading,
    show_warnings,
    size_text,
)
from dymu.errors import StoreError


def test_looking_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_STORE", str(tmp_path / "store"))
    assert existing(None) is None
    with pytest.raises(StoreError, match="is not a store"):
        reading(None)
    assert not (tmp_path / "store").exists()


def test_the_store_is_the_one_named(tmp_path: Path) -> None:
    Store(tmp_path / "store")
    found = existing(str(tmp_path / "store"))
    assert found is not None
    assert found.root == reading(str(tmp_path / "store")).root == tmp_path / "store"


def test_an_error_goes_to_standard_error_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    complain("method.edge[red] is not a number")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Error: method.edge[red] is not a number\n"


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1]})
    assert json.loads(capsys.readouterr().out) == {"a": [1]}


def test_a_listing_without_titles_has_no_heading(capsys: pytest.CaptureFixture[str]) -> None:
    listing = listing_of("", "")
    listing.add_row("python", "ok")
    make_console().print(listing)
    assert capsys.readouterr().out.split() == ["python", "ok"]


@pytest.mark.parametrize(("count", "text"), [(512, "0 KiB"), (2048, "2 KiB"), (3 * 1024**2, "3.0 MiB")])
def test_sizes_are_read_by_people(count: int, text: str) -> None:
    assert size_text(count) == text


def test_warnings_are_shown_on_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("dymu")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    console = Console(record=True, quiet=False, width=100)
    show_warnings(console)
    logging.getLogger("dymu.run").warning("the cache is slow")
    assert "the cache is slow" in console.export_text()
