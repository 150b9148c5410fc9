"""How much of a machine a step takes: one table, changed per run from the command line.

None of it is part of an address. Torch's thread count follows from the same table on every backend, because
the number of threads decides in which order sums are taken, and with it the last bit of a result; so does
the number of workers.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal

from dymu.errors import BackendError, SpecError

GIB = 1024**3
_UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": GIB, "TiB": 1024 * GIB}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one step may use.

    Attributes:
        workers: Processes that train the step together; 0 for the process that has the step anyway.
        cpus: CPU cores and torch threads of each process.
        gpus: GPUs of each process, if the run is on GPUs; a fraction shares one.
        memory: Bytes of main memory of each process that must be free to start.
        parts: Whether a step that can be done in pieces (the nets of an anchor) is done ``together``, in one
            process, or ``apart``, each piece as a step of its own. The results are the same.
    """

    workers: int = 0
    cpus: int = 1
    gpus: float = 1.0
    memory: int = GIB
    parts: Literal["together", "apart"] = "together"

    @property
    def bundle(self) -> Mapping[str, float]:
        """What one process takes, under Ray's names and without zeros."""
        amounts = {"CPU": float(self.cpus), "GPU": float(self.gpus), "memory": float(self.memory)}
        return {name: amount for name, amount in amounts.items() if amount > 0}

    @property
    def processes(self) -> int:
        """How many processes there are, at least one."""
        return max(1, self.workers)

    @property
    def text(self) -> str:
        """For instance ``2 workers with 4 CPUs, 1 GPUs and 1.0 GiB each``."""
        amounts = f"{self.cpus:g} CPUs, {self.gpus:g} GPUs and {self.memory / GIB:.1f} GiB"
        return f"{self.workers} workers with {amounts} each" if self.workers else amounts


# Training stages hold images, optimiser state and N streams; affinity only activations of a few instances.
STAGES: Mapping[str, Resources] = MappingProxyType(
    {
        "affinity": Resources(memory=GIB // 2),
    }
)
DEFAULT = Resources()


@dataclass(frozen=True, kw_only=True)
class ResourceTable:
    """What the stages of one run may use.

    Attributes:
        stages: By name of the stage.
        default: For the others.
    """

    stages: Mapping[str, Resources] = field(default_factory=lambda: dict(STAGES))
    default: Resources = DEFAULT

    @property
    def apart(self) -> bool:
        """Whether steps that can be done in pieces are."""
        return any(entry.parts == "apart" for entry in self.stages.values())

    def of(self, stage: str, *, device: str) -> Resources:
        """What a stage takes; on the CPU no GPU."""
        entry = self.stages.get(stage, self.default)
        return replace(entry, gpus=0.0) if device == "cpu" else entry


def resource_table(
    settings: Sequence[str] = (),
    *,
    workers: int | None = None,
    threads: int | None = None,
    trained: Collection[str] = (),
    known: Collection[str] = (),
) -> ResourceTable:
    """The table with what the command line says.

    Args:
        settings: ``STAGE.FIELD=VALUE``, as in ``edge.gpus=0.5`` or ``anchor.memory=4GiB``; a later one wins.
        workers: Of every stage that trains.
        threads: Cores of every stage.
        trained: The stages that train.
        known: All stages that a setting may name; none given, any.

    Raises:
        SpecError: If a setting cannot be understood; says what came and what is expected.
    """
    if workers is not None and workers < 0:
        raise SpecError(f"--workers={workers}: expected a number of processes, 0 for no extra ones.")
    default = DEFAULT if threads is None else replace(DEFAULT, cpus=threads)
    stages = {
        name: entry if threads is None else replace(entry, cpus=threads) for name, entry in STAGES.items()
    }
    for stage in trained if workers is not None else ():
        stages[stage] = replace(stages.get(stage, default), workers=workers or 0)
    for setting in settings:
        stage, name, value = _parse(setting)
        if known and stage not in known:
            raise SpecError(
                f"--resource {setting!r}: there is no stage {stage!r}; there are {', '.join(sorted(known))}."
            )
        stages[stage] = replace(stages.get(stage, default), **{name: value})
    for stage, entry in stages.items():
        _check(stage, entry)
    return ResourceTable(stages=stages, default=default)


def concurrency(need: Resources, nodes: Iterable[Mapping[str, float]]) -> int:
    """How many times ``need`` fits on the nodes at once.

    A group of workers may be spread over nodes, one worker may not.

    Args:
        need: What one step takes.
        nodes: Per node its resources under Ray's names ``CPU``, ``GPU`` and ``memory``.
    """
    return sum(_fit(need, node) for node in nodes) // need.processes


def check_feasible(stages: Mapping[str, Resources], nodes: Sequence[Mapping[str, float]]) -> None:
    """Refuse what the nodes could not hold even if nothing else ran.

    Args:
        stages: What each stage takes.
        nodes: The nodes there are or, where nodes are started on demand, can ever be.

    Raises:
        BackendError: Names every stage that does not fit, what it asks for and what exists.
    """
    too_large = [
        f"stage {stage} needs {need.text}{'' if need.workers else ' on one node'}"
        for stage, need in stages.items()
        if concurrency(need, nodes) == 0
    ]
    if too_large:
        have = "; ".join(_node_text(node, count) for node, count in _counted(nodes))
        raise BackendError(
            f"{', '.join(too_large)}, but the nodes have: {have or 'nothing'}. Take larger or more nodes, "
            "fewer --threads or --workers, less with --resource, or another --device."
        )


def _counted(nodes: Sequence[Mapping[str, float]]) -> list[tuple[Mapping[str, float], int]]:
    shapes = {_node_text(node, 1): node for node in nodes}
    return [(node, sum(_node_text(n, 1) == text for n in nodes)) for text, node in shapes.items()]


def _node_text(node: Mapping[str, float], count: int) -> str:
    times = f"{count} times " if count > 1 else ""
    amounts = (
        f"{node.get('CPU', 0):g} CPUs, {node.get('GPU', 0):g} GPUs, {node.get('memory', 0) / GIB:.1f} GiB"
    )
    return times + amounts


def _fit(need: Resources, node: Mapping[str, float]) -> int:
    return min(int(node.get(name, 0.0) / amount) for name, amount in need.bundle.items())


def _parse(setting: str) -> tuple[str, str, Any]:
    path, equals, text = setting.partition("=")
    stage, dot, name = path.partition(".")
    if not (stage and dot and name and equals):
        raise SpecError(f"--resource {setting!r}: expected STAGE.FIELD=VALUE, as in edge.workers=2.")
    read = _READ.get(name)
    if read is None:
        names = ", ".join(f.name for f in fields(Resources))
        raise SpecError(f"--resource {setting!r}: there is no field {name!r}; there are {names}.")
    try:
        return stage, name, read(text)
    except ValueError:
        raise SpecError(f"--resource {setting!r}: {_EXPECTED[name]} is expected, not {text!r}.") from None


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]iB)?", text)
    if match is None or (amount := int(float(match[1]) * _UNITS[match[2] or ""])) <= 0:
        raise ValueError
    return amount


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError
    return int(text)


def _cores(text: str) -> int:
    if _count(text) < 1:
        raise ValueError
    return int(text)


def _gpus(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text) is None or (float(text) > 1 and not float(text).is_integer()):
        raise ValueError
    return float(text)


def _parts(text: str) -> str:
    if text not in ("together", "apart"):
        raise ValueError
    return text


_READ: Mapping[str, Callable[[str], Any]] = {
    "workers": _count,
    "cpus": _cores,
    "gpus": _gpus,
    "memory": _bytes,
    "parts": _parts,
}
_EXPECTED = {
    "workers": "a number of processes from 0",
    "cpus": "a number of cores from 1",
    "gpus": "a fraction of one GPU, or a whole number",
    "memory": "a number of bytes, as in 2GiB or 512MiB,",
    "parts": "together or apart",
}


def _check(stage: str, entry: Resources) -> None:
    if entry.workers > 1 and 0 < entry.gpus < 1:
        raise SpecError(
            f"stage {stage}: gpus={entry.gpus:g} with workers={entry.workers}; NCCL takes no two workers "
            "on one GPU. Expected gpus=1 or more for several workers, or one worker for a part of a GPU."
        )
