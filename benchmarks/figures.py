"""How long a figure takes from the command line, of a store with a thousand records, and whether torch loads.

The store is that of ``benchmarks/tables.py``, split into questions of six arms at twenty seeds, as large as
Table 6 and larger; one of them sweeps a number, and its steps have affinities and training curves. A figure
is timed as a user waits for it, in a process of its own with all imports, in three formats.

    python -m benchmarks.figures
    python -m benchmarks.figures --records 200 --figures 5 curves --format png
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.numpy import save_file

from benchmarks.tables import SEEDS, TASKS, children_seconds, fill, manifest
from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.tracking.spool import Spool

ARMS = 6
STEPS = 90  # logged by a stage
FIGURES = (*map(str, (5, 7, 8, *range(13, 20))), "curves", "cost_distribution", "seeds")
_DRAW = "import sys; from dymu.cli import main\ntry: main()\nfinally: print('torch' in sys.modules)"


def question(number: int) -> Manifest:
    """Six arms of the store; the first question sweeps a number."""
    made = manifest(6, "branching_regularizer", ARMS * (number + 1))
    arms = []
    for index, arm in enumerate(made.arms[ARMS * number :]):
        steps = {
            seed: {
                "anchor": f"anchor/{seed}",
                "affinity": f"affinity/{seed}",
                "edge": f"edge/{index}-{seed}",
                **evaluated,
            }
            for seed, evaluated in arm.steps.items()
        }
        changes = {"method.edge.active_threshold": 0.1 * index} if index else {}
        arms.append(replace(arm, name=f"arm-{index}" if index else "baseline", changes=changes, steps=steps))
    name = f"nyuv2-{number}"
    return replace(made, name=f"{name}.sweep", study=name, source="Figure 8", arms=tuple(arms))


def add_training(store: Store, rng: np.random.Generator) -> None:
    """Affinities and curves of the steps of a question."""
    for seed in range(SEEDS):
        for address in (f"anchor/{seed}", *(f"edge/{arm}-{seed}" for arm in range(ARMS))):
            attempt = store.new_attempt(address)
            spool = Spool(attempt, address=address)
            for step in range(STEPS):
                logged = {f"loss/{task}": float(rng.uniform(0.3, 2)) for task in TASKS}
                logged |= {name: float(rng.uniform()) for name in ("active_loss", "inactive_loss")}
                spool.log(10 * step, {"objective": 1.0, "learning_rate": 1e-3} | logged)
            store.publish(address, attempt, info={})
        attempt = store.new_attempt(f"affinity/{seed}")
        save_file({"affinity": np.eye(3, dtype=np.float32)}, attempt / "affinity.safetensors")
        store.publish(f"affinity/{seed}", attempt, info={})


def draw(words: list[str]) -> bool:
    """The figure as a user asks for it; whether torch was loaded."""
    made = subprocess.run([sys.executable, "-c", _DRAW, *words], check=False, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(made.stderr)
    return json.loads(made.stdout.split()[-1].lower()) is True


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure how long figures take.")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--figures", nargs="+", default=list(FIGURES), choices=FIGURES)
    parser.add_argument("--format", nargs="+", default=["svg", "pdf", "png"])
    arguments = parser.parse_args()
    shown = Table("figure", "wall s", "CPU s", "torch")
    with tempfile.TemporaryDirectory(prefix="figures-") as folder:
        store = Store(Path(folder) / "store")
        fill(store, arguments.records)
        for path in sorted((store.root / "manifests").iterdir()):
            path.unlink()
        for number in range(arguments.records // SEEDS // ARMS):
            store.save_manifest(question(number))
        add_training(store, np.random.default_rng(1))
        print(f"{arguments.records} records; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for figure in arguments.figures:  # a folder each: what is drawn there already is kept
            words = ["figure", figure, "--store", str(store.root), "--question", "sweep"]
            words += ["--study", "nyuv2-0", "--out", f"{folder}/{figure}"]
            words += [word for name in arguments.format for word in ("--format", name)]
            before, began = children_seconds(), time.perf_counter()
            torch = draw(words)
            took, spent = time.perf_counter() - began, children_seconds() - before
            shown.add_row(figure, f"{took:.2f}", f"{spent:.2f}", "loaded" if torch else "no")
    Console().print(shown)


if __name__ == "__main__":
    main()
