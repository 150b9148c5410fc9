import os
from pathlib import Path

import pytest

from dymu.data.download import sha256_of
from dymu.data.known import KNOWN
from dymu.data.official import Official, silent

FETCHED = {name: known.recipe for name, known in KNOWN.items() if known.recipe is not None}


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_dataset_can_be_scanned(name: str, tmp_path: Path) -> None:
    dataset = KNOWN[name].dataset
    assert isinstance(dataset, Official)
    scan = dataset.scan(tmp_path, silent)
    assert scan.findings, "an empty folder holds no data"
    assert dataset.how_to_get.endswith(".")


@pytest.mark.parametrize("name", FETCHED)
def test_recipes_are_complete(name: str) -> None:
    recipe = FETCHED[name]
    assert recipe.source.startswith("https://")
    assert recipe.source.endswith("/")
    for archive in recipe.archives:
        packed = archive.remote.name.endswith(".tar.gz")
        assert all(bool(member.inside) == packed for member in archive.members)
    files = [archive.remote for archive in recipe.archives] + list(recipe.members)
    assert all(len(file.sha256) == 64 and int(file.sha256, 16) for file in files)
    assert len({file.sha256 for file in files}) == len(files)


@pytest.mark.parametrize("name", FETCHED)
def test_what_a_recipe_unpacks_is_what_its_dataset_reads(name: str) -> None:
    assert f"dymu data fetch {name}" in KNOWN[name].dataset.how_to_get
    assert f"{FETCHED[name].folder}/" in KNOWN[name].dataset.how_to_get


@pytest.mark.data
@pytest.mark.parametrize("name", FETCHED)
def test_official_files_have_the_checksums_of_the_recipe(name: str) -> None:
    folder = Path(os.environ["DYMU_DATA"]) / FETCHED[name].folder
    for member in FETCHED[name].members:
        assert (folder / member.name).stat().st_size == member.size
        assert sha256_of(folder / member.name) == member.sha256
