"""Synthetic results of a three-task study, published through the real store."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from safetensors.numpy import save_file

from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import PROVENANCE, Point, Record, Value
from dymu.artifacts.store import Store
from dymu.metrics.hypervolume import hypervolume
from dymu.reports.collect import Results, results_of
from dymu.spec.ablation import Claim
from dymu.tracking.spool import Spool

TASKS = ("left", "right", "parity")
ANCHOR = 24_000.0


def preferences(count: int, seed: int, tasks: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(tasks), size=count)


def trees(preference: list[float], layers: int = 3) -> list[list[int]]:
    """One stream for all tasks where a task is preferred to all others together, otherwise one for each."""
    best = max(preference)
    row = list(range(len(preference)))
    return [[preference.index(best)] * len(row) if best > 0.5 else row for _ in range(layers)]


@dataclass
class Arm:
    """What an arm of the synthetic study does: ``cost`` is the share of the anchor at dense preferences.

    With ``nets`` it is a grid of so many static nets.
    """

    label: str
    cost: float = 0.6
    volume: float = 16.0
    uniformity: float = 0.78
    changes: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    paper: Mapping[str, float] = field(default_factory=dict)
    ad_hoc: Mapping[str, Any] = field(default_factory=dict)
    resources: tuple[float | None, ...] = (0.0, 1.0)
    nets: int = 0
    source: str = ""


PAPER = {
    "hypervolume/c=0": 13.43,
    "hypervolume/c=1": 13.08,
    "uniformity/c=0": 0.76,
    "uniformity/c=1": 0.78,
    "active_parameters/c=0": 41.06e6,
    "active_parameters/c=1": 34.68e6,
    "anchor_parameters": 64.47e6,
}


def default_arms() -> dict[str, Arm]:
    return {
        "baseline": Arm("Ours", paper=PAPER),
        "no-inactive-loss": Arm("no L_inactive", cost=0.95, volume=17.5, uniformity=0.54),
        "no-affinity": Arm("no task affinity", cost=0.45, volume=9.0, uniformity=0.77),
    }


@dataclass
class Study:
    """Publishes records; ``without`` are cells that were not finished."""

    store: Store
    arms: dict[str, Arm] = field(default_factory=default_arms)
    seeds: tuple[int, ...] = (0, 1, 2)
    tasks: tuple[str, ...] = TASKS
    name: str = "digits-ours"
    question: str = "branching_regularizer"
    source: str = "Table 6"
    cost_sample: int = 200
    without: tuple[tuple[str, int], ...] = ()
    dirty: tuple[str, ...] = ()
    affinity: bool = False
    evaluation: dict[str, Any] = field(default_factory=lambda: {"num_preferences": 20, "statistics": "batch"})

    @property
    def manifest(self) -> Manifest:
        full = f"{self.name}.{self.question}" if self.question else self.name
        arms = tuple(
            ManifestArm(
                name=name,
                label=arm.label,
                source=arm.source,
                paper=arm.paper,
                changes=arm.changes,
                claims=tuple(canonical(claim) for claim in arm.claims),
                ad_hoc=arm.ad_hoc,
                steps={str(seed): self.steps(name, seed) for seed in self.seeds},
            )
            for name, arm in self.arms.items()
        )
        return Manifest(
            name=full,
            study=self.name,
            target=f"ablations.{self.question}" if self.question else "studies.digits:ours",
            title="Which parts of the branching regulariser matter?" if self.question else self.name,
            source=self.source,
            tasks=self.tasks,
            arms=arms,
        )

    def steps(self, arm: str, seed: int) -> dict[str, str]:
        if self.arms[arm].nets:
            stages = ["shared", *(f"shared#{number}" for number in range(2, self.arms[arm].nets + 1))]
            nets = {stage: f"shared/{self.name}-{seed}-{number}" for number, stage in enumerate(stages)}
            return {**nets, "evaluate": f"evaluate/{self.name}-{arm}-{seed}"}
        return {
            "anchor": f"anchor/{self.name}-{seed}",
            **({"affinity": f"affinity/{self.name}-{seed}"} if self.affinity else {}),
            "edge": f"edge/{self.name}-{arm.replace('.', '-')}-{seed}",
            "evaluate": f"evaluate/{self.name}-{arm.replace('.', '-')}-{seed}",
        }

    def publish(self, change: Callable[[str, int, Record], Record] = lambda _, __, record: record) -> None:
        for name in self.arms:
            for seed in self.seeds:
                if (name, seed) not in self.without:
                    address = self.steps(name, seed)["evaluate"]
                    record = change(name, seed, self.record(name, seed))
                    self._publish(address, record, {"git_revision": "abc", "git_dirty": name in self.dirty})
        self.store.save_manifest(self.manifest)

    def _publish(self, address: str, record: Record, provenance: Mapping[str, Any]) -> None:
        if not self.store.has(address):
            attempt = self.store.new_attempt(address)
            record.write(attempt)
            (attempt / PROVENANCE).write_text(json.dumps(provenance))
            self.store.publish(address, attempt, info={})

    def publish_training(self, *, device: str = "cpu", without: tuple[str, ...] = ()) -> None:
        """Provenance of all training steps: net k of a grid takes 10 + k CPU-seconds, other steps 50."""
        for name in self.arms:
            for seed in self.seeds:
                steps = [address for stage, address in self.steps(name, seed).items() if stage != "evaluate"]
                for number, address in enumerate(steps):
                    if address not in without and not self.store.has(address):
                        spent = 10.0 + number if self.arms[name].nets else 50.0
                        attempt = self.store.new_attempt(address)
                        form = {"cpu_s": spent, "wall_s": 2 * spent, "device": device}
                        (attempt / PROVENANCE).write_text(json.dumps(form))
                        self.store.publish(address, attempt, info={})

    def publish_affinity(self) -> None:
        """Affinity 0.5 of all pairs of tasks, 0.1 more with each seed, in a step that all arms share."""
        for seed in self.seeds:
            matrix = np.full((len(self.tasks), len(self.tasks)), 0.5 + 0.1 * seed, dtype=np.float32)
            np.fill_diagonal(matrix, 1.0)
            address = f"affinity/{self.name}-{seed}"
            attempt = self.store.new_attempt(address)
            save_file({"affinity": matrix}, attempt / "affinity.safetensors")
            self.store.publish(address, attempt, info={})

    def publish_curves(self, steps: int = 40) -> None:
        for name in self.arms:
            for seed in self.seeds:
                for stage in ("anchor", "edge"):
                    self._publish_curve(self.steps(name, seed)[stage], stage, seed, steps)

    def _publish_curve(self, address: str, stage: str, seed: int, steps: int) -> None:
        if self.store.has(address):
            return
        attempt = self.store.new_attempt(address)
        spool = Spool(attempt, address=address)
        rng = np.random.default_rng([seed, len(address)])
        for step in range(0, 10 * steps, 10):
            fall = float(np.exp(-step / 150))
            logged = {f"loss/{task}": fall + 0.1 + 0.02 * rng.normal() for task in self.tasks}
            logged |= {"objective": 2 * fall + 0.3, "learning_rate": 1e-3 * 0.3 ** (step // 200)}
            if stage == "edge":
                logged |= {
                    "temperature": 5 * 0.97 ** (step / 4),
                    "active_loss": 1 - fall,
                    "inactive_loss": fall,
                }
            spool.log(step, logged)
        self.store.publish(address, attempt, info={})

    def record(self, name: str, seed: int) -> Record:
        arm = self.arms[name]
        if arm.nets:
            return self._grid_record(name, seed)
        steps = self.steps(name, seed)
        address = steps["evaluate"]
        points = tuple(self._point(arm, c, seed) for c in arm.resources)
        values: dict[str, Value] = {
            "anchor_parameters": Value(value=ANCHOR, unit="parameters"),
            "control_parameters": Value(value=5200.0, higher_is_better=False, unit="parameters"),
            "uniformity_floor": Value(value=0.735),
        }
        for c, point in zip(arm.resources, points, strict=True):
            suffix = "" if c is None else f"/c={c:g}"
            values |= {key + suffix: value for key, value in self._values(arm, c or 0.0, seed, point).items()}
        protocol = {"type": "dymu.spec.evaluation.EvaluationConfig", **self.evaluation}
        for path, changed in arm.changes.items():
            if path.startswith("evaluation."):
                protocol[path.partition(".")[2]] = changed
        return Record(
            address=address,
            seed=seed,
            method="controllable",
            tasks=self.tasks,
            values=values,
            points=points,
            reference_point=(3.0,) * len(self.tasks),
            anchor_parameters=ANCHOR,
            data_digest="digest of the data",
            config={
                steps["anchor"]: {"stage": "anchor", "inputs": {}},
                steps["edge"]: {"stage": "edge", "inputs": {"anchor": steps["anchor"]}},
                address: {
                    "stage": "evaluate",
                    "config": {"protocol": protocol},
                    "inputs": {stage: steps[stage] for stage in ("anchor", "edge")},
                },
            },
        )

    def _grid_record(self, name: str, seed: int) -> Record:
        steps = self.steps(name, seed)
        address = steps["evaluate"]
        tasks = len(self.tasks)
        reference = (3.0,) * tasks
        few = preferences(20, 20, tasks)
        trained = few[: self.arms[name].nets]
        nearest = np.linalg.norm(few[:, None] - trained[None], axis=2).argmin(axis=1)
        losses = (0.3 + 1.4 * (1 - trained) ** 2 + 0.03 * seed)[nearest].round(7)
        nets = [steps[stage] for stage in steps if stage != "evaluate"]
        volume = hypervolume(losses, reference)
        forms = {
            net: {"stage": "shared", "inputs": {}, "config": {"preference": row.tolist()}}
            for net, row in zip(nets, trained, strict=True)
        }
        protocol = {"type": "dymu.spec.evaluation.EvaluationConfig", **self.evaluation}
        inputs = {f"net_{number:03d}": net for number, net in enumerate(nets)}
        final = {"stage": "evaluate", "config": {"protocol": protocol}, "inputs": inputs}
        return Record(
            address=address,
            seed=seed,
            method="static_grid",
            tasks=self.tasks,
            values={
                "hypervolume": Value(value=volume, higher_is_better=True, lower=0.0),
                "active_parameters": Value(value=ANCHOR / tasks, higher_is_better=False, unit="parameters"),
                "active_parameter_fraction": Value(value=1 / tasks / len(nets), higher_is_better=False),
            },
            points=(
                Point(
                    resource_preference=None,
                    preferences=few.tolist(),
                    losses=losses.tolist(),
                    task_metrics={},
                ),
            ),
            reference_point=reference,
            anchor_parameters=ANCHOR / tasks * len(nets),
            data_digest="digest of the data",
            config={**forms, address: final},
        )

    def _values(self, arm: Arm, c: float, seed: int, point: Point) -> dict[str, Value]:
        noise = 0.3 * (seed - 1)
        mean = float(np.mean(point.cost_parameters))
        return {
            "hypervolume": Value(value=arm.volume - 2 * c + noise, higher_is_better=True, lower=0.0),
            "uniformity": Value(value=arm.uniformity + 0.02 * c + 0.01 * noise, higher_is_better=True),
            "active_parameters": Value(value=mean, higher_is_better=False, unit="parameters"),
            "active_parameter_fraction": Value(value=mean / ANCHOR, higher_is_better=False),
            "active_macs": Value(value=100 * mean, higher_is_better=False, unit="MACs"),
            "preference_loss_correlation/left": Value(value=-0.8 + 0.1 * seed),
        }

    def _point(self, arm: Arm, c: float | None, seed: int) -> Point:
        tasks = len(self.tasks)
        few, many = preferences(20, 20, tasks), preferences(self.cost_sample, 21, tasks)
        entropy = -(many * np.log(many)).sum(axis=1) / np.log(tasks)
        share = arm.cost * (1 - 0.25 * (c or 0.0)) * (0.55 + 0.45 * entropy) + 0.01 * seed
        share = np.round(np.clip(share, 1 / tasks, 1) * 30) / 30
        losses = 0.4 + 1.2 * (1 - few) ** 2 * (1 + 0.2 * (c or 0.0)) + 0.03 * seed
        return Point(
            resource_preference=c,
            preferences=few.tolist(),
            losses=losses.tolist(),
            task_metrics={
                f"{task}/accuracy": (0.9 * few[:, i]).tolist() for i, task in enumerate(self.tasks)
            },
            parents=[trees(row) for row in few.tolist()] if c is not None else [],
            parameters=(ANCHOR * share[:20]).tolist(),
            macs=(100 * ANCHOR * share[:20]).tolist(),
            cost_preferences=many.tolist(),
            cost_parameters=(ANCHOR * share).tolist(),
            cost_macs=(100 * ANCHOR * share).tolist(),
        )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def study(store: Store) -> Study:
    return Study(store=store)


@pytest.fixture
def grid_study(store: Store) -> Study:
    """A controller and a grid of twenty static nets."""
    arms = {
        "baseline": Arm("Ours"),
        "static-grid": Arm("Static MTL", resources=(None,), nets=20, source="Figure 6"),
        "single-task": Arm("Single-Task", resources=(None,)),
    }
    return Study(store=store, arms=arms, question="baselines", source="Table 3")


@pytest.fixture
def results(study: Study) -> Results:
    study.publish()
    return results_of(study.store, study.manifest)


def _texts_with_boxes(figure: Figure) -> list[tuple[str, Any]]:
    figure.set_dpi(300)  # as pictures are laid out
    figure.draw_without_rendering()
    artists = [
        artist for artist in figure.findobj(Text) if artist.get_visible() and artist.get_text().strip()
    ]
    hidden = {text for axis in figure.axes if not axis.get_visible() for text in axis.findobj(Text)}
    for axis in figure.axes:
        for side in (axis.xaxis, axis.yaxis):
            low, high = sorted(side.get_view_interval())
            beyond = [tick for tick in side.get_major_ticks() if not low <= tick.get_loc() <= high]
            gone = beyond if axis.axison else [side]
            hidden |= {text for artist in gone for text in artist.findobj(Text)}
    shown = [artist for artist in artists if artist not in hidden]
    return [(artist.get_text(), artist.get_window_extent()) for artist in shown]


@pytest.fixture
def fits() -> Callable[[Figure], None]:
    """Asserts that no text of a figure leaves its canvas or covers another."""

    def check(figure: Figure) -> None:
        found = _texts_with_boxes(figure)
        width, height = figure.get_size_inches() * figure.dpi
        out = [text for text, b in found if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]
        assert not out, f"outside the canvas: {out}"
        clash = [
            (first, second)
            for (first, a), (second, b) in combinations(found, 2)
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
        ]
        assert not clash, f"one covers the other: {clash}"

    return check


@pytest.fixture
def other_arm() -> Callable[..., Arm]:
    """Makes an arm that is like the baseline but for what is given."""
    return lambda label, **fields: replace(Arm(label), **fields)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Durability is tested where the store is."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
