from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import Point, Record, Value
from dymu.artifacts.store import Store
from dymu.metrics.hypervolume import hypervolume

Dymu = Callable[..., Any]


def test_a_table_without_records_is_refused(dymu: Dymu, run_here: Dymu) -> None:
    run_here("toy_studies:ours")
    said = dymu("table", "6")
    assert said.code == 4
    assert "no results for table 6" in said.err


@pytest.mark.parametrize(
    ("style", "part"),
    [
        ("markdown", "| --: |"),
        ("csv", ","),
        ("latex", r"\toprule"),
        ("html", '<figure class="dymu-table">'),
        ("json", '"rows": ['),
        ("terminal", "HV"),
    ],
)
def test_tables_come_in_styles(finished: Dymu, style: str, part: str) -> None:
    said = finished("table", "6", "--style", style)
    assert said.code == 0
    assert part in said.out


def test_a_table_can_name_addresses_and_be_json(finished: Dymu) -> None:
    assert "evaluate/" in finished("table", "6", "--provenance").out
    assert finished("table", "--question", "toy_question", "--json").json["rows"]


def test_records_of_other_data_share_a_table_only_if_that_is_allowed(dymu: Dymu, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for number, digest in enumerate(("one", "two")):
        attempt = store.new_attempt(f"evaluate/{number}")
        Record(
            address=f"evaluate/{number}",
            seed=0,
            method="constant",
            tasks=("left", "right"),
            values={"hypervolume": Value(value=1.0 + number, higher_is_better=True)},
            points=(),
            reference_point=(2.0, 2.0),
            anchor_parameters=1.0,
            data_digest=digest,
            config={},
        ).write(attempt)
        store.publish(f"evaluate/{number}", attempt, info={})
    arms = (
        ManifestArm(name="baseline", label="Ours", steps={"0": {"evaluate": "evaluate/0"}}),
        ManifestArm(name="other", label="Other", steps={"0": {"evaluate": "evaluate/1"}}),
    )
    store.save_manifest(
        Manifest(
            name="toy-ours.branching_regularizer",
            study="toy-ours",
            target="ablations.branching_regularizer",
            title="What?",
            source="Table 6",
            tasks=("left", "right"),
            arms=arms,
        )
    )
    said = dymu("table", "6")
    assert said.code == 4
    assert "the digest of the data is 'one' and 'two'" in said.err
    said = dymu("table", "6", "--allow-mixed", "--style", "markdown")
    assert said.code == 0
    warning = "one (Ours at seed 0), two (Other at seed 0). Compare these rows with care."
    assert warning in said.out
    assert warning in dymu("claims", "6", "--allow-mixed", "--style", "markdown").out
    said = dymu("table", "6", "--allow-mixed", "--style", "csv")  # has no place for notes
    assert warning in said.err
    assert len(said.out.splitlines()) == 3


def test_figures_are_listed_by_path(finished: Dymu, tmp_path: Path) -> None:
    said = finished("figure", "curves", "--out", str(tmp_path / "figures"))
    assert said.code == 0
    listed = {Path(line) for line in said.out.split()}
    assert listed
    assert listed <= set((tmp_path / "figures").iterdir())


def test_claims_are_judged(finished: Dymu) -> None:
    assert "undecided" in finished("claims").out
    assert finished("claims", "--json").json["rows"]


@pytest.fixture
def static_grid(tmp_path: Path) -> None:
    """The record of a grid of two static nets, in the store of the command."""
    store = Store(tmp_path / "store")
    preferences, losses = [[0.2, 0.8], [0.7, 0.3]], [[1.0, 0.4], [0.3, 0.9]]
    nets = {f"shared/{number}": row for number, row in enumerate(preferences)}
    inputs = {f"net_{number:03d}": net for number, net in enumerate(nets)}
    record = Record(
        address="evaluate/grid",
        seed=0,
        method="static_grid",
        tasks=("left", "right"),
        values={"hypervolume": Value(value=hypervolume(losses, (3.0, 3.0)), higher_is_better=True)},
        points=(Point(resource_preference=None, preferences=preferences, losses=losses, task_metrics={}),),
        reference_point=(3.0, 3.0),
        anchor_parameters=100.0,
        data_digest="0",
        config={net: {"config": {"preference": row}} for net, row in nets.items()}
        | {"evaluate/grid": {"inputs": inputs}},
    )
    attempt = store.new_attempt(record.address)
    record.write(attempt)
    store.publish(record.address, attempt, info={})
    arm = ManifestArm(
        name="static-grid", label="Static MTL", source="Figure 6", steps={"0": {"evaluate": record.address}}
    )
    store.save_manifest(
        Manifest(
            name="mine-ours.baselines",
            study="mine-ours",
            target="ablations.baselines",
            title="Which is better?",
            source="Table 3",
            tasks=record.tasks,
            arms=(arm,),
        )
    )


@pytest.mark.usefixtures("static_grid")
@pytest.mark.parametrize(
    ("style", "part"),
    [
        ("terminal", "Static MTL"),
        ("markdown", "| Static MTL | 1 |"),
        ("csv", "Static MTL,1,"),
        ("latex", "&"),
    ],
)
def test_the_numbers_of_figure_6_come_as_a_table(dymu: Dymu, style: str, part: str) -> None:
    said = dymu("figure", "6", "--table", "--style", style)
    assert said.code == 0
    assert part in said.out


@pytest.mark.usefixtures("static_grid")
def test_the_numbers_of_figure_6_come_as_json_and_as_files(dymu: Dymu, tmp_path: Path) -> None:
    rows = dymu("figure", "6", "--json").json["rows"]
    assert [row["Models"] for row in rows] == ["1", "2"]
    assert "evaluate/grid" in dymu("figure", "6", "--table", "--provenance").out
    listed = dymu("figure", "6", "--out", str(tmp_path / "figures")).out.split()
    assert [Path(line).name for line in listed] == [
        "static_grid.svg",
        "static_grid.pdf",
        "static_grid.png",
    ]


def test_a_figure_has_its_numbers_as_a_table(finished: Dymu) -> None:
    said = finished("figure", "curves", "--table", "--style", "csv")
    assert said.code == 0
    first, *rows = said.out.splitlines()
    assert first == "stage,arms,seed,metric,step,value"
    assert {row.partition(",")[0] for row in rows} >= {"anchor"}


def test_records_are_printed_as_csv_or_written_to_a_file(finished: Dymu, tmp_path: Path) -> None:
    printed = finished("records")
    assert printed.code == 0
    assert printed.out.startswith("name,study,arm,seed,")
    file = tmp_path / "records.csv"
    assert finished("records", "--out", str(file)).code == 0
    assert file.read_text() == printed.out


def test_records_of_nothing_finished_are_refused(dymu: Dymu, tmp_path: Path) -> None:
    Store(tmp_path / "store")
    said = dymu("records")
    assert said.code == 4
    assert "holds no finished records" in said.err


def test_a_figure_is_written_in_the_wanted_formats_only(finished: Dymu, tmp_path: Path) -> None:
    said = finished(
        "figure", "seeds", "--format", "pdf", "--format", "svg", "--out", str(tmp_path / "figures")
    )
    assert [Path(line).name for line in said.out.split()] == ["seeds.pdf", "seeds.svg"]
    assert {path.suffix for path in (tmp_path / "figures").iterdir()} == {".pdf", ".svg", ".json"}


def test_a_figure_that_the_paper_does_not_have_is_refused_before_records_are_sought(dymu: Dymu) -> None:
    said = dymu("figure", "20")
    assert said.code == 4
    assert "there is no figure '20'" in said.err


@pytest.mark.parametrize("number", ["8", "13"])
def test_a_figure_without_records_says_which_command_makes_them(finished: Dymu, number: str) -> None:
    said = finished("figure", number)
    assert said.code == 4
    assert "Make them: `dymu run ablations." in said.err


def test_a_study_is_judged_by_all_claims_of_the_paper(finished: Dymu) -> None:
    said = finished("claims", "--study", "toy_studies:ours", "--json")
    assert said.code == 0
    rows = said.json["rows"]
    assert {"G1a", "G7a", "G22"} <= {row[""] for row in rows}
    # The toy module has no such study, and few seeds decide nothing.
    assert any("`toy_studies:phn` cannot be run: " in note for note in said.json["footnotes"])
    assert {row["Verdict"] for row in rows} == {"undecided", "not applicable"}


@pytest.mark.parametrize(("style", "part"), [("markdown", "| G1a |"), ("csv", "G1a,"), ("latex", "G1a &")])
def test_claims_come_in_styles(finished: Dymu, style: str, part: str) -> None:
    assert part in finished("claims", "--study", "toy_studies:ours", "--style", style).out


@pytest.mark.parametrize("words", [(), ("--study", "toy_studies:ours", "--question", "toy_ablation")])
def test_a_second_setting_needs_a_first_one(finished: Dymu, words: tuple[str, ...]) -> None:
    said = finished("claims", *words, "--against", "studies.scenes:ours")
    assert said.code == 4
    assert "--against compares two studies" in said.err


def test_a_second_setting_must_be_known(finished: Dymu) -> None:
    said = finished("claims", "--study", "toy_studies:ours", "--against", "studies.scenes:ours")
    assert "no study 'studies.scenes:ours'" in said.err


def test_claims_of_an_unknown_study_are_refused(finished: Dymu) -> None:
    said = finished("claims", "--study", "studies.scenes:ours")
    assert said.code == 4
    assert "knows no study 'studies.scenes:ours'" in said.err
