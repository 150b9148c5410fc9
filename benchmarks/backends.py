"""The same study in this process, on a Ray of its own and on a cluster of three raylets: what each costs.

    python benchmarks/backends.py                       # the digits Table 6 study, minutes per place
    python benchmarks/backends.py --target studies.digits:ours --seeds 1 --places local cluster

Each place gets a fresh store, one after another, in one run. CPU-seconds are what the operating system
charged to all processes involved: the command and everything below it, and on the cluster the head, the nodes
and what they started, the MLflow server and PostgreSQL, less what they had taken before. They are sampled, so
the last instant of each process is missed. Stages say themselves, in ``provenance.json``, what they took.

The cluster is that of ``make cluster`` in a folder of its own; what starting it costs is a line of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from dymu.run.jobs.devcluster import DevCluster
from dymu.run.jobs.services import Service

_SAMPLE_S = 0.25
_PLACES = ("local", "ray", "cluster")
_NAMES = {"local": "in-process", "ray": "local Ray", "cluster": "3-node cluster"}


@dataclass(kw_only=True)
class Cost:
    """What one run took.

    Attributes:
        wall_s: Seconds by the clock.
        cpu_s: CPU-seconds by who took them.
        stages_s: CPU-seconds of stage functions, by their own account.
    """

    wall_s: float = 0.0
    cpu_s: dict[str, float] = field(default_factory=dict)
    stages_s: float = 0.0

    @property
    def total_s(self) -> float:
        """CPU-seconds of all."""
        return sum(self.cpu_s.values())


class Meter:
    """Samples the CPU time of a command, of all below it, and of servers, while a block runs.

    Args:
        command: Process id.
        services: What else counts, with all that belongs to it.
    """

    def __init__(self, command: int, services: Sequence[Service]) -> None:
        self._command = command
        self._services = services
        self._owners: dict[tuple[int, float], str | None] = {}
        self._before: dict[tuple[int, float], float] = {}
        self._seen: dict[tuple[int, float], float] = {}
        self._ended = threading.Event()

    def seconds(self) -> dict[str, float]:
        """CPU-seconds since the block began, by who took them."""
        found = dict.fromkeys(["command", *(service.name for service in self._services)], 0.0)
        for key, spent in self._seen.items():
            owner = self._owners[key]
            if owner is not None:
                found[owner] += spent - self._before.get(key, 0.0)
        return found

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens in the block."""
        self._sample()
        self._before = {key: spent for key, spent in self._seen.items() if self._owners[key] != "command"}
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self._sample()
        self._sample()

    def _sample(self) -> None:
        below = {self._command}
        for process in sorted(psutil.process_iter(), key=_age):
            try:
                key = (process.pid, process.create_time())
                if process.pid in below or process.ppid() in below:
                    below.add(process.pid)
                    self._owners[key] = "command"
                elif key not in self._owners:  # whose a process is does not change, and is slow to tell
                    owners = (service.name for service in self._services if service.owns(process))
                    self._owners[key] = next(owners, None)
                if self._owners[key] is not None:
                    times = process.cpu_times()
                    self._seen[key] = times.user + times.system
            except psutil.Error:
                continue  # ended between the list and the look


def stage_seconds(store: Path) -> float:
    """CPU-seconds of all artifacts in a store, by their own account."""
    files = store.glob("artifacts/*/*/att-*/provenance.json")
    return sum(json.loads(path.read_text(encoding="utf-8"))["cpu_s"] for path in files)


def run(words: list[str], store: Path, variables: dict[str, str], cluster: DevCluster | None) -> Cost:
    """Run a command to its end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "dymu", *words],
            env={**inherited, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        meter = Meter(process.pid, cluster.services() if cluster is not None else ())
        with meter.running():
            code = process.wait()
        cost = Cost(wall_s=time.perf_counter() - began, cpu_s=meter.seconds(), stages_s=stage_seconds(store))
        if code != 0:
            output.seek(0)
            sys.exit(f"dymu {' '.join(words)} ended with {code}:\n{output.read()}")
    return cost


def on_cluster(words: list[str], folder: Path) -> tuple[Cost, Cost]:
    """Start a cluster and run a study on it: what each took."""
    folder.chmod(0o755)  # PostgreSQL may have to run as another user
    cluster = DevCluster(folder / "cluster")
    began = time.perf_counter()
    try:
        cluster.up(lambda text: None)  # noqa: ARG005 - the table says enough
        members = {service.name: service.members() for service in cluster.services()}
        start = Cost(wall_s=time.perf_counter() - began)
        for name, processes in members.items():
            start.cpu_s[name] = sum(_cpu(process) for process in processes)
        cost = run(["submit", *words, "--yes", "--follow"], cluster.store, cluster.variables, cluster)
    finally:
        cluster.down(lambda text: None)  # noqa: ARG005
    return start, cost


def row(name: str, cost: Cost, reference: Cost | None) -> None:
    """Print a line of the table."""
    outside = cost.total_s - cost.stages_s
    ratios = ""
    if reference is not None:
        ratios = f"{cost.total_s / reference.total_s:7.2f} {cost.wall_s / reference.wall_s:9.2f}"
    print(
        f"{name:16} {cost.wall_s:8.1f} {cost.total_s:8.1f} {cost.stages_s:10.1f} {outside:8.1f} {ratios}",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Compare what a study costs in three places.")
    parser.add_argument("--target", default="ablations.branching_regularizer")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--override", "-o", action="append", default=[])
    parser.add_argument("--places", nargs="+", default=list(_PLACES), choices=_PLACES)
    arguments = parser.parse_args()
    words = [arguments.target, "--seeds", arguments.seeds]
    words += [part for text in arguments.override for part in ("-o", text)]
    load = psutil.getloadavg()[0]
    print(f"{arguments.target}, {arguments.seeds} seeds, {os.cpu_count()} cores, load {load:.1f}")
    print(
        f"{'place':16} {'wall s':>8} {'CPU s':>8} {'in stages':>10} {'outside':>8} {'x CPU':>7} {'x wall':>9}"
    )
    reference: Cost | None = None
    shares: dict[str, Cost] = {}
    for place in arguments.places:
        with tempfile.TemporaryDirectory(prefix="backends-") as name:
            if place == "cluster":
                start, cost = on_cluster(words, Path(name))
                shares = {"starting the cluster": start, "the study on it": cost}
            else:
                store = Path(name) / "store"
                cost = run(["run", *words, "--backend", place, "--store", str(store)], store, {}, None)
        reference = reference or cost
        row(_NAMES[place], cost, reference)
    for what, cost in shares.items():
        parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in cost.cpu_s.items())
        print(f"CPU s of {what} ({cost.wall_s:.1f} s wall): {parts}")


def _age(process: psutil.Process) -> float:
    try:
        return process.create_time()
    except psutil.Error:
        return 0.0


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


if __name__ == "__main__":
    main()
