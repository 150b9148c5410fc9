"""Trials as chains: shared work once, answers from the store, failures, pruning."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult, read_result
from dymu.run.search.desk import Answer, Desk
from dymu.run.search.queue import SearchQueue
from dymu.spec.search import Objective, Pruner, Sampler, Search
from dymu.spec.space import Choice, Float, Int, When

Make = Callable[..., Search]
X = Float(path="method.edge.x", low=0.0, high=1.0)
Z = Int(path="method.weight.z", low=1, high=5)
FAILS = Choice(path="method.edge.fails", options={"no": False, "yes": True})


def result_of(desk: Desk, store: Store) -> SearchResult:
    return read_result(store, desk.key)


def test_every_trial_is_answered_with_its_mean_over_seeds(
    make_search: Make, searched: Callable[..., Desk], store: Store
) -> None:
    result = result_of(searched(make_search(seeds=(0, 10))), store)
    assert [trial.state for trial in result.trials] == ["complete"] * 6
    for trial in result.trials:
        x, y = trial.params["method.edge.x"], trial.params["method.edge.y"]
        at_zero = 2 - (x - 0.7) ** 2 - (y - 0.2) ** 2 - 0.2
        assert trial.objectives == pytest.approx((at_zero + 0.05,))
        assert trial.by_seed["10"] == pytest.approx((at_zero + 0.1,))
        assert set(trial.means) == {"hypervolume/c=0", "active_parameters/c=0"}


def test_what_all_trials_share_is_computed_once_a_seed(
    make_search: Make, searched: Callable[..., Desk], executor: Any
) -> None:
    searched(make_search(seeds=(0, 1)))
    assert executor.stages() == {"anchor": 2, "edge": 12, "weight": 12, "validate": 12}


def test_an_entry_that_takes_effect_late_leaves_all_before_it_shared(
    make_search: Make, searched: Callable[..., Desk], executor: Any
) -> None:
    searched(make_search(space=(Z,), trials=5, sampler=Sampler(kind="grid")))
    assert executor.stages() == {"anchor": 1, "edge": 1, "weight": 5, "validate": 5}


def test_a_proposal_that_was_measured_before_is_answered_from_the_store(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store
) -> None:
    searched(make_search(space=(Z,), trials=5, sampler=Sampler(kind="grid")))
    count = len(executor.computed)
    other = make_search(name="curve_search-two", space=(Z,), trials=9, sampler=Sampler(kind="random"))
    result = result_of(searched(other), store)
    assert len(executor.computed) == count
    assert [(trial.state, trial.answered) for trial in result.trials] == [("complete", True)] * 9


def test_trials_that_run_at_once_share_what_is_on_its_way(
    make_search: Make, open_desk: Callable[..., Desk], executor: Any, store: Store
) -> None:
    queue = SearchQueue([open_desk(make_search(space=(X, Z)))], store)
    anchor = queue.take()
    assert anchor is not None
    assert [step.stage for step in anchor.steps] == ["anchor"]
    assert queue.take() is None  # a second trial was proposed, and waits for the same anchor
    assert len(queue.open) == 2
    assert queue.counts.joined == 1
    queue.finish(anchor.name, executor.execute(anchor))
    first, second = queue.take(), queue.take()
    assert first is not None
    assert second is not None
    assert [[step.stage for step in chain.steps] for chain in (first, second)] == [
        ["edge", "weight", "validate"]
    ] * 2


def test_no_more_is_proposed_than_can_run(
    make_search: Make, open_desk: Callable[..., Desk], executor: Any, store: Store
) -> None:
    desk = open_desk(make_search(trials=20))
    queue = SearchQueue([desk], store)
    anchor = queue.take()
    assert anchor is not None
    for _ in range(5):
        assert queue.take() is None
    assert desk.asked == 2
    queue.finish(anchor.name, executor.execute(anchor))
    taken = [queue.take() for _ in range(4)]
    assert None not in taken
    assert desk.asked == 4


def test_two_proposals_of_the_same_values_are_computed_once(
    make_search: Make, open_desk: Callable[..., Desk], executor: Any, store: Store
) -> None:
    coin = Choice(path="method.edge.mode", options={"a": "plain", "b": "other"})
    desk = open_desk(make_search(space=(coin,), sampler=Sampler(kind="random"), trials=8))
    executor.run(SearchQueue([desk], store))
    assert executor.stages()["validate"] == 2
    assert len(desk.result().in_state("complete")) == 8


def test_one_chain_at_a_time_is_one_trial_after_another_and_reproducible(
    make_search: Make, executor: Any, store: Store, tmp_path: Any
) -> None:
    found = []
    for name in ("one", "two"):
        own = Store(tmp_path / name)
        executor.store = own
        desk = Desk(make_search(trials=14), own, target="t")
        executor.run(SearchQueue([desk], own))
        found.append([(trial.params, trial.objectives) for trial in desk.result().trials])
        desk.close()
    assert found[0] == found[1]
    assert len(found[0]) == 14
    del store


def test_a_failed_trial_is_told_and_the_search_goes_on(
    make_search: Make, searched: Callable[..., Desk], store: Store
) -> None:
    search = make_search(space=(FAILS, Z), sampler=Sampler(kind="grid"), trials=10)
    result = result_of(searched(search), store)
    failed = result.in_state("failed")
    assert len(failed) == len(result.in_state("complete")) == 5
    assert {trial.params[FAILS.path] for trial in failed} == {"yes"}
    assert failed[0].error == "TrainingError: TrainingError of edge"


@pytest.mark.parametrize("value", [float("inf"), 1e308])
def test_an_objective_that_is_not_finite_fails_the_trial(
    make_search: Make, open_desk: Callable[..., Desk], value: float
) -> None:
    desk = open_desk(make_search())
    proposal = desk.next()
    assert proposal is not None
    mean = value * 10
    desk.complete(proposal.number, Answer(objectives=(mean,), by_seed={}, means={}, answered=False))
    (trial,) = desk.result().trials
    assert (trial.state, trial.error) == ("failed", "hypervolume/c=0 is inf")


def test_an_objective_that_records_lack_fails_the_trial(
    make_search: Make, searched: Callable[..., Desk], store: Store
) -> None:
    lacking = Objective(value="distinct_trees/c=0", direction="maximize")
    result = result_of(searched(make_search(objectives=(lacking,), trials=2)), store)
    assert [trial.state for trial in result.trials] == ["failed", "failed"]
    assert "has no value 'distinct_trees/c=0'; it has active_parameters/c=0" in result.trials[0].error


def test_a_search_in_which_nothing_works_ends_early(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store, failing: Any
) -> None:
    executor.fault = lambda step: failing(step, "DataError") if step.stage == "anchor" else None
    result = result_of(searched(make_search(trials=30)), store)
    assert [trial.state for trial in result.trials] == ["failed"] * 5


def test_a_fault_of_the_machine_does_not_cost_the_trial(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store, failing: Any
) -> None:
    edges = []

    def fault(step: Any) -> Any:
        if step.stage == "edge":
            edges.append(step.address)
            return failing(step, "BackendError") if len(edges) == 2 else None
        return None

    executor.fault = fault
    first = result_of(searched(make_search()), store)
    assert [trial.state for trial in first.trials] == ["complete", "running", *["complete"] * 4]
    again = result_of(searched(make_search()), store)
    assert [trial.state for trial in again.trials] == ["complete"] * 6
    assert again.trials[1].params == first.trials[1].params


def test_an_interrupted_trial_is_handed_out_again(
    make_search: Make, executor: Any, store: Store, searched: Callable[..., Desk]
) -> None:
    desk = Desk(make_search(), store, target="t")
    queue = SearchQueue([desk], store)
    executor.run(queue, chains=3)
    chain = queue.take()
    assert chain is not None
    queue.stop()
    queue.interrupt(chain.name)
    assert queue.exhausted
    assert queue.take() is None
    before = desk.result().trials
    desk.close()
    after = result_of(searched(make_search()), store).trials
    assert [trial.state for trial in before] == ["complete", "complete", "running"]
    assert [trial.state for trial in after] == ["complete"] * 6
    assert after[2].params == before[2].params


def test_a_finished_search_is_extended_by_what_is_missing(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store
) -> None:
    short = result_of(searched(make_search(trials=12)), store)
    count = len(executor.computed)
    searched(make_search(trials=12))
    assert len(executor.computed) == count
    longer = result_of(searched(make_search(trials=15)), store)
    assert longer.trials[:12] == short.trials
    assert len(longer.trials) == 15
    assert longer.budget == 15


@pytest.mark.slow
def test_a_search_that_was_extended_is_the_one_that_was_not(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store, tmp_path: Any
) -> None:
    searched(make_search(trials=11))
    extended = result_of(searched(make_search(trials=14)), store)
    other = executor.store = Store(tmp_path / "other")
    desk = Desk(make_search(trials=14), other, target="t")
    executor.run(SearchQueue([desk], other))
    assert [t.params for t in desk.result().trials] == [t.params for t in extended.trials]
    desk.close()


def test_several_searches_take_turns_and_share_their_work(
    make_search: Make, open_desk: Callable[..., Desk], executor: Any, store: Store
) -> None:
    space = (Float(path="method.edge.y", low=0.1, high=0.9),)
    desks = [
        open_desk(make_search(trials=3)),
        open_desk(make_search(name="curve_search-two", trials=3, space=space)),
    ]
    executor.run(SearchQueue(desks, store))
    assert [len(desk.result().in_state("complete")) for desk in desks] == [3, 3]
    # Both begin with the baseline: six trials are five.
    assert executor.stages() == {"anchor": 1, "edge": 5, "weight": 5, "validate": 5}


# --- pruning -----------------------------------------------------------------------------------------


def test_a_pruned_trial_costs_the_seeds_it_had(
    make_search: Make, searched: Callable[..., Desk], executor: Any, store: Store
) -> None:
    search = make_search(space=(X,), seeds=(0, 1, 2, 3), pruner=Pruner(), trials=12)
    result = result_of(searched(search), store)
    pruned, complete = result.in_state("pruned"), result.in_state("complete")
    assert pruned
    assert complete
    assert len(pruned) + len(complete) == 12
    assert executor.stages()["edge"] < 12 * 4
    assert all(len(trial.by_seed) == 4 for trial in complete)
    assert max(t.objectives[0] for t in complete) == result.ranked()[0].objectives[0]


def test_what_is_judged_is_the_same_quantity_at_every_rung(
    make_search: Make, open_desk: Callable[..., Desk], executor: Any, store: Store
) -> None:
    search = make_search(space=(X,), seeds=(0, 1, 2, 3), pruner=Pruner(), trials=4)
    desk = open_desk(search)
    judged: list[tuple[int, float, int]] = []
    judge = desk.judge

    def note(number: int, value: float, num_seeds: int) -> bool:
        judged.append((number, value, num_seeds))
        judge(number, value, num_seeds)
        return False

    desk.judge = note  # type: ignore[method-assign]
    executor.run(SearchQueue([desk], store))
    means = [value for number, value, _ in judged if number == 0]
    assert [num_seeds for number, _, num_seeds in judged if number == 0] == [1, 2, 4]
    assert means == pytest.approx([means[0], means[0] + 0.005, means[0] + 0.015])


def test_hyperband_prunes_too(make_search: Make, searched: Callable[..., Desk], store: Store) -> None:
    pruner = Pruner(kind="hyperband", reduction=2)
    search = make_search(space=(X,), seeds=(0, 1, 2, 3), pruner=pruner, trials=15)
    result = result_of(searched(search), store)
    assert result.in_state("pruned")
    assert result.pruner == "hyperband, judged after 1, 2, 4 seeds, one of 2 goes on"


def test_conditions_hold_in_every_trial(
    make_search: Make, searched: Callable[..., Desk], store: Store
) -> None:
    mode = Choice(path="method.edge.mode", options={"straight": "plain", "bent": "bent"})
    bend = Float(path="method.edge.bend", low=0.1, high=1.0, only_when=When(path=mode.path, equals=("bent",)))
    result = result_of(searched(make_search(space=(mode, bend, Z), trials=25)), store)
    for trial in result.trials:
        assert (bend.path in trial.params) == (trial.params[mode.path] == "bent")
    best = result.ranked()[0]
    assert best.params[mode.path] == "bent"
    assert best.params[bend.path] > 0.5
