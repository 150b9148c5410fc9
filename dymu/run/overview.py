"""What the store, the cluster and MLflow together say about studies; each of the last two may be missing."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.run.jobs.client import Job
from dymu.run.jobs.submission import jobs_of
from dymu.run.live import LiveRun, live_runs
from dymu.run.status import StageStatus, study_status
from dymu.tracking.told import Told, told_to_mlflow

_LISTED_JOBS = 3


@dataclass(frozen=True, kw_only=True)
class StudyOverview:
    """One study or question.

    Attributes:
        name: Name of its manifest.
        stages: Per arm, seed and stage what the store says.
        runs: Drivers that live, by the leases in the store.
        jobs: Its last jobs on the cluster that was asked, the last first.
        told: What MLflow was told.
    """

    name: str
    stages: Sequence[StageStatus]
    runs: Sequence[LiveRun]
    jobs: Sequence[Job]
    told: Told

    @property
    def state(self) -> str:
        """``running``, ``done``, ``failed`` or ``unfinished``.

        A driver that lives counts, and so does a job that waits for its cluster.
        """
        states = {stage.state for stage in self.stages}
        if self.runs or any(job.live for job in self.jobs) or "running" in states:
            return "running"
        if states <= {"done"}:
            return "done"
        return "failed" if "failed" in states else "unfinished"

    @property
    def line(self) -> str:
        """One line: the state, who runs it, and what MLflow knows."""
        steps = {stage.address: stage.state for stage in self.stages}
        done = sum(state == "done" for state in steps.values())
        parts = [f"{self.state}, {done} of {len(steps)} steps done"]
        parts += [f"driver {run.host} process {run.pid}" for run in self.runs]
        parts += [_job(job) for job in self.jobs[:1]]
        if self.told.runs:
            parts.append("MLflow: " + ", ".join(f"{n} {s}" for s, n in sorted(self.told.runs.items())))
        return "; ".join(parts)

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "name": self.name,
            "state": self.state,
            "stages": [stage.form() for stage in self.stages],
            "runs": [asdict(run) for run in self.runs],
            "jobs": [asdict(job) for job in self.jobs],
            "mlflow": asdict(self.told),
        }


def overview(store: Store, manifests: Iterable[Manifest], jobs: Sequence[Job]) -> list[StudyOverview]:
    """Look at studies.

    Args:
        store: Where they are.
        manifests: Which.
        jobs: Of the cluster that was asked; none if there is none, or if it is gone.

    Raises:
        StoreError: If the store cannot be read.
    """
    listed = list(manifests)
    runs = live_runs(store, [manifest.name for manifest in listed])
    return [
        StudyOverview(
            name=manifest.name,
            stages=study_status(store, [manifest]),
            runs=[run for run in runs if run.manifest == manifest.name],
            jobs=jobs_of(jobs, [manifest.name], store.location)[:_LISTED_JOBS],
            told=told_to_mlflow(store, manifest.name),
        )
        for manifest in listed
    ]


def _job(job: Job) -> str:
    ended = f", exit code {job.exit_code}" if job.exit_code is not None else ""
    return f"job {job.id} {job.status}{ended}"
