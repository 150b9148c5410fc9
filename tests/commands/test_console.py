import gc
import json
import logging
from pathlib import Path

import pytest
from rich.console import Console

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.commands.console import (
    complain,
    existing,
    garbage_left,
    listing_of,
    make_console,
    one_study,
    print_json,
    reading,
    show_warnings,
    size_text,
    studies_named,
)
from dymu.errors import NothingToDoError, StoreError


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


@pytest.fixture
def named(tmp_path: Path) -> Store:
    """A store with two studies of one module and a question about one of them."""
    store = Store(tmp_path / "store")
    for name, target in {
        "digits-ours": "studies.digits:ours",
        "digits-phn": "studies.digits:phn",
        "digits-phn.adaptation": "ablations.adaptation --study studies.digits:phn",
    }.items():
        study = name.partition(".")[0]
        manifest = Manifest(
            name=name, study=study, target=target, title=name, source="", tasks=("left",), arms=()
        )
        store.save_manifest(manifest)
    return store


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("digits-ours", ["digits-ours"]),
        ("studies.digits:ours", ["digits-ours"]),
        ("studies.digits", ["digits-ours", "digits-phn"]),
        ("ablations.adaptation", ["digits-phn.adaptation"]),
        ("adaptation", ["digits-phn.adaptation"]),
        ("ablations.adaptation --study studies.digits:phn", ["digits-phn.adaptation"]),
    ],
)
def test_a_study_is_named_as_status_prints_it_or_as_run_takes_it(
    named: Store, name: str, found: list[str]
) -> None:
    assert [manifest.name for manifest in studies_named(named, name)] == found


def test_a_name_that_means_no_study_is_told_with_the_nearest(named: Store) -> None:
    with pytest.raises(StoreError, match=r"knows no study 'digits-our' \(did you mean 'digits-ours'\?\)"):
        studies_named(named, "digits-our")


def test_one_study_has_to_be_meant(named: Store) -> None:
    assert one_study(named, "studies.digits:phn") == "digits-phn"
    with pytest.raises(
        NothingToDoError, match=r"studies\.digits is 2 studies; name one of: digits-ours, digits-p"
    ):
        one_study(named, "studies.digits")
    with pytest.raises(NothingToDoError, match="store has 3 studies; name one of"):
        one_study(named, None)


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


@pytest.mark.parametrize("collecting", [True, False])
def test_what_a_verb_leaves_is_not_looked_through(collecting: bool) -> None:
    if not collecting:
        gc.disable()
    try:
        with garbage_left():
            assert not gc.isenabled()
            kept = [[number] for number in range(100)]
        assert gc.isenabled() is collecting
        assert gc.get_freeze_count() >= len(kept)
        assert not any(one is kept for one in gc.get_objects())
    finally:
        gc.enable()
