import errno
import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import BackendError, StoreError, TrainingError
from dymu.run.execute import execute_step, run_chain
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.resources import resource_table
from dymu.run.work import read_failure, read_progress
from dymu.stages.context import Interrupted, RunContext

Planner = Callable[..., Plan]


def never() -> bool:
    return False


def after(calls: int) -> Callable[[], bool]:
    """A stop that is requested at a number of questions."""
    count = iter(range(10**6))
    return lambda: next(count) >= calls


def writes(step: Step, context: RunContext) -> None:
    del step
    (context.out_dir / "result.txt").write_text("done")


def prints(step: Step, context: RunContext) -> None:
    os.write(1, b"to standard output\n")
    os.write(2, b"to standard error\n")
    raise TrainingError(f"{step.stage} has no luck in {context.out_dir.name}")


def fills_the_disk(step: Step, context: RunContext) -> None:
    raise OSError(errno.ENOSPC, f"No space left on device, says {step.stage}", str(context.out_dir))


def counts_threads(step: Step, context: RunContext) -> None:
    del step
    (context.out_dir / "threads.txt").write_text(str(torch.get_num_threads()))


TAKEN: list[tuple[Store, Step]] = []


def is_taken_over(step: Step, context: RunContext) -> None:
    """Another process finds the lease silent, takes it and publishes, while this one still works."""
    store, _ = TAKEN[-1]
    (store.root / "leases" / f"{step.address}.json").write_text("")
    with store.lease(step.address):
        attempt = store.new_attempt(step.address)
        (attempt / "result.txt").write_text("of the other")
        store.publish(step.address, attempt, info={})
        context.log(1, {"loss": 0.0})


def a_step(run: Any, **config: object) -> Step:
    return Step(stage="toy", revision=1, config=config, run=run)


def folder_of(store: Store, step: Step) -> Path:
    return store.path(step.address)


def test_a_finished_step_holds_results_form_and_provenance(
    store: Store, place: Place, planner: Planner
) -> None:
    for step in planner("toy_studies:ours").steps:
        assert execute_step(step, store, place, never)
        folder = folder_of(store, step)
        assert json.loads((folder / "step.json").read_text()) == dict(step.form)
        assert json.loads((folder / "provenance.json").read_text())["cpu_s"] >= 0
        assert (folder / "metrics.jsonl").exists() == (step.stage in ("anchor", "edge", "weight"))
        assert (folder / "record.json").exists() == (step.stage == "evaluate")
        assert not store.work_dir(step.address, make=False).exists()


def test_a_published_step_does_not_run_again(store: Store, place: Place) -> None:
    step = a_step(writes)
    assert execute_step(step, store, place, never)
    assert not execute_step(step, store, place, never)


def test_an_error_is_written_down_and_raised(store: Store, place: Place, planner: Planner) -> None:
    steps = {s.stage: s for s in planner("toy_question", arms=("broken",)).steps}
    for stage in ("anchor", "affinity", "edge"):
        execute_step(steps[stage], store, place, never)
    weight = steps["weight"]
    with pytest.raises(TrainingError, match="not finite at step 3"):
        execute_step(weight, store, place, never)
    form = json.loads((store.work_dir(weight.address) / "error.json").read_text())
    assert (form["stage"], form["address"], form["type"], form["step"]) == (
        "weight",
        weight.address,
        "TrainingError",
        3,
    )
    assert "toy_parts.py" in form["traceback"]
    assert form["traceback"] in (store.work_dir(weight.address) / "log.txt").read_text()
    assert read_progress(store, weight.address).state == "failed"
    assert not store.has(weight.address)
    assert store.unpublished(weight.address) == {}
    assert store.lease(weight.address).holder() is None


def test_a_retry_forgets_the_old_error(
    store: Store, place: Place, planner: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = planner("toy_studies:impatient").steps
    monkeypatch.chdir(tmp_path)  # the stage looks here for the file it needs
    (chain,) = planner("toy_studies:impatient").chains
    monkeypatch.chdir(tmp_path)
    end = run_chain(chain, store, place, never)
    assert end.failure is not None
    assert end.failure.kind == "TrainingError"
    edge = next(s for s in steps if s.stage == "edge")
    (tmp_path / "go").touch()
    assert run_chain(chain, store, place, never).failure is None
    assert store.has(steps[-1].address)
    assert read_failure(store, edge.address) is None


@pytest.mark.parametrize("calls", [1, 3, 6, 9, 12])
def test_an_interrupted_chain_goes_on_to_the_same_bytes(
    tmp_path: Path, store: Store, place: Place, planner: Planner, calls: int
) -> None:
    (chain,) = planner("toy_studies:ours").chains
    whole = Store(tmp_path / "whole")
    assert run_chain(chain, whole, place, never).failure is None
    end = run_chain(chain, store, place, after(calls))
    assert end.interrupted
    assert not store.has(chain.steps[-1].address)
    assert run_chain(chain, store, place, never) == type(end)(name=chain.name)
    for step in chain.steps:
        for name in ("record.json", "metrics.jsonl", "result.json", "step.json"):
            if (whole.path(step.address) / name).exists():
                assert (whole.path(step.address) / name).read_bytes() == (
                    store.path(step.address) / name
                ).read_bytes()


def test_an_interruption_leaves_checkpoint_and_time_spent(
    store: Store, place: Place, planner: Planner
) -> None:
    step = planner("toy_studies:ours").steps[0]
    with pytest.raises(Interrupted):
        execute_step(step, store, place, after(3))
    work = store.work_dir(step.address)
    assert (work / "checkpoint.pt").exists()
    assert read_progress(store, step.address).state == "interrupted"
    spent = json.loads((work / "spent.json").read_text())
    execute_step(step, store, place, never)
    told = json.loads((folder_of(store, step) / "provenance.json").read_text())
    assert told["wall_s"] > spent["wall_s"] > 0


def test_while_somebody_else_computes_a_step_this_waits(store: Store, place: Place) -> None:
    step = a_step(writes)
    lease = store.lease(step.address)
    assert lease.try_acquire()
    ran: list[bool] = []
    waiting = threading.Thread(target=lambda: ran.append(execute_step(step, store, place, never)))
    waiting.start()
    attempt = store.new_attempt(step.address)
    writes(step, RunContext(step=step, out_dir=attempt, work_dir=attempt, input_dirs={}, data=None))  # type: ignore[arg-type]
    store.publish(step.address, attempt, info={})
    lease.release()
    waiting.join(timeout=120)
    assert ran == [False]


def test_waiting_ends_with_a_stop(store: Store, place: Place) -> None:
    step = a_step(writes)
    lease = store.lease(step.address)
    assert lease.try_acquire()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        execute_step(step, store, place, after(1))
    assert time.monotonic() - began < 60
    lease.release()


def test_a_removed_input_is_computed_again_in_place(store: Store, place: Place, planner: Planner) -> None:
    steps = {s.stage: s for s in planner("toy_studies:ours").steps}
    for stage in ("anchor", "affinity", "edge"):
        execute_step(steps[stage], store, place, never)
    good = (folder_of(store, steps["edge"]) / "result.json").read_bytes()
    shutil.rmtree(store.folder(steps["edge"].address))
    shutil.rmtree(store.folder(steps["anchor"].address))
    assert execute_step(steps["weight"], store, place, never)
    assert (folder_of(store, steps["edge"]) / "result.json").read_bytes() == good
    assert store.has(steps["anchor"].address)


def test_a_damaged_input_is_set_aside_told_and_computed_again(
    store: Store, place: Place, planner: Planner, caplog: pytest.LogCaptureFixture
) -> None:
    steps = {s.stage: s for s in planner("toy_studies:ours").steps}
    execute_step(steps["anchor"], store, place, never)
    result = folder_of(store, steps["anchor"]) / "result.json"
    good = result.read_bytes()
    result.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    assert execute_step(steps["affinity"], store, place, never)
    assert (folder_of(store, steps["affinity"]) / "result.json").read_bytes() == good
    assert steps["anchor"].address in caplog.text
    assert "SHA-256" in caplog.text
    (aside,) = (store.root / "damaged" / "anchor").iterdir()
    assert next(aside.rglob("result.json")).read_bytes() != good


def test_a_step_that_was_taken_over_is_left_to_the_other(store: Store, place: Place) -> None:
    step = a_step(is_taken_over)
    TAKEN.append((store, step))
    assert not execute_step(step, store, place, never)
    assert (folder_of(store, step) / "result.txt").read_text() == "of the other"
    assert read_failure(store, step.address) is None


def test_a_chain_does_not_wait_for_long_where_waiting_holds_something(
    store: Store, place: Place, planner: Planner
) -> None:
    (chain,) = planner("toy_studies:ours").chains
    lease = store.lease(chain.name)
    assert lease.try_acquire()
    end = run_chain(chain, store, place, never, patience_s=0.1)
    lease.release()
    assert (end.waits_for, end.failure, end.interrupted) == (chain.name, None, False)


def test_a_launcher_gets_step_and_token_and_its_error_is_written_down(
    store: Store, place: Place, planner: Planner
) -> None:
    (chain,) = planner("toy_studies:ours").chains
    seen: list[str] = []

    def launch(step: Step, token: str) -> None:
        assert store.claimed_by(step.address, token)
        seen.append(step.address)
        raise BackendError("no node is left")

    end = run_chain(chain, store, place, never, launch=launch)
    assert seen == [chain.name]
    assert end.failure is not None
    assert (end.failure.kind, end.failure.message) == ("BackendError", "no node is left")
    assert read_failure(store, chain.name) == end.failure


def test_output_can_be_sent_to_the_log(store: Store, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    step = a_step(prints)
    with pytest.raises(TrainingError):
        execute_step(step, store, replace(place, capture_output=True), never)
    log = (store.work_dir(step.address) / "log.txt").read_text()
    assert log.startswith("to standard output\nto standard error\nTraceback")
    assert "has no luck" in log
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cpus", [1, 2])
def test_torch_gets_the_threads_of_the_step(store: Store, place: Place, cpus: int) -> None:
    before = torch.get_num_threads()
    step = a_step(counts_threads, cpus=cpus)
    execute_step(step, store, replace(place, resources=resource_table(threads=cpus)), never)
    torch.set_num_threads(before)
    assert (folder_of(store, step) / "threads.txt").read_text() == str(cpus)


def test_a_full_disk_is_told_with_what_to_do(store: Store, place: Place) -> None:
    with pytest.raises(StoreError, match=r"the disk is full .* toy/.*dymu cache gc"):
        execute_step(a_step(fills_the_disk), store, place, never)


def test_an_error_that_cannot_be_written_is_still_told(
    store: Store, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name in ("spent.json", "error.json"):
            raise OSError(28, "No space left on device")
        path.write_text(text)

    monkeypatch.setattr("dymu.run.compute.write_whole", full)
    with pytest.raises(TrainingError, match="no luck") as error:
        execute_step(a_step(prints), store, replace(place, capture_output=True), never)
    assert "could not be written" in error.value.__notes__[0]
