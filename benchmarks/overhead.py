"""What orchestration costs: CPU-seconds of a whole command beside those of its stage functions.

Runs a target through each backend, in processes of their own and in fresh stores, one after another:

    python benchmarks/overhead.py ablations.branching_regularizer
    python benchmarks/overhead.py studies.digits:ours --backends local ray --seeds 1

The whole is what the operating system charged to the command and everything below it: loading Python, torch
and MLflow, Ray's own processes, the table and the figures. It is sampled ten times a second, so the last
instant of each process is missed. Stage functions say themselves, in ``provenance.json``, what they took.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLE_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one command took.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: CPU-seconds of the command and everything below it.
        stages_s: CPU-seconds of the stage functions.
    """

    wall_s: float
    cpu_s: float
    stages_s: float

    @property
    def share(self) -> float:
        """Part of the CPU-seconds that is outside stage functions."""
        return 1 - self.stages_s / self.cpu_s


def measure(command: list[str], store: Path) -> Cost:
    """Run a command and sample what it costs."""
    before = stage_seconds(store)
    seconds: dict[tuple[int, float], float] = {}
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        root = psutil.Process(process.pid)
        while process.poll() is None:
            seconds |= sample(root)
            time.sleep(_SAMPLE_S)
        wall_s = time.perf_counter() - began
        if process.returncode != 0:
            output.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read()}")
    return Cost(wall_s=wall_s, cpu_s=sum(seconds.values()), stages_s=stage_seconds(store) - before)


def sample(root: psutil.Process) -> dict[tuple[int, float], float]:
    """CPU-seconds so far, by process and the time it was made."""
    found = {}
    try:
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return {}
    for process in processes:
        try:
            times = process.cpu_times()
            found[process.pid, process.create_time()] = times.user + times.system
        except psutil.Error:
            continue  # ended between the list and the look
    return found


def stage_seconds(store: Path) -> float:
    """CPU-seconds of all artifacts in a store, by their own account."""
    files = store.glob("artifacts/*/*/att-*/provenance.json")
    return sum(json.loads(path.read_text(encoding="utf-8"))["cpu_s"] for path in files)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure what orchestration costs.")
    parser.add_argument("target", nargs="?", default="ablations.branching_regularizer")
    parser.add_argument("--backends", nargs="+", default=["local", "ray"], choices=["local", "ray"])
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--override", "-o", action="append", default=[])
    arguments = parser.parse_args()
    options = [part for text in arguments.override for part in ("-o", text)]
    load = psutil.getloadavg()[0]
    print(f"{arguments.target}, {arguments.seeds} seeds, {os.cpu_count()} cores, load {load:.1f}")
    print(f"{'backend':8} {'run':7} {'wall s':>8} {'CPU s':>8} {'in stages':>10} {'outside':>8} {'share':>7}")
    for backend in arguments.backends:
        with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
            store = Path(folder)
            command = [
                sys.executable,
                "-m",
                "dymu",
                "run",
                arguments.target,
                "--seeds",
                arguments.seeds,
                *options,
            ]
            command += ["--backend", backend, "--store", folder]
            for run in ("first", "cached"):
                cost = measure(command, store)
                outside = cost.cpu_s - cost.stages_s
                print(
                    f"{backend:8} {run:7} {cost.wall_s:8.1f} {cost.cpu_s:8.1f} {cost.stages_s:10.1f} "
                    f"{outside:8.1f} {cost.share:7.1%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
