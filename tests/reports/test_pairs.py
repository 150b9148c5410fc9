"""Losses of two tasks that share the preference, and what evaluates them."""

from dataclasses import replace

import numpy as np
import pytest

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.record import Point
from dymu.reports.pairs import command_for, evaluated_pairs, losses_on, sample_of

POINT = Point(
    resource_preference=0.0,
    preferences=[[0.5, 0.5, 0.0], [0.2, 0.2, 0.6]],
    losses=[[7.0, 8.0, 9.0], [5.0, 5.0, 5.0]],
    task_metrics={},
)
PAIRED = replace(
    POINT,
    pair_preferences=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0], [0.5, 0.0, 0.5]],
    pair_losses=[[0.1, 2.0, 3.0], [2.5, 0.2, 3.0], [0.4, 0.5, 3.0], [4.0, 4.0, 0.3], [0.6, 4.0, 0.7]],
)


def test_losses_of_a_pair_are_in_order_of_what_the_second_task_has() -> None:
    found = losses_on(sample_of(PAIRED), (0, 1))
    assert found is not None
    assert found.parts_S.tolist() == [0.0, 0.5, 1.0]
    assert found.losses_S2.tolist() == [[0.1, 2.0], [0.4, 0.5], [2.5, 0.2]]


def test_a_task_alone_is_an_end_of_each_of_its_pairs() -> None:
    found = losses_on(sample_of(PAIRED), (0, 2))
    assert found is not None
    assert found.losses_S2.tolist() == [[0.1, 3.0], [0.6, 0.7], [4.0, 0.3]]


def test_two_tasks_of_which_only_the_ends_are_known_are_no_pair() -> None:
    assert losses_on(sample_of(PAIRED), (1, 2)) is None
    assert evaluated_pairs(sample_of(PAIRED)) == [(0, 1), (0, 2)]


def test_without_pairs_evaluation_preferences_of_the_two_tasks_alone_count() -> None:
    found = losses_on(sample_of(POINT), (0, 1))
    assert found is not None
    assert found.losses_S2.tolist() == [[7.0, 8.0]]
    assert losses_on(sample_of(POINT), (0, 2)) is None


def test_rounded_preferences_of_two_tasks_are_of_the_pair() -> None:
    rows = np.random.default_rng(0).dirichlet((1, 1), size=50).round(6)
    point = replace(POINT, preferences=rows.tolist(), losses=(1 - rows).tolist())
    found = losses_on(sample_of(point), (0, 1))
    assert found is not None
    assert len(found.parts_S) == 50


@pytest.mark.parametrize(
    ("target", "study", "command"),
    [
        ("ablations.baselines", "digits-ours", "ablations.trade_off"),
        ("ablations.trade_off", "digits-ours", "ablations.trade_off"),
        ("ablations.adaptation --study studies.digits:ours", "digits-ours", "ablations.trade_off"),
        ("ablations.baselines_nyuv2_small", "nyuv2-small", "ablations.trade_off_nyuv2_small"),
        ("ablations.trade_off_pascal5", "pascal5-ours", "ablations.trade_off_pascal5"),
        ("studies.scenes:ours", "scenes-ours", "ablations.trade_off --study studies.scenes:ours"),
        ("ablations.x --study mine.a:b", "a-b", "ablations.trade_off --study mine.a:b"),
        ("ablations.x", "digits-phn-bn", "ablations.trade_off --study studies.digits:phn_bn"),
    ],
)
def test_the_command_evaluates_the_same_study_on_pairs(target: str, study: str, command: str) -> None:
    manifest = Manifest(name="x", study=study, target=target, title="", source="", tasks=("a", "b"), arms=())
    assert command_for(manifest) == f"dymu run {command}"
