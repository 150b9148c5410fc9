"""Methods in words."""

from dataclasses import replace
from typing import Any

from dymu.reports.collect import Results, results_of
from dymu.reports.html.methods import arm_differences, in_words, methods_text

OPTIMISATION = {"num_steps": 900, "optimiser": "adam", "learning_rate": 0.003, "schedule": "step"}


def with_edge(results: Results, weights: dict[str, float]) -> Results:
    """Results whose edge steps say how L_inactive is weighted."""
    records = {}
    for (arm, seed), record in results.records.items():
        config = {
            address: {**form, "config": {"inactive_weight": weights[arm], "optimisation": OPTIMISATION}}
            if form["stage"] == "edge"
            else form
            for address, form in record.config.items()
        }
        records[arm, seed] = replace(record, config=config)
    return replace(results, records=records)


def test_the_paragraph_has_the_numbers_of_the_configs(results: Results) -> None:
    text = " ".join(
        methods_text(with_edge(results, dict.fromkeys(("baseline", "no-inactive-loss", "no-affinity"), 0.1)))
    )
    assert "900 steps of adam, learning rate 0.003 (step schedule)" in text
    assert "weight of L_inactive 0.1" in text
    assert "20 task preferences" in text
    assert "c = 0, 1" in text
    assert "3 seeds (0, 1, 2)" in text
    assert "left, right, parity" in text


def test_differences_are_those_of_the_configs(results: Results) -> None:
    changed = with_edge(results, {"baseline": 0.1, "no-inactive-loss": 0.0, "no-affinity": 0.1})
    found = arm_differences(changed)
    assert found["no-inactive-loss"] == [("edge", "inactive_weight", "0.1", "0")]
    assert found["no-affinity"] == []


def test_another_method_has_other_stages(grid_study: Any) -> None:
    grid_study.publish()
    found = arm_differences(results_of(grid_study.store, grid_study.manifest))["static-grid"]
    assert found[-1][:3] == ("shared", "", "not there") or any(row[0] == "shared" for row in found)
    assert any(row[3] == "not there" for row in found)


def test_without_records_there_is_nothing_to_say(results: Results) -> None:
    assert methods_text(replace(results, records={})) == ["Nothing has been measured yet."]


def test_values_are_short() -> None:
    assert in_words({"type": "dymu.data.digits.Digits", "seed": 0}) == "Digits(seed=0)"
    assert in_words([1, None, 0.30000001]) == "(1, –, 0.3)"
