"""How much of a machine a step takes. None of it is part of an address.

Torch's thread count follows from the same table on every backend, because the number of threads decides in
which order sums are taken, and with it the last bit of a result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dymu.errors import BackendError

_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one step may use.

    Attributes:
        cpus: CPU cores, and torch threads.
        gpus: GPUs, if the run is on GPUs.
        memory: Bytes of main memory that must be free to start.
    """

    cpus: int = 1
    gpus: float = 1.0
    memory: int = _GIB


# Training stages hold images, optimiser state and N streams; affinity only activations of a few instances.
STAGES: Mapping[str, Resources] = {
    "affinity": Resources(memory=_GIB // 2),
}
DEFAULT = Resources()


def for_stage(stage: str, *, cpus: int | None, device: str) -> Resources:
    """What a stage takes.

    Args:
        stage: Name of the stage.
        cpus: Cores a step, if the user said so.
        device: Torch device; a step on the CPU takes no GPU.
    """
    entry = STAGES.get(stage, DEFAULT)
    return Resources(
        cpus=cpus or entry.cpus,
        gpus=0.0 if device == "cpu" else entry.gpus,
        memory=entry.memory,
    )


def largest(parts: Iterable[Resources]) -> Resources:
    """What a trial needs that runs these parts one after another."""
    listed = list(parts)
    return Resources(
        cpus=max(part.cpus for part in listed),
        gpus=max(part.gpus for part in listed),
        memory=max(part.memory for part in listed),
    )


def concurrency(need: Resources, nodes: Iterable[Mapping[str, float]]) -> int:
    """How many trials of ``need`` fit on the nodes at once.

    Args:
        need: What one trial takes.
        nodes: Per node its resources under Ray's names ``CPU``, ``GPU`` and ``memory``.

    Raises:
        BackendError: If not one trial fits on any node.
    """
    listed = list(nodes)
    total = sum(_fit(need, node) for node in listed)
    if total == 0:
        have = "; ".join(
            f"{n.get('CPU', 0):g} CPUs, {n.get('GPU', 0):g} GPUs, {n.get('memory', 0) / _GIB:.1f} GiB"
            for n in listed
        )
        raise BackendError(
            f"a step needs {need.cpus} CPUs, {need.gpus:g} GPUs and {need.memory / _GIB:.1f} GiB on one "
            f"node, but the nodes have: {have or 'nothing'}. Take a larger node, fewer --threads or another "
            "--device."
        )
    return total


def _fit(need: Resources, node: Mapping[str, float]) -> int:
    pairs = (("CPU", need.cpus), ("GPU", need.gpus), ("memory", need.memory))
    return min(int(node.get(name, 0.0) / amount) for name, amount in pairs if amount > 0)
