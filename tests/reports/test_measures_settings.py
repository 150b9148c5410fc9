"""What c costs in a setting where single-task nets are ahead, and in one where they are not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record, Value
from dymu.reports.checks import Case, Margins, Measured
from dymu.reports.collect import results_of
from dymu.reports.measures_settings import wider_range_with_own_features

Made = Callable[..., Case]
WIDE = {"rich": 20.0, "frugal": 16.0, "single": 21.0}  # single-task nets are ahead
NARROW = {"rich": 10.0, "frugal": 9.0, "single": 5.0}


@pytest.fixture
def setting(study: Any, other_arm: Any) -> Made:
    """A setting with these hypervolumes, all larger by a tenth of the seed."""

    def make(
        name: str,
        volumes: Mapping[str, float],
        printed: tuple[float, float] | None = None,
        seeds: tuple[int, ...] = (0, 1, 2),
        change: Callable[[int], float] = lambda _: 0.0,
    ) -> Case:
        paper = {} if printed is None else {f"hypervolume/c={c}": printed[c] for c in (0, 1)}
        arms = {
            "baseline": other_arm("Ours", paper=paper),
            "single-task": other_arm("S", resources=(None,)),
        }

        def with_volumes(arm: str, seed: int, record: Record) -> Record:
            keys = {"hypervolume/c=0": "rich", "hypervolume/c=1": "frugal"}
            keys = keys if arm == "baseline" else {"hypervolume": "single"}
            extra = change(seed) if arm == "single-task" else 0.0
            values = {key: Value(value=volumes[which] + seed / 10 + extra) for key, which in keys.items()}
            return replace(record, values={**record.values, **values})

        made = replace(study, name=name, question="baselines", arms=arms, seeds=seeds)
        made.publish(with_volumes)
        return Case(results=results_of(made.store, made.manifest), store=made.store)

    return make


def margins(found: Measured) -> Margins:
    assert isinstance(found, Margins)
    return found


@pytest.mark.parametrize("order", [1, -1])
def test_the_fall_where_single_task_nets_are_ahead_is_compared_with_the_other(
    setting: Made, order: int
) -> None:
    pair = (setting("pascal5-ours", WIDE), setting("nyuv2-ours", NARROW))[::order]
    found = margins(wider_range_with_own_features(relative=False)(*pair))
    assert found.by_seed == pytest.approx({0: 3.0, 1: 3.0, 2: 3.0})
    parts = margins(wider_range_with_own_features(relative=True)(*pair))
    assert parts.by_seed == pytest.approx({s: 4 / (20 + s / 10) - 1 / (10 + s / 10) for s in range(3)})


def test_only_seeds_of_both_settings_count(setting: Made) -> None:
    one, two = setting("a-ours", WIDE), setting("b-ours", NARROW, seeds=(2, 3))
    assert set(margins(wider_range_with_own_features(relative=False)(one, two)).by_seed) == {2}


def test_two_settings_of_one_kind_are_no_case(setting: Made) -> None:
    one, two = setting("a-ours", WIDE), setting("b-ours", WIDE)
    found = wider_range_with_own_features(relative=False)(one, two)
    assert found == "single-task nets are above c = 1 in a-ours and in b-ours"


def test_a_setting_whose_seeds_disagree_is_of_no_kind(setting: Made) -> None:
    one = setting("a-ours", WIDE, change=lambda seed: -20.0 if seed == 1 else 0.0)
    found = wider_range_with_own_features(relative=False)(one, setting("b-ours", NARROW))
    assert found == "the single-task nets of a-ours are above its c = 1 at some seeds and below at others"


def test_without_records_there_are_no_margins(setting: Made) -> None:
    nothing = setting("b-ours", NARROW, seeds=())
    assert (
        margins(wider_range_with_own_features(relative=False)(setting("a-ours", WIDE), nothing)).by_seed == {}
    )


def test_printed_falls_stand_beside_and_a_pair_that_the_paper_contradicts_does_not_count(
    setting: Made,
) -> None:
    narrow = setting("nyuv2-ours", NARROW, (13.43, 13.08))
    measure = wider_range_with_own_features(relative=False)
    found = margins(measure(setting("pascal5-ours", WIDE, (75.52, 73.20)), narrow))
    assert found.paper == pytest.approx(2.32 - 0.35)
    text = measure(setting("pascal3-ours", WIDE, (4.26, 4.25)), narrow)
    assert text == "the paper prints falls of 0.01 and 0.35 for these settings"


def test_a_first_setting_of_no_kind_needs_no_second(setting: Made) -> None:
    measure = wider_range_with_own_features(relative=False)
    assert margins(measure(setting("a-ours", WIDE), None)).by_seed == {}
    split = setting("b-ours", WIDE, change=lambda seed: -20.0 if seed == 1 else 0.0)
    assert isinstance(measure(split, None), str)
