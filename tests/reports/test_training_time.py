import json
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.record import PROVENANCE
from dymu.reports.collect import results_of
from dymu.reports.training_time import Seconds, TrainingTimes


def test_a_controllers_time_is_that_of_all_its_stages(grid_study: Any) -> None:
    grid_study.publish()
    grid_study.publish_training()
    record = results_of(grid_study.store, grid_study.manifest).records["baseline", 0]
    times = TrainingTimes(grid_study.store)
    edge = grid_study.steps("baseline", 0)["edge"]
    assert times.of(record, [edge]) == Seconds(wall_s=200.0, cpu_s=100.0, on_cpu=True)  # edge and its anchor
    assert times.of(record, [a for a in record.config if a != record.address]) == times.of(record, [edge])
    assert times.unknown == ()


def test_one_step_on_an_accelerator_makes_the_wall_clock_the_measure(grid_study: Any) -> None:
    grid_study.publish()
    grid_study.publish_training(device="cuda")
    record = results_of(grid_study.store, grid_study.manifest).records["baseline", 0]
    found = TrainingTimes(grid_study.store).of(record, list(record.config)[:1])
    assert found == Seconds(wall_s=100.0, cpu_s=50.0, on_cpu=False)


def test_seconds_are_told_by_either_clock() -> None:
    found = Seconds(wall_s=2.0, cpu_s=1.0, on_cpu=True)
    assert (found.by("wall_s"), found.by("cpu_s")) == (2.0, 1.0)


def test_an_anchor_that_was_assembled_took_what_its_parts_took(grid_study: Any) -> None:
    grid_study.publish()
    anchor = grid_study.steps("baseline", 0)["anchor"]
    grid_study.publish_training(without=(anchor,))
    parts = {f"anchor_stream/{number}": {"wall_s": 30.0, "cpu_s": 20.0, "device": "cpu"} for number in "ab"}
    attempt: Path = grid_study.store.new_attempt(anchor)
    (attempt / PROVENANCE).write_text(json.dumps({"wall_s": 1.0, "cpu_s": 0.5, "parts": parts}))
    grid_study.store.publish(anchor, attempt, info={})
    record = results_of(grid_study.store, grid_study.manifest).records["baseline", 0]
    assert TrainingTimes(grid_study.store).of(record, [anchor]) == Seconds(
        wall_s=61.0, cpu_s=40.5, on_cpu=True
    )


@pytest.mark.parametrize(
    "text", [None, "{", "{}", '{"wall_s": 3.0}', '{"wall_s": 3, "cpu_s": 3, "parts": {"a/b": {}}}']
)
def test_a_time_that_is_not_known_is_not_made_up(grid_study: Any, text: str | None) -> None:
    grid_study.publish()
    anchor = grid_study.steps("baseline", 0)["anchor"]
    grid_study.publish_training(without=(anchor,))
    record = results_of(grid_study.store, grid_study.manifest).records["baseline", 0]
    if text is not None:
        attempt: Path = grid_study.store.new_attempt(anchor)
        (attempt / PROVENANCE).write_text(text)
        grid_study.store.publish(anchor, attempt, info={})
    times = TrainingTimes(grid_study.store)
    assert times.of(record, [grid_study.steps("baseline", 0)["edge"]]) is None
    assert times.unknown == (anchor,)
