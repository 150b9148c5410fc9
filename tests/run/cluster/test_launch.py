from collections.abc import Callable
from dataclasses import replace

import pytest
from ray.train.v2.api.config import ScalingConfig

from dymu.artifacts.store import Store
from dymu.errors import BackendError
from dymu.run.cluster.cargo import Cargo, Work
from dymu.run.cluster.launch import Launcher, make_trainer
from dymu.run.cluster.workers import DONE, FAILED, INTERRUPTED, SUPERSEDED
from dymu.run.compute import leave_error
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.resources import Resources, resource_table
from dymu.stages.context import Interrupted, Superseded

Planner = Callable[..., Plan]


@pytest.fixture
def launcher(store: Store, place: Place, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    for name in ("V2_ENABLED", "HEALTH_CHECK_INTERVAL_S", "ENABLE_PREEMPTION_WATCHER"):
        monkeypatch.setenv(f"RAY_TRAIN_{name}", "1")  # restored after the test
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "1")
    wanted = replace(place, resources=resource_table(["edge.workers=2"]))
    cargo = Cargo(place=wanted, location=store.location, stop="stop/1", scratch="", owned=True)
    return Launcher(cargo, store, lambda: False)


@pytest.mark.parametrize(("stage", "how"), [("anchor", "task"), ("edge", "group")])
def test_steps_with_workers_are_groups_and_the_others_tasks(
    launcher: Launcher, planner: Planner, monkeypatch: pytest.MonkeyPatch, stage: str, how: str
) -> None:
    seen: list[tuple[str, str, int]] = []
    for kind in ("task", "group"):

        def end(_: Launcher, work: Work, need: Resources, kind: str = kind) -> str:
            seen.append((kind, work.token, need.workers))
            return DONE

        monkeypatch.setattr(Launcher, f"_{kind}", end)
    step = next(s for s in planner("toy_studies:ours").steps if s.stage == stage)
    launcher(step, "token")
    assert seen == [(how, "token", 2 if how == "group" else 0)]


@pytest.mark.parametrize(("end", "raised"), [(INTERRUPTED, Interrupted), (SUPERSEDED, Superseded)])
def test_how_a_group_ended_is_raised(
    launcher: Launcher,
    planner: Planner,
    monkeypatch: pytest.MonkeyPatch,
    end: str,
    raised: type[BaseException],
) -> None:
    monkeypatch.setattr(Launcher, "_task", lambda *_: end)
    with pytest.raises(raised):
        launcher(planner("toy_studies:ours").steps[0], "token")


def test_the_error_that_a_worker_wrote_down_is_raised(
    launcher: Launcher, planner: Planner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = planner("toy_studies:ours").steps[0]
    leave_error(step, store, ValueError("the loss is not finite"), token="token")
    monkeypatch.setattr(Launcher, "_task", lambda *_: FAILED)
    with pytest.raises(BackendError, match="the loss is not finite"):
        launcher(step, "token")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray Data, from its own defaults
def test_no_actor_looks_for_placement_groups_by_the_state_api() -> None:
    trainer = make_trainer(print, scaling_config=ScalingConfig(num_workers=1))
    names = [type(each).__name__ for each in trainer._create_default_callbacks()]
    assert "PlacementGroupCleanerCallback" not in names
    assert "BackendSetupCallback" in names
