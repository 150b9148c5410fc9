"""Every address is pinned: a refactoring that moves one would orphan results."""

from pathlib import Path
from types import ModuleType


def test_addresses_have_not_moved(golden: Path, update: ModuleType) -> None:
    pinned = golden / "addresses.json"
    assert pinned.exists(), "run `python tests/golden/update.py addresses`"
    assert update.addresses() == pinned.read_text(encoding="utf-8"), (
        "addresses moved: results under the old ones will not be found. If intended, say so in CHANGELOG.md "
        "under 'Moved numbers' and run `python tests/golden/update.py addresses`"
    )


def test_every_study_is_pinned(update: ModuleType) -> None:
    assert update.studies(), "no study was found in studies/"
    assert update.questions(), "no question was found in ablations/"
