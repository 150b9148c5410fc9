"""Static nets beside a controller: subsets, times, and agreement with the records."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.record import Record, Value
from dymu.errors import ReportError
from dymu.metrics.hypervolume import hypervolume
from dymu.reports import grid
from dymu.reports.collect import results_of
from dymu.reports.grid import GridComparison, compare_with_grid, has_grid, models_to_reach, spreads_of

REFERENCE = (3.0, 3.0, 3.0)


def found(study: Any) -> GridComparison:
    return compare_with_grid(results_of(study.store, study.manifest), study.store)


@pytest.fixture
def small(grid_study: Any) -> Any:
    """Twelve nets, two seeds, published with training times."""
    grid_study.arms["static-grid"].nets, grid_study.seeds = 12, (0, 1)
    grid_study.publish()
    grid_study.publish_training()
    return grid_study


def test_a_spread_is_over_all_subsets_of_its_size() -> None:
    points = np.random.default_rng(0).random((6, 3)) * 2
    for size, spread in enumerate(spreads_of(points, REFERENCE), start=1):
        volumes = [hypervolume(points[list(chosen)], REFERENCE) for chosen in combinations(range(6), size)]
        low, high = np.percentile(volumes, [5, 95])
        assert (spread.mean, spread.low, spread.high) == pytest.approx((np.mean(volumes), low, high))
        assert (spread.subsets, spread.drawn) == (len(volumes), False)


def test_subsets_of_many_models_are_drawn_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "SAMPLED_SUBSETS", 40)
    points = np.random.default_rng(0).random((21, 2))
    spreads = spreads_of(points, (2.0, 2.0))
    assert spreads == spreads_of(points, (2.0, 2.0))
    assert [(spread.subsets, spread.drawn) for spread in spreads[:2]] == [(21, False), (40, True)]
    assert [spread.drawn for spread in spreads[-2:]] == [False, False]
    assert spreads[-1].mean == pytest.approx(hypervolume(points, (2.0, 2.0)))
    assert all(spread.low <= spread.mean <= spread.high for spread in spreads)
    assert np.all(np.diff([spread.mean for spread in spreads[1:-2]]) >= 0)


def test_a_drawn_spread_is_near_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).random((12, 3)) * 2
    exact = spreads_of(points, REFERENCE)
    monkeypatch.setattr(grid, "MAX_SUBSET_POINTS", 4)
    for one, other in zip(exact, spreads_of(points, REFERENCE), strict=True):
        assert other.mean == pytest.approx(one.mean, rel=0.03)


@pytest.mark.parametrize("nets", [7, 20])
def test_all_nets_together_have_the_hypervolume_of_the_record(grid_study: Any, nets: int) -> None:
    grid_study.arms["static-grid"].nets, grid_study.seeds = nets, (0, 1)
    grid_study.publish()
    (one,) = found(grid_study).grids
    assert one.num_models == nets
    for seed in (0, 1):
        record = one_record(grid_study, seed)
        assert one.spreads[seed][-1].mean == record.values["hypervolume"].value
        losses = np.array(record.points[0].losses)[:nets]
        assert one.spreads[seed][-1].mean == pytest.approx(hypervolume(losses, REFERENCE), rel=1e-12)
        assert one.spreads[seed][0].mean == pytest.approx(
            np.mean([hypervolume(row[None], REFERENCE) for row in losses])
        )


def one_record(study: Any, seed: int) -> Record:
    record: Record = study.record("static-grid", seed)
    return record


def test_times_are_those_of_the_nets_and_of_all_stages_of_a_controller(small: Any) -> None:
    comparison = found(small)
    (one,) = comparison.grids
    assert comparison.clock == "cpu_s"
    assert one.time(12, "cpu_s") == pytest.approx(dict.fromkeys((0, 1), sum(range(10, 22))))
    assert one.time(1, "wall_s") == pytest.approx(dict.fromkeys((0, 1), 2 * 15.5))
    assert [(each.label, each.time("cpu_s")) for each in comparison.controllers[:2]] == [
        ("Ours, c = 0", {0: 100.0, 1: 100.0}),
        ("Ours, c = 1", {0: 100.0, 1: 100.0}),
    ]
    assert comparison.untimed == ()


def test_a_controllers_hypervolume_is_the_records(small: Any) -> None:
    first = found(small).controllers[0]
    record = results_of(small.store, small.manifest).records["baseline", 1]
    assert first.volumes[1] == record.values["hypervolume/c=0"].value


def test_the_wall_clock_counts_where_an_accelerator_was_used(grid_study: Any) -> None:
    grid_study.publish()
    grid_study.publish_training(device="cuda")
    assert found(grid_study).clock == "wall_s"


def test_what_is_missing_is_kept_in_the_list(small: Any) -> None:
    small.seeds = (0, 1, 2)
    comparison = found(small)
    assert {(entry.arm, entry.seed) for entry in comparison.results.missing} >= {
        ("baseline", 2),
        ("static-grid", 2),
    }


def test_an_arm_without_any_record_is_known_by_its_stages(grid_study: Any) -> None:
    grid_study.without = tuple(("baseline", seed) for seed in grid_study.seeds)
    grid_study.publish()
    comparison = found(grid_study)
    assert [arm.name for arm in comparison.results.arms][:2] == ["baseline", "static-grid"]
    assert [entry.arm for entry in comparison.results.missing] == ["baseline"] * 3
    assert "baseline" not in {each.arm.name for each in comparison.controllers}


def test_steps_without_provenance_are_listed_and_their_seed_has_no_time(grid_study: Any) -> None:
    lost = grid_study.steps("static-grid", 1)["shared#3"]
    grid_study.publish()
    grid_study.publish_training(without=(lost,))
    comparison = found(grid_study)
    assert comparison.untimed == (lost,)
    assert sorted(comparison.grids[0].seconds) == [0, 2]
    assert sorted(comparison.grids[0].spreads) == [0, 1, 2]


def test_the_number_of_nets_that_reach_a_controller_is_of_means_at_common_seeds(small: Any) -> None:
    comparison = found(small)
    (one,), first = comparison.grids, comparison.controllers[0]
    means = [np.mean([one.spreads[seed][k].mean for seed in (0, 1)]) for k in range(12)]
    level = {seed: float(np.mean(means[3:5])) for seed in (0, 1)}
    assert models_to_reach(one, replace(first, volumes=level)) == 5
    assert models_to_reach(one, replace(first, volumes={0: 99.0, 1: 99.0})) is None
    assert models_to_reach(one, replace(first, volumes={7: 0.0})) is None


def test_without_a_grid_it_says_how_to_make_one(study: Any) -> None:
    study.publish()
    results = results_of(study.store, study.manifest)
    assert not has_grid(results)
    with pytest.raises(ReportError, match=r"is of a grid of static nets; make one with `dymu run"):
        compare_with_grid(results, study.store)


def test_a_record_that_contradicts_itself_is_refused(grid_study: Any) -> None:
    def spoil(arm: str, seed: int, record: Record) -> Record:
        if (arm, seed) != ("static-grid", 1):
            return record
        return replace(record, values={**record.values, "hypervolume": Value(value=1.0)})

    grid_study.publish(spoil)
    with pytest.raises(ReportError, match=r"has hypervolume 1\.0, but its losses give 1"):
        found(grid_study)


def test_a_net_that_was_not_judged_at_its_own_preference_is_refused(grid_study: Any) -> None:
    def spoil(arm: str, _: int, record: Record) -> Record:
        if arm != "static-grid":
            return record
        point = replace(record.points[0], preferences=[[1.0, 0.0, 0.0]] * 20)
        return replace(record, points=(point,))

    grid_study.publish(spoil)
    with pytest.raises(ReportError, match="which is none of the record's preferences"):
        found(grid_study)


def test_seeds_that_were_added_later_count_like_the_first(small: Any) -> None:
    small.seeds = (4, 2)
    small.publish()
    small.publish_training()
    results = results_of(small.store, small.store.manifest(small.manifest.name))
    comparison = compare_with_grid(results, small.store)
    assert sorted(comparison.grids[0].spreads) == [0, 1, 2, 4]
    assert all(sorted(each.volumes) == [0, 1, 2, 4] for each in comparison.controllers)
    assert {entry.arm for entry in comparison.results.missing} == set()
