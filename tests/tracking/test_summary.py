from typing import Any

import pytest

from dymu.tracking.summary import summarise, summary_keys


def test_an_arm_without_results_has_no_summary(study: Any) -> None:
    study.publish("baseline", 0, "evaluate")
    assert list(summary_keys(study.store, study.manifest)) == ["baseline"]


def test_means_and_deviations_are_over_the_seeds(study: Any) -> None:
    study.publish_all()
    summary = summarise(study.store, study.manifest.arms[0], "k")
    assert summary.seeds == (0, 1)
    assert summary.values["hypervolume/c=1"] == pytest.approx(12.5)
    assert summary.values["hypervolume/c=1/sd"] == pytest.approx(0.5**0.5)


def test_one_seed_has_no_deviation(study: Any) -> None:
    study.publish("baseline", 0, "evaluate")
    assert set(summarise(study.store, study.manifest.arms[0], "k").values) == {
        "hypervolume/c=0",
        "hypervolume/c=1",
        "control_parameters",
    }


def test_another_set_of_seeds_is_another_summary(study: Any) -> None:
    study.publish("baseline", 0, "evaluate")
    before = summary_keys(study.store, study.manifest)
    study.publish("baseline", 1, "evaluate")
    assert summary_keys(study.store, study.manifest)["baseline"] != before["baseline"]
