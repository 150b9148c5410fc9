import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.errors import BackendError, TrackingError
from dymu.run import study
from dymu.run.live import drain_flag, live_runs, stop_now_flag
from dymu.run.place import Place
from dymu.run.plan import Plan
from dymu.run.resources import resource_table
from dymu.run.study import Outcome, RunOptions, Stop, run_study

Planner = Callable[..., Plan]
While = Callable[..., None]

# Python may interrupt between the opening of a file and its first use; nobody can close it then.
interrupts = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <_io\.FileIO:pytest.PytestUnraisableExceptionWarning"
)


def signals(number: signal.Signals) -> Callable[[], None]:
    return partial(os.kill, os.getpid(), number)


@pytest.fixture
def options(place: Place) -> RunOptions:
    return RunOptions(backend="local", place=place, tracking=False)


def nothing(manifest: Manifest) -> Sequence[Path]:
    del manifest
    return []


def run(
    plan: Plan, store: Store, options: RunOptions, report: Callable[[Manifest], Sequence[Path]] = nothing
) -> Outcome:
    return run_study(plan, store, options, Console(file=io.StringIO()), report=report)


def test_a_run_saves_its_manifest_and_reports_at_the_end(
    planner: Planner, store: Store, options: RunOptions
) -> None:
    seen: list[tuple[str, bool]] = []

    def report(manifest: Manifest) -> Sequence[Path]:
        seen.append((manifest.name, store.has(manifest.arms[0].steps["0"]["evaluate"])))
        return []

    outcome = run(planner("toy_studies:ours"), store, options, report)
    assert outcome.exit_code == 0
    assert seen == [("toy_studies-ours", True)]
    assert store.manifest("toy_studies-ours").seeds == (0,)


def test_more_seeds_are_added_to_the_manifest(planner: Planner, store: Store, options: RunOptions) -> None:
    run(planner("toy_studies:ours"), store, options)
    run(planner("toy_studies:ours", seeds=(3,)), store, options)
    assert store.manifest("toy_studies-ours").seeds == (0, 3)


def test_a_failed_arm_is_told_and_the_others_finish(
    planner: Planner, store: Store, options: RunOptions
) -> None:
    outcome = run(planner("toy_question"), store, options)
    assert outcome.exit_code == 1
    assert [(use.arm, failure.step) for use, failure in outcome.failures.items()] == [("broken", 3)]


def test_a_signal_stops_the_run_and_the_same_plan_goes_on(
    planner: Planner, store: Store, options: RunOptions, while_training: While
) -> None:
    before = signal.getsignal(signal.SIGINT)
    while_training("edge", signals(signal.SIGINT))
    outcome = run(planner("toy_studies:slow"), store, options)
    assert outcome.interrupted
    assert outcome.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert [path for path in (store.root / "flags").rglob("*") if path.is_file()] == []
    assert live_runs(store) == []
    assert {step.stage for step in planner("toy_studies:slow").missing} == {"edge", "weight", "evaluate"}


def test_a_flag_of_the_store_stops_the_run_from_anywhere(
    planner: Planner, store: Store, options: RunOptions, while_training: While
) -> None:
    stale = store.flag(stop_now_flag("toy_studies-slow"))
    stale.raise_()  # for an earlier run
    flag = store.flag(drain_flag("toy_studies-slow"))
    seen: list[str] = []

    def drain() -> None:
        seen.extend(run.manifest for run in live_runs(store))
        flag.raise_()

    while_training("edge", drain)
    outcome = run(planner("toy_studies:slow"), store, options)
    assert outcome.exit_code == 130
    assert seen == ["toy_studies-slow"]
    assert not flag.raised()
    assert not stale.raised()


@interrupts
def test_a_flag_ends_a_run_whose_stage_never_asks(
    planner: Planner,
    store: Store,
    options: RunOptions,
    monkeypatch: pytest.MonkeyPatch,
    while_training: While,
) -> None:
    monkeypatch.setattr(Stop, "requested", lambda _: False)
    while_training("edge", store.flag(stop_now_flag("toy_studies-slow")).raise_)
    assert run(planner("toy_studies:slow"), store, options).exit_code == 130


def test_a_damaged_record_is_measured_again(planner: Planner, store: Store, options: RunOptions) -> None:
    run(planner("toy_studies:ours"), store, options)
    final = planner("toy_studies:ours").steps[-1]
    record = store.path(final.address) / "record.json"
    good = record.read_bytes()
    record.write_bytes(good.replace(b"toy", b"yot", 1))
    assert planner("toy_studies:ours").missing == ()
    assert run(planner("toy_studies:ours"), store, options).exit_code == 0
    assert (store.path(final.address) / "record.json").read_bytes() == good
    assert len(list((store.root / "damaged").glob("*/*"))) == 1


def test_workers_need_ray(planner: Planner, store: Store, place: Place) -> None:
    wants = replace(place, resources=resource_table(["edge.workers=2"]))
    with pytest.raises(BackendError, match="stage edge is to have 2 workers, which only Ray can start"):
        run(planner("toy_studies:ours"), store, RunOptions(backend="local", place=wants, tracking=False))


@interrupts
def test_a_second_signal_does_not_wait(
    planner: Planner,
    store: Store,
    options: RunOptions,
    monkeypatch: pytest.MonkeyPatch,
    while_training: While,
) -> None:
    monkeypatch.setattr(Stop, "requested", lambda _: False)  # a stage that never asks
    while_training("edge", signals(signal.SIGINT), signals(signal.SIGINT))
    plan = planner("toy_studies:slow")
    assert run(plan, store, options).exit_code == 130
    assert not store.has(next(step.address for step in plan.steps if step.stage == "edge"))


@interrupts
def test_patience_has_an_end(
    planner: Planner,
    store: Store,
    options: RunOptions,
    monkeypatch: pytest.MonkeyPatch,
    while_training: While,
) -> None:
    monkeypatch.setattr(study, "PATIENCE_S", 0.2)
    monkeypatch.setattr(Stop, "requested", lambda _: False)
    while_training("edge", signals(signal.SIGTERM))
    assert run(planner("toy_studies:slow"), store, options).exit_code == 130


class Writer:
    """A tracking writer that remembers, or refuses."""

    made: list["Writer"]
    refuses = False

    def __init__(
        self, store: Store, manifest: Manifest, *, tracking_uri: str | None, facts: Mapping[str, str]
    ) -> None:
        del store
        self.manifest = manifest
        self.uri = tracking_uri
        self.facts = facts
        self.calls: list[tuple[str, Any]] = []
        self.made.append(self)

    def sync(self) -> None:
        self.calls.append(("sync", None))

    def finish(self, failed: dict[tuple[str, int], str], artifacts: Sequence[Path] = ()) -> None:
        if self.refuses:
            raise TrackingError("MLflow refused")
        self.calls.append(("finish", (failed, list(artifacts))))

    def url(self) -> str:
        return f"http://example.org/{self.manifest.name}"


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    monkeypatch.setattr(Writer, "made", [], raising=False)
    monkeypatch.setattr(study, "StudyWriter", Writer)
    return Writer.made


def tracked(place: Place) -> RunOptions:
    return RunOptions(backend="local", place=place, tracking_uri="http://example.org")


def test_the_writer_is_told_of_failures_and_files(
    planner: Planner, store: Store, place: Place, writers: list[Writer]
) -> None:
    outcome = run(planner("toy_question"), store, tracked(place), lambda _: [Path("table.md")])
    (writer,) = writers
    (_, (failed, files)) = writer.calls[-1]
    assert list(failed) == [("broken", 0)]
    assert "not finite at step 3" in failed["broken", 0]
    assert files == [Path("table.md")]
    assert writer.uri == "http://example.org"
    assert outcome.urls == ("http://example.org/toy_studies-ours.toy_question",)


def test_each_study_of_a_module_has_a_writer(
    planner: Planner, store: Store, place: Place, writers: list[Writer]
) -> None:
    plan = planner(
        "toy_studies",
        overrides=(
            "method.edge.num_steps=1",
            "method.edge.seconds=0.001",
            'method.edge.needs_file="toy_parts.py"',
        ),
    )
    run(plan, store, tracked(place))
    assert len(writers) == 3
    assert all(writer.calls[-1] == ("finish", ({}, [])) for writer in writers)


def test_a_server_that_refuses_does_not_stop_the_study(
    planner: Planner, store: Store, place: Place, writers: list[Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer, "refuses", True)
    outcome = run(planner("toy_studies:ours"), store, tracked(place))
    assert len(writers) == 1
    assert outcome.tracking_error == "MLflow refused"
    assert outcome.exit_code == 3
    assert planner("toy_studies:ours").missing == ()


def test_a_plan_without_work_does_not_load_ray(
    planner: Planner, store: Store, options: RunOptions, toys: Path
) -> None:
    run(planner("toy_studies:ours"), store, options)
    program = (
        "import sys; from dymu.cli import main; import dymu.reports.figures as figures\n"
        "figures.for_run = lambda *_: ()\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "assert 'ray' not in sys.modules and 'mlflow' not in sys.modules\n"
    )
    command = ["run", "toy_studies:ours", "--no-tracking", "--store", str(store.root)]
    subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=toys,
        check=True,
        timeout=100,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
