from collections.abc import Callable
from dataclasses import replace
from typing import Any

from dymu.artifacts.record import Record
from dymu.reports.collect import results_of
from dymu.reports.footnotes import Notes, paper_anchor


def test_the_papers_anchor_is_said_once_with_the_baseline(study: Any) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    assert [paper_anchor(results, arm) for arm in results.arms] == [64.47e6] * 3


def test_letters_point_from_labels_to_notes(study: Any) -> None:
    study.without = (("no-inactive-loss", 1), ("no-affinity", 0))
    study.dirty = ("no-affinity",)
    study.publish()
    results = results_of(study.store, study.manifest)
    notes = Notes(results)
    assert [notes.label(arm) for arm in results.arms] == [
        "Ours",
        "no L_inactive (a)",
        "no task affinity (b, c)",
    ]
    lines = list(notes.lines(provenance=False))
    assert [line[:3] for line in lines[-3:]] == ["(a)", "(b)", "(c)"]
    assert "n = 2 to 3" in lines[0]


def test_the_command_that_makes_a_missing_record_asks_about_the_same_study(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.publish()
    manifest = replace(study.manifest, target="ablations.branching_regularizer --study studies.scenes:ours")
    lines = "\n".join(Notes(results_of(study.store, manifest)).lines(provenance=False))
    command = (
        "dymu run ablations.branching_regularizer --study studies.scenes:ours --arm no-affinity --seed-list 2"
    )
    assert f"(evaluate/digits-ours-no-affinity-2); `{command}` makes it." in lines


def test_letters_go_on_after_z(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {
        f"arm{i:02}": other_arm(f"arm {i}", changes={"evaluation.batch_size": i}) for i in range(28)
    }
    study.seeds = (0,)
    study.publish()
    notes = Notes(results_of(study.store, study.manifest))
    assert [notes.label(arm).partition(" (")[2] for arm in study.manifest.arms[25:]] == ["z)", "aa)", "ab)"]


def test_what_was_let_through_is_told_with_who_has_it(study: Any) -> None:
    study.publish(
        lambda arm, _, record: replace(record, data_digest="other") if arm == "no-affinity" else record
    )
    found = results_of(study.store, study.manifest, allow_mixed=True)
    (line,) = [line for line in Notes(found).lines(provenance=False) if line.startswith("Not made alike")]
    assert "the digest of the data is digest of the data (Ours at seeds 0, 1, 2; no L_inactive at" in line
    assert "other (no task affinity at seeds 0, 1, 2). Compare these rows with care." in line


def test_an_arm_that_trains_for_another_number_of_steps_says_so(study: Any) -> None:
    def trained(arm: str, seed: int, record: Record) -> Record:
        address = study.steps(arm, seed)["edge"]
        steps = {"optimisation": {"num_steps": 400 if arm == "no-affinity" else 900}}
        form = {**record.config[address], "config": steps}
        return replace(record, config={**record.config, address: form})

    study.arms["no-affinity"].changes = {"method.edge": "x"}
    study.publish(trained)
    lines = list(Notes(results_of(study.store, study.manifest)).lines(provenance=False))
    assert "(a) no task affinity: trained for another number of steps, edge 400 (not 900)." in lines


def test_brackets_name_the_papers_table(study: Any) -> None:
    study.publish()
    lines = Notes(results_of(study.store, study.manifest)).lines(provenance=False)
    assert any(line.startswith("In brackets: the paper's Table 6, parameters") for line in lines)


def test_a_reference_point_of_many_equal_coordinates_is_said_in_words(study: Any) -> None:
    study.tasks = tuple(f"task{number}" for number in range(8))
    study.arms, study.seeds, study.cost_sample = {"baseline": study.arms["baseline"]}, (0,), 10
    study.publish()
    lines = Notes(results_of(study.store, study.manifest)).lines(provenance=False)
    assert any(
        line.startswith("HV: hypervolume of scaled test losses below 3 in each of 8") for line in lines
    )
