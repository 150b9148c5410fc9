import json
from collections.abc import Callable
from dataclasses import replace

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.run.estimate import estimate
from dymu.run.plan import Plan

Planner = Callable[..., Plan]


def publish(store: Store, step: Step, cpu_s: float, **told: object) -> None:
    attempt = store.new_attempt(step.address)
    (attempt / "step.json").write_text(json.dumps(dict(step.form)))
    (attempt / "provenance.json").write_text(json.dumps({"cpu_s": cpu_s, **told}))
    store.publish(step.address, attempt, info={})


def test_without_history_there_is_no_estimate(planner: Planner, store: Store) -> None:
    found = estimate(planner("toy_studies:ours").missing, store)
    assert found.by_address == {}
    assert found.unknown == ("affinity", "anchor", "edge", "evaluate", "weight")
    assert estimate(planner("toy_studies:ours").missing, None) == found


def test_a_seed_costs_what_other_seeds_cost(planner: Planner, store: Store) -> None:
    for cpu_s, seed in ((4.0, 1), (6.0, 2), (100.0, 3)):
        anchor = planner("toy_studies:ours", seeds=(seed,)).steps[0]
        publish(store, anchor, cpu_s)
    plan = planner("toy_studies:ours")
    found = estimate(plan.missing, store)
    assert found.by_address == {plan.steps[0].address: 6.0}
    assert found.cpu_s == 6.0
    assert "anchor" not in found.unknown


def test_the_same_config_tells_more_than_the_same_class(planner: Planner, store: Store) -> None:
    def edge(study: str, seed: int) -> Step:
        return next(s for s in planner(f"toy_studies:{study}", seeds=(seed,)).steps if s.stage == "edge")

    publish(store, edge("slow", 1), 50.0)
    assert estimate([edge("ours", 0)], store).cpu_s == 50.0
    publish(store, edge("ours", 1), 2.0)
    assert estimate([edge("ours", 0)], store).cpu_s == 2.0
    assert estimate([edge("slow", 0)], store).cpu_s == 50.0


def test_damaged_history_is_no_history(planner: Planner, store: Store) -> None:
    anchor = planner("toy_studies:ours", seeds=(1,)).steps[0]
    publish(store, anchor, 4.0)
    (store.path(anchor.address) / "provenance.json").unlink()
    assert "anchor" in estimate(planner("toy_studies:ours").missing, store).unknown


def test_a_device_costs_the_time_that_it_is_in_use(planner: Planner, store: Store) -> None:
    anchor = planner("toy_studies:ours", seeds=(1,)).steps[0]
    publish(store, anchor, 4.0, device="cuda", wall_s=1800.0)
    found = estimate([planner("toy_studies:ours").steps[0]], store, device="cuda")
    assert (found.cpu_s, found.hours) == (1800.0, 0.5)


def test_what_ran_on_another_device_tells_nothing(planner: Planner, store: Store) -> None:
    anchor = planner("toy_studies:ours", seeds=(1,)).steps[0]
    publish(store, anchor, 4.0, device="cpu", wall_s=1800.0)
    assert estimate([planner("toy_studies:ours").steps[0]], store, device="cuda").unknown == ("anchor",)


def in_parts(step: Step) -> Step:
    seeds = [100 * (step.seed or 0) + number for number in range(3)]
    return replace(step, parts=tuple(replace(step, stage="part", seed=seed) for seed in seeds))


def test_what_was_put_together_cost_what_its_parts_cost(planner: Planner, store: Store) -> None:
    parts = {"part/a": {"cpu_s": 10.0}, "part/b": {"cpu_s": 20.0}}
    publish(store, planner("toy_studies:ours", seeds=(1,)).steps[0], 4.0, parts=parts)
    assert estimate([planner("toy_studies:ours").steps[0]], store).cpu_s == 34.0


def test_putting_parts_together_costs_nothing_beside_them(planner: Planner, store: Store) -> None:
    before = in_parts(planner("toy_studies:ours", seeds=(1,)).steps[0])
    publish(store, before, 34.0)
    publish(store, before.parts[0], 10.0)
    step = in_parts(planner("toy_studies:ours").steps[0])
    found = estimate([*step.parts, step], store)
    assert found.by_address == {**{part.address: 10.0 for part in step.parts}, step.address: 0.0}
    assert estimate([step], store).cpu_s == 34.0
