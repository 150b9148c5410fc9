"""What a look at a cluster means: checks that say what was found and what to do about it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dymu.run.jobs.address import is_loopback
from dymu.run.jobs.client import Node
from dymu.run.provenance import versions
from dymu.run.verdict import Check

_SKEW_S = 2.0  # leases count their own seconds; times in logs and MLflow should still be comparable


def judge(found: Mapping[str, Any], *, python: str) -> list[Check]:
    """Judge what :func:`~dymu.run.jobs.examine.examine_nodes` found.

    Args:
        found: Its result.
        python: Version here.
    """
    nodes: Sequence[Mapping[str, Any]] = found["nodes"]
    seen = [node for node in nodes if "error" not in node]
    lost = [f"{_name(node)}: {node['error']}" for node in nodes if "error" in node]
    return [
        Check(
            name="nodes",
            ok=not lost,
            found=_said(lost, f"{len(nodes)} up, all could be looked at", "look at the logs of its raylet"),
        ),
        _workers(nodes),
        _equal(seen, python),
        _each(seen, "store", "seen and written by every node"),
        _each(seen, "mlflow", "reached from every node that needs it"),
        _each(seen, "data_root", "data roots are readable on every node"),
        _gpus(seen),
        _clocks(seen),
    ]


def judge_access(address: str, nodes: Sequence[Node], open_to_all: bool) -> list[Check]:
    """Judge what can be seen from here: the State API, and whether a token is asked for."""
    listed = ", ".join(f"{node.host}{' (head)' if node.head else ''}" for node in nodes)
    asked = "answers without a token" if open_to_all else "asks for a token"
    advice = (
        ""
        if not open_to_all
        else " (loopback or a tunnel: whoever else is on this machine can run code there)"
        if is_loopback(address)
        else "; whoever reaches it can run any code there. Start Ray with RAY_AUTH_MODE=token"
    )
    return [
        Check(name="state api", ok=bool(nodes), found=f"lists {len(nodes)} nodes: {listed}"),
        Check(name="auth", ok=not open_to_all or is_loopback(address), found=f"{address} {asked}{advice}"),
    ]


def _workers(nodes: Sequence[Mapping[str, Any]]) -> Check:
    cpus = sum(node["resources"]["CPU"] for node in nodes)
    if cpus:
        return Check(name="resources", ok=True, found=f"{cpus:g} CPUs, {_sum(nodes, 'GPU'):g} GPUs")
    return Check(
        name="resources",
        ok=True,
        found="no node that runs steps is up; an autoscaler starts some when a study asks, and they were not "
        "looked at",
    )


def _equal(nodes: Sequence[Mapping[str, Any]], python: str) -> Check:
    here = {**versions(), "python": python}
    wrong = [
        f"{_name(node)} has {name} {told or 'none'}, here it is {here[name]}"
        for node in nodes
        for name, told in {**node["versions"], "python": node["python"]}.items()
        if _plain(told) != _plain(here[name])
    ]
    told = ", ".join(f"{name} {here[name]}" for name in ("python", "dymu", "ray", "torch"))
    return Check(
        name="versions",
        ok=not wrong,
        found=_said(
            wrong, f"{told} here and on every node", "install what requirements.lock says everywhere"
        ),
    )


def _each(nodes: Sequence[Mapping[str, Any]], part: str, good: str) -> Check:
    wrong = [f"{_name(node)}: {node[part]}" for node in nodes if node[part]]
    return Check(name=part.replace("_", " "), ok=not wrong, found="; ".join(wrong) or good)


def _gpus(nodes: Sequence[Mapping[str, Any]]) -> Check:
    wrong = []
    for node in nodes:
        asked, gpus = int(node["resources"]["GPU"]), node["gpus"]
        if asked > gpus["listed"]:
            wrong.append(f"{_name(node)} offers {asked} GPUs, its driver lists {gpus['listed']}")
        elif asked and not gpus["cuda"]:
            wrong.append(f"{_name(node)} has GPUs and a torch without CUDA; install another build of torch")
        elif asked > 1 and not gpus["nccl"]:
            wrong.append(f"{_name(node)} has several GPUs and a torch without NCCL")
    counts = ", ".join(f"{_name(node)} {node['resources']['GPU']:g}" for node in nodes)
    return Check(name="gpus", ok=not wrong, found="; ".join(wrong) or counts or "none looked at")


def _clocks(nodes: Iterable[Mapping[str, Any]]) -> Check:
    told = [
        (abs(node["clock"]["ahead_s"]) > _SKEW_S + node["clock"]["within_s"], _clock_text(node))
        for node in nodes
    ]
    wrong = [text for off, text in told if off]
    return Check(
        name="clocks",
        ok=not wrong,
        found=_said(wrong, ", ".join(text for _, text in told), "run chrony or ntpd there"),
    )


def _clock_text(node: Mapping[str, Any]) -> str:
    clock = node["clock"]
    return f"{_name(node)} {clock['ahead_s'] * 1000:+.0f} ms (within {clock['within_s'] * 1000:.0f} ms)"


def _said(wrong: Sequence[str], good: str, advice: str) -> str:
    return f"{'; '.join(wrong)}. To mend it, {advice}." if wrong else good


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['host']}{' (head)' if node['head'] else ''}"


def _sum(nodes: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(node["resources"][name] for node in nodes))


def _plain(version: str) -> str:
    """Without the build: torch for CUDA and torch for the CPU are the same release."""
    return version.partition("+")[0]
