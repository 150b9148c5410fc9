import json
import logging
from collections.abc import Callable
from dataclasses import replace

from dymu.artifacts.store import Store
from dymu.run.cluster.cargo import Cargo, pack
from dymu.run.cluster.trial import read_end, run_trial
from dymu.run.place import Place
from dymu.run.plan import Chain, Plan

Planner = Callable[..., Plan]


def tried(chain: Chain, store: Store, place: Place) -> dict[str, str]:
    cargo = Cargo(place=place, location=store.location, stop="stop/1", scratch="", owned=True)
    return run_trial({"name": chain.name, "chain": pack(chain)}, cargo=pack(cargo))


def test_a_trial_executes_its_chain(planner: Planner, store: Store, place: Place) -> None:
    (chain,) = planner("toy_studies:ours").chains
    told = read_end(tried(chain, store, place))
    assert told is not None
    end, warnings = told
    assert (end.name, end.failure, end.interrupted, warnings) == (chain.name, None, False, [])
    assert planner("toy_studies:ours").missing == ()


def test_a_failure_travels_as_text(planner: Planner, store: Store, place: Place) -> None:
    steps = {s.stage: s for s in planner("toy_question", arms=("broken",)).steps}
    (chain,) = planner("toy_question", arms=("broken",)).chains
    told = read_end(json.loads(json.dumps(tried(chain, store, place))))
    assert told is not None
    failure = told[0].failure
    assert failure is not None
    assert (failure.address, failure.kind, failure.step) == (steps["weight"].address, "TrainingError", 3)


def test_a_stop_ends_the_trial(planner: Planner, store: Store, place: Place) -> None:
    (chain,) = planner("toy_studies:slow").chains
    store.flag("stop/1").raise_()
    told = read_end(tried(chain, store, place))
    assert told is not None
    assert told[0].interrupted


def test_warnings_are_brought_along(planner: Planner, store: Store, place: Place) -> None:
    (chain,) = planner("toy_studies:ours").chains
    tried(replace(chain, steps=chain.steps[:1]), store, place)
    result = store.path(chain.name) / "result.json"
    result.write_bytes(b"~" + result.read_bytes()[1:])
    told = read_end(tried(replace(chain, steps=chain.steps[1:]), store, place))
    assert told is not None
    assert any("computed again" in warning for warning in told[1])
    assert all(type(handler).__name__ != "Listener" for handler in logging.getLogger("dymu").handlers)


def test_a_trial_that_died_has_told_nothing() -> None:
    assert read_end({"trial_id": "00001"}) is None
