"""A small finished study in a store, written without running anything, and a ready MLflow database."""

import json
import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import PROVENANCE, Record, Value
from dymu.artifacts.store import Store
from dymu.tracking.mlflow import Server, create_database
from dymu.tracking.spool import METRICS, Spool
from dymu.tracking.writer import StudyWriter


@dataclass
class Study:
    """Publishes steps of a two-arm, two-seed study one at a time."""

    store: Store
    arms: tuple[str, ...] = ("baseline", "no-affinity")
    seeds: tuple[int, ...] = (0, 1)
    config: Mapping[str, object] = field(default_factory=lambda: {"active_threshold": 0.2, "steps": 3})

    def address(self, arm: str, seed: int, stage: str) -> str:
        return f"{stage}/{'shared' if stage == 'anchor' else arm}-{seed}"

    def steps(self, arm: str, seed: int) -> dict[str, str]:
        return {stage: self.address(arm, seed, stage) for stage in ("anchor", "edge", "evaluate")}

    @property
    def manifest(self) -> Manifest:
        arms = tuple(
            ManifestArm(
                name=arm,
                label=f"label of {arm}",
                steps={str(seed): self.steps(arm, seed) for seed in self.seeds},
            )
            for arm in self.arms
        )
        return Manifest(
            name="toy.parts",
            study="toy",
            target="ablations.parts",
            title="Which parts matter?",
            source="Table 6",
            tasks=("left", "right"),
            arms=arms,
        )

    def spool(self, arm: str, seed: int, stage: str = "edge") -> Spool:
        address = self.address(arm, seed, stage)
        return Spool(self.store.work_dir(address), address=address)

    def publish(self, arm: str, seed: int, stage: str, steps: int = 3) -> None:
        address = self.address(arm, seed, stage)
        if self.store.has(address):
            return
        attempt = self.store.new_attempt(address)
        form = {"stage": stage, "config": {"type": "dymu.toy.Config", **self.config}, "seed": seed}
        (attempt / "step.json").write_text(json.dumps(form))
        (attempt / PROVENANCE).write_text(json.dumps({"git_revision": "abc123", "git_dirty": False}))
        if stage == "evaluate":
            record_of(address, arm, seed).write(attempt)
        else:
            lines = Spool(attempt, address=address)
            for step in range(steps):
                lines.log(step, {"loss": 1.0 / (step + 1), "temperature": 5.0 - step})
            assert lines.metrics_file.name == METRICS
        self.store.publish(address, attempt, info={})
        self.store.clear_work(address)

    def publish_all(self) -> None:
        for arm in self.arms:
            for seed in self.seeds:
                for stage in ("anchor", "edge", "evaluate"):
                    self.publish(arm, seed, stage)


def record_of(address: str, arm: str, seed: int) -> Record:
    values = {
        "hypervolume/c=0": Value(value=13.0 + seed + len(arm) / 100, higher_is_better=True),
        "hypervolume/c=1": Value(value=12.0 + seed, higher_is_better=True),
        "control_parameters": Value(value=1000.0, unit="parameters"),
    }
    return Record(
        address=address,
        seed=seed,
        method="ours",
        tasks=("left", "right"),
        values=values,
        points=(),
        reference_point=(3.0, 3.0),
        anchor_parameters=100.0,
        data_digest="d",
        config={address: {"stage": "evaluate", "config": {"threshold": 0.2}}},
    )


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(store=Store(tmp_path / "store"))


@pytest.fixture(scope="session")
def tracked_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a store whose MLflow database has its tables; making one takes seconds."""
    root = tmp_path_factory.mktemp("tracked") / "store"
    database = root / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    create_database(database)
    Server(f"sqlite:///{database}").client.search_experiments()
    return root


@pytest.fixture
def tracked(tracked_root: Path) -> Study:
    """The study in a store with an empty tracking database.

    All tests use one database file, emptied between them: MLflow prepares its statements for each file anew,
    which would be most of the time of these tests.
    """
    database = tracked_root / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        for table in ("metrics", "latest_metrics", "params", "tags", "runs", "experiment_tags"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM experiments WHERE experiment_id != 0")
    for path in [*tracked_root.iterdir(), *database.parent.iterdir()]:
        if path.is_dir() and path != database.parent:
            shutil.rmtree(path)
    return Study(store=Store(tracked_root))


@pytest.fixture
def writer(tracked: Study) -> StudyWriter:
    return StudyWriter(tracked.store, tracked.manifest)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durability is tested where the store is."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
