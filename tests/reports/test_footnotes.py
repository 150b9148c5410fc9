from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
    command = "dymu run ablations.branching_regularizer --study studies.scenes:ours --seed-list 2"
    assert f"(evaluate/digits-ours-no-affinity-2); `{command}` makes it." in lines


def test_letters_go_on_after_z(study: Any, other_arm: Callable[..., Any]) -> None:
    study.arms = {
        f"arm{i:02}": other_arm(f"arm {i}", changes={"evaluation.batch_size": i}) for i in range(28)
    }
    study.seeds = (0,)
    study.publish()
    notes = Notes(results_of(study.store, study.manifest))
    assert [notes.label(arm).partition(" (")[2] for arm in study.manifest.arms[25:]] == ["z)", "aa)", "ab)"]
