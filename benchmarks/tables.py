"""How long a table takes from the command line, of a store with a thousand records.

The records are made up, but of the size of real ones: three tasks, twenty evaluation preferences and a
thousand cost preferences at two resource preferences. Every table reads all of them. Each is timed as a user
waits for it, in a process of its own with all imports, and once more with its parts in this process.
CPU-seconds do not depend on what else the machine does.

    python benchmarks/tables.py
    python benchmarks/tables.py --records 200 --tables 3 6
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import PROVENANCE, RECORD, Point, Record, Value
from dymu.artifacts.store import Store
from dymu.reports.collect import Results, find_results
from dymu.reports.metric_table import table_of
from dymu.reports.render import render

SEEDS = 20
TASKS = ("segmentation", "normals", "depth")
QUESTIONS = {
    1: "baselines_pascal5",
    2: "baselines_pascal3",
    3: "baselines_nyuv2",
    4: "baselines_cifar100",
    5: "architectures_pascal3",
    6: "branching_regularizer",
    7: "architectures_pascal5",
    8: "preference_sampling",
}
ANCHOR = 64e6


def points(rng: np.random.Generator) -> tuple[Point, ...]:
    """What was measured at two resource preferences."""
    made = []
    for c in (0.0, 1.0):
        few, many = rng.dirichlet(np.ones(3), 20), rng.dirichlet(np.ones(3), 1000)
        cost = (ANCHOR * rng.uniform(0.3, 1, 1000)).tolist()
        made.append(
            Point(
                resource_preference=c,
                preferences=few.tolist(),
                losses=rng.uniform(0.3, 2, (20, 3)).tolist(),
                task_metrics={f"{task}/mean_iou": rng.uniform(0, 1, 20).tolist() for task in TASKS},
                parents=rng.integers(3, size=(20, 17, 3)).tolist(),
                parameters=cost[:20],
                macs=cost[:20],
                cost_preferences=many.tolist(),
                cost_parameters=cost,
                cost_macs=cost,
            )
        )
    return tuple(made)


def record(arm: int, seed: int, shared: tuple[Point, ...], rng: np.random.Generator) -> Record:
    """A record with the values and the config of one seed of an arm."""
    address, anchor, edge = f"evaluate/{arm:04}-{seed}", f"anchor/{seed}", f"edge/{arm:04}-{seed}"
    values = {"control_parameters": Value(value=5.7e6, higher_is_better=False, unit="parameters")}
    for c in (0, 1):
        share = float(rng.uniform(0.3, 1))
        values |= {
            f"hypervolume/c={c}": Value(value=float(rng.uniform(8, 14)), higher_is_better=True, lower=0.0),
            f"uniformity/c={c}": Value(value=float(rng.uniform(0.5, 0.9)), higher_is_better=True),
            f"active_parameters/c={c}": Value(value=share * ANCHOR, higher_is_better=False),
            f"active_parameter_fraction/c={c}": Value(value=share, higher_is_better=False),
            f"active_macs/c={c}": Value(value=share * 5e10, higher_is_better=False),
            **{
                f"task/{task}/mean_iou/c={c}": Value(value=float(rng.uniform(0.4, 1)), higher_is_better=True)
                for task in TASKS
            },
            **{f"other/{number}/c={c}": Value(value=1.0) for number in range(12)},
        }
    protocol = {
        "type": "dymu.spec.evaluation.EvaluationConfig",
        "num_preferences": 20,
        "resource_preferences": [0.0, 1.0],
    }
    trained = {"optimisation": {"num_steps": 30_000, "learning_rate": 1e-3, "optimiser": "adam"}}
    inputs = {"anchor": anchor, "edge": edge}
    steps = {
        anchor: {"stage": "anchor", "revision": 1, "config": trained, "inputs": {}},
        edge: {"stage": "edge", "revision": 1, "config": trained, "inputs": {"anchor": anchor}},
        address: {"stage": "evaluate", "revision": 1, "config": {"protocol": protocol}, "inputs": inputs},
    }
    return Record(
        address=address,
        seed=seed,
        method="controllable",
        tasks=TASKS,
        values=values,
        points=shared,
        reference_point=(4.0, 4.0, 4.0),
        anchor_parameters=ANCHOR,
        data_digest="digest",
        config=steps,
    )


def fill(store: Store, records: int) -> int:
    """Publish records and eight manifests that expect all of them; bytes of one record."""
    rng = np.random.default_rng(0)
    # One list of points serves all records: writing a thousand of them would take minutes.
    text = json.dumps([vars(point) for point in points(rng)], sort_keys=True, indent=1)
    listed = f'"points": {text.replace(chr(10), chr(10) + " ")}'
    arms = records // SEEDS
    size = 0
    for arm in range(arms):
        for seed in range(SEEDS):
            made = record(arm, seed, (), rng)
            attempt = store.new_attempt(made.address)
            made.write(attempt)
            whole = (attempt / RECORD).read_text(encoding="utf-8").replace('"points": []', listed, 1)
            size = (attempt / RECORD).write_text(whole, encoding="utf-8")
            (attempt / PROVENANCE).write_text(json.dumps({"git_revision": "0" * 40, "git_dirty": False}))
            store.publish(made.address, attempt, info={})
    for number, question in QUESTIONS.items():
        store.save_manifest(manifest(number, question, arms))
    return size


def manifest(number: int, question: str, arms: int) -> Manifest:
    """What a question expects."""
    made = tuple(
        ManifestArm(
            name="baseline" if arm == 0 else f"arm-{arm}",
            label="Ours" if arm == 0 else f"Method {arm}",
            paper={"hypervolume/c=0": 13.43, "hypervolume/c=1": 13.08},
            steps={str(seed): {"evaluate": f"evaluate/{arm:04}-{seed}"} for seed in range(SEEDS)},
        )
        for arm in range(arms)
    )
    return Manifest(
        name=f"nyuv2-ours.{question}",
        study="nyuv2-ours",
        target=f"ablations.{question}",
        title=question,
        source=f"Table {number}",
        tasks=TASKS,
        arms=made,
    )


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def children_seconds() -> float:
    """CPU-seconds of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(store: Store, number: int) -> None:
    """The table as a user asks for it."""
    words = ["table", str(number), "--store", str(store.root), "--style", "markdown"]
    subprocess.run([sys.executable, "-m", "dymu", *words], check=True, stdout=subprocess.DEVNULL)


def markdown_of(results: Results, number: int) -> str:
    """The table from results that were read."""
    return render(table_of(results, number), "markdown")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long tables take.")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--tables", type=int, nargs="+", default=list(QUESTIONS), choices=QUESTIONS)
    arguments = parser.parse_args()
    shown = Table("table", "command: wall s", "CPU s", "here: reading, CPU s", "table and Markdown, CPU s")
    with tempfile.TemporaryDirectory(prefix="tables-") as folder:
        store = Store(Path(folder) / "store")
        began = time.perf_counter()
        size = fill(store, arguments.records)
        took = time.perf_counter() - began
        print(
            f"{arguments.records} records of {size / 1024:.0f} KiB, made in {took:.0f} s; "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        for number in arguments.tables:
            before = children_seconds()
            asked = seconds(partial(command, store, number))
            spent = children_seconds() - before
            began = time.process_time()
            results = find_results(store, number=number, kind="table", study=None, question=None)
            read = time.process_time() - began
            began = time.process_time()
            markdown_of(results, number)
            written = time.process_time() - began
            shown.add_row(str(number), *(f"{each:.2f}" for each in (asked, spent, read, written)))
    Console().print(shown)


if __name__ == "__main__":
    main()
