"""A Ray cluster of several raylets on this machine, each as one would start it on a machine of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.cluster.harness.places import HOST, ROOT, Places, program
from tests.cluster.harness.processes import Command, at_work, kill, titled, wait_until

_STORE_BYTES = 80_000_000  # of Ray's object store on each node; the least is 75 MiB
_START_S = 120.0
_UP = "Ray runtime started"

# Asked of a process that connects for this and goes.
_QUESTION = """
import json, logging, sys
import ray
from ray.util import placement_group_table

ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
nodes = [node for node in ray.nodes() if node["Alive"]]
groups = [group for group in placement_group_table().values() if group["state"] != "REMOVED"]
print(json.dumps({
    "nodes": len(nodes),
    "cpus": ray.cluster_resources().get("CPU", 0.0),
    "free_cpus": ray.available_resources().get("CPU", 0.0),
    "placement_groups": [[group["name"], group["state"]] for group in groups],
}))
"""


class Node:
    """One raylet with its workers, or the head.

    Attributes:
        name: Unique in the campaign.
        command: ``ray start --block``, whose session is the node.
    """

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self.command = command

    @property
    def up(self) -> bool:
        """Whether the node has joined."""
        return _UP in self.command.log.read_text(encoding="utf-8", errors="replace")

    def part(self, program_name: str) -> psutil.Process:
        """Its process of a program of Ray, ``raylet`` or ``gcs_server``."""
        found = [process for process in self.command.members() if process.name() == program_name]
        assert len(found) == 1, f"{self.name} has {len(found)} processes called {program_name}"
        return found[0]


class Cluster:
    """A head without CPUs and nodes with one each; Ray's dashboard runs, Ray Train asks it.

    Args:
        places: Where it lies.
        nodes: How many beside the head.
        cpus: Of each node.
        skew_s: By how much the clocks of the nodes are wrong, in turn ahead and behind; the head's is right.
    """

    def __init__(self, places: Places, *, nodes: int, cpus: int = 1, skew_s: int = 0) -> None:
        self.places = places
        self.nodes: list[Node] = []
        self.gone: list[Node] = []
        self._wanted = nodes
        self._cpus = cpus
        self._skew_s = skew_s
        self._count = 0

    def start(self) -> None:
        """Start head and nodes; returns when all have joined."""
        head = self._start(
            "head",
            "--head",
            f"--port={self.places.ray_port}",
            "--num-cpus=0",
            "--include-dashboard=true",
            f"--dashboard-host={HOST}",
            f"--dashboard-port={self.places.dashboard_port}",
            f"--ray-client-server-port={self.places.client_port}",
        )
        self._wait(head)
        for node in [self.add(wait=False) for _ in range(self._wanted)]:
            self._wait(node)

    def add(self, *, wait: bool = True) -> Node:
        """One more node."""
        more = _wrong_clock(self._skew_s * (-1) ** self._count) if self._skew_s else {}
        options = (f"--address={self.places.ray_address}", f"--num-cpus={self._cpus}")
        node = self._start("node", *options, more=more)
        if wait:
            self._wait(node)
        return node

    @property
    def head(self) -> Node:
        """The head."""
        return self.nodes[0]

    @property
    def workers(self) -> list[Node]:
        """All nodes but the head."""
        return self.nodes[1:]

    def members(self) -> list[psutil.Process]:
        """Processes of all nodes, also of those that were killed."""
        return [process for node in (*self.nodes, *self.gone) for process in node.command.members()]

    def titled(self, *beginnings: str) -> list[psutil.Process]:
        """Workers of all nodes whose title begins so."""
        return titled(self.members(), *beginnings)

    def kill_raylet(self, node: Node) -> None:
        """Kill the raylet of a node; its workers find out by themselves."""
        kill(node.part("raylet"))
        self._retire(node)

    def kill_head(self) -> None:
        """Kill the process that knows the cluster; all other nodes find out by themselves."""
        kill(self.head.part("gcs_server"))
        for node in tuple(self.nodes):
            self._retire(node)

    def end(self) -> None:
        """End everything that was started."""
        for node in (*reversed(self.nodes), *self.gone):
            node.command.end()
        self.nodes, self.gone = [], []

    def left_behind(self) -> list[str]:
        """Workers at work, and whatever is alive of nodes that are gone."""
        orphans = [f"{node.name}: {p.name()}" for node in self.gone for p in node.command.members()]
        return orphans + at_work([process for node in self.nodes for process in node.command.members()])

    def look(self) -> dict[str, Any]:
        """What the cluster says about itself to somebody who connects."""
        done = subprocess.run(
            [sys.executable, "-c", _QUESTION, self.places.ray_address],
            env=self.places.environment(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def _start(self, kind: str, *options: str, more: Mapping[str, str] | None = None) -> Node:
        name = f"{kind}{self._count}"
        self._count += 1
        common = (
            "--block",
            "--disable-usage-stats",
            f"--node-ip-address={HOST}",
            f"--object-store-memory={_STORE_BYTES}",
            f"--temp-dir={self.places.folder / name}",
            "--min-worker-port=0",
            "--max-worker-port=0",
        )
        command = Command(
            [program("ray"), "start", *options, *common],
            self.places.environment(more),
            self.places.folder,
            self.places.folder / "logs" / f"{name}.log",
        )
        node = Node(name, command)
        self.nodes.append(node)
        return node

    def _wait(self, node: Node) -> None:
        def ready() -> bool:
            assert node.command.code is None, f"{node.name} ended:\n{node.command.log.read_text()}"
            return node.up

        wait_until(ready, f"{node.name} joins ({node.command.log})", patience_s=_START_S)

    def _retire(self, node: Node) -> None:
        self.nodes.remove(node)
        self.gone.append(node)


def _wrong_clock(seconds: int) -> dict[str, str]:
    """Environment in which processes see a wrong time of day; clocks that only run forward are left alone."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "a wrong clock needs libfaketime (on Debian the package of that name)"
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
