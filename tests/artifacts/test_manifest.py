import json
from dataclasses import replace
from pathlib import Path

import pytest

from dymu.artifacts.manifest import (
    Manifest,
    ManifestArm,
    loads_manifest,
    manifest_names,
    read_manifest,
    save_manifest,
)
from dymu.errors import SpecError, StoreError


def arm(name: str, *seeds: int, identity: str = "evaluate/00") -> ManifestArm:
    steps = {
        str(seed): {"edge": f"edge/{name}{seed}", "evaluate": f"evaluate/{name}{seed}"} for seed in seeds
    }
    return ManifestArm(
        name=name,
        label=name,
        paper={"hypervolume/c=0": 4.26},
        changes={} if name == "baseline" else {"method.edge.widths": [1, 2]},
        claims=({"metric": "uniformity", "direction": "down"},),
        steps=steps,
        identity=identity,
    )


def manifest(*arms: ManifestArm) -> Manifest:
    return Manifest(
        name="digits-ours.branching_regularizer",
        study="digits-ours",
        target="ablations.branching_regularizer",
        title="Which part matters?",
        source="Table 6",
        tasks=("left", "right"),
        arms=arms,
    )


def test_manifest_is_read_as_it_was_written() -> None:
    value = manifest(arm("baseline", 0, 1), arm("no-dichotomy", 0))
    assert loads_manifest(value.dumps(), where="here") == value


def test_seeds_are_those_of_all_arms_ascending() -> None:
    assert manifest(arm("baseline", 10, 2), arm("no-dichotomy", 0)).seeds == (0, 2, 10)


def test_merging_gathers_seeds() -> None:
    merged = manifest(arm("baseline", 1, 2)).merged(manifest(arm("baseline", 0, 1)))
    assert merged == manifest(arm("baseline", 0, 1, 2))


def test_merging_prefers_the_later_address() -> None:
    later = replace(arm("baseline"), steps={"0": {"evaluate": "evaluate/later"}})
    merged = manifest(later).merged(manifest(arm("baseline", 0)))
    assert merged.arms[0].steps == later.steps


def test_merging_keeps_the_later_words() -> None:
    older = replace(manifest(replace(arm("baseline", 0), label="old")), title="old")
    merged = manifest(arm("baseline", 1)).merged(older)
    assert (merged.title, merged.arms[0].label) == ("Which part matters?", "baseline")
    assert merged.seeds == (0, 1)


def test_merging_drops_arms_that_are_gone_and_keeps_new_ones_as_they_are() -> None:
    merged = manifest(arm("baseline", 1), arm("new", 1)).merged(manifest(arm("baseline", 0), arm("gone", 0)))
    assert [(a.name, sorted(a.steps)) for a in merged.arms] == [("baseline", ["0", "1"]), ("new", ["1"])]


@pytest.mark.parametrize(
    "other",
    [
        replace(arm("no-dichotomy", 0), changes={"method.edge.widths": [1, 3]}),
        replace(arm("no-dichotomy", 0), ad_hoc={"method.edge.steps": 3}),
        replace(arm("no-dichotomy", 0), identity="evaluate/99"),
    ],
)
def test_seeds_of_an_arm_that_has_changed_are_not_gathered(other: ManifestArm) -> None:
    assert manifest(arm("no-dichotomy", 1)).merged(manifest(other)).seeds == (1,)


def test_manifest_of_a_newer_dymu_is_refused() -> None:
    text = json.dumps({**json.loads(manifest().dumps()), "format": 2, "arms": "otherwise"})
    with pytest.raises(StoreError, match="here has manifest format 2; this dymu reads format 1"):
        loads_manifest(text, where="here")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"format": 1}', '{"format": 1, "arms": [{}]}'])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match=r"here is not a manifest: .*Run the study again"):
        loads_manifest(text, where="here")


def test_saved_manifest_is_found_by_name(tmp_path: Path) -> None:
    value = manifest(arm("baseline", 0))
    save_manifest(tmp_path / "manifests", value)
    assert manifest_names(tmp_path / "manifests") == [value.name]
    assert read_manifest(tmp_path / "manifests", value.name) == value


def test_unknown_name_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    with pytest.raises(StoreError, match=f"{tmp_path} knows no study 'scenes'; it has: none"):
        read_manifest(folder, "scenes")
    save_manifest(folder, manifest())
    with pytest.raises(StoreError, match=r"it has: digits-ours\.branching_regularizer"):
        read_manifest(folder, "scenes")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError, match="does not name a study"):
        save_manifest(tmp_path, replace(manifest(), name=name))
    assert list(tmp_path.iterdir()) == []


def test_unreadable_older_manifest_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / f"{manifest().name}.json"
    path.write_text('{"format": 2}')
    with pytest.raises(StoreError, match="manifest format 2"):
        save_manifest(tmp_path, manifest(arm("baseline", 0)))
    assert path.read_text() == '{"format": 2}'
