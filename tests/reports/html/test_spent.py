"""What a study cost and what sharing saved."""

from typing import Any

import pytest

from dymu.reports.collect import Results, results_of
from dymu.reports.html.spent import duration, provenance_of, spent_by_stage, uses_of

USES = [
    ("a", 0, "anchor", "anchor/1"),
    ("a", 0, "edge", "edge/1"),
    ("b", 0, "anchor", "anchor/1"),
    ("b", 0, "edge", "edge/2"),
    ("b", 0, "evaluate", "evaluate/missing"),
]
SAID: dict[str, dict[str, Any]] = {
    "anchor/1": {"wall_s": 10.0, "cpu_s": 12.0, "device": "cuda", "workers": 2},
    "edge/1": {"wall_s": 3.0, "cpu_s": 3.0, "device": "cpu"},
    "edge/2": {},
}


def test_a_shared_step_is_paid_once_and_saved_as_often_as_it_is_used_again() -> None:
    anchor = spent_by_stage(USES, SAID)["anchor"]
    assert (anchor.steps, anchor.uses, anchor.wall, anchor.saved) == (1, 2, 10.0, 10.0)


def test_what_was_paid_and_saved_is_what_arms_alone_would_have_paid() -> None:
    total = spent_by_stage(USES, SAID)["total"]
    alone = sum(SAID[address].get("wall_s", 0.0) for *_, address in USES if address in SAID)
    assert total.wall + total.saved == pytest.approx(alone)


def test_accelerators_count_each_process_and_processors_are_none() -> None:
    spent = spent_by_stage(USES, SAID)
    assert spent["anchor"].device == 20.0
    assert spent["edge"].device == 0.0


def test_steps_that_do_not_say_are_counted() -> None:
    assert spent_by_stage(USES, SAID)["edge"].unknown == 1


def test_what_is_not_finished_costs_nothing_yet() -> None:
    assert "evaluate" not in spent_by_stage(USES, SAID)


def test_provenance_is_read_from_the_store(study: Any) -> None:
    study.publish()
    study.publish_training()
    results: Results = results_of(study.store, study.manifest)
    uses = uses_of(results)
    assert len(uses) == 27
    spent = spent_by_stage(uses, provenance_of(study.store, [address for *_, address in uses]))
    assert (spent["anchor"].steps, spent["anchor"].uses) == (3, 9)
    assert spent["anchor"].saved == pytest.approx(2 * spent["anchor"].wall)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0.0 s"), (59.6, "1 min 0 s"), (75, "1 min 15 s"), (7380, "2 h 3 min")]
)
def test_durations_are_read_by_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
