"""The tree that a preference asks for, as a plain value: nodes, parents, paths; as JSON and as text."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dymu.metrics.cost import reachable
from dymu.networks.tree import task_paths

Node = tuple[int, int]  # layer, stream


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A predicted tree.

    Attributes:
        task_preference: r by task name.
        resource_preference: c.
        parents: L rows of N: ``parents[l][j]`` is the node of layer l that node j of layer l + 1 reads; layer
            L are the heads. Parents of nodes that do not run are part of what was predicted.
        paths: By task name, the streams through which its features pass, layer 0 first.
        nodes: The nodes that run, (layer, stream), ascending; heads always run.
    """

    task_preference: dict[str, float]
    resource_preference: float
    parents: tuple[tuple[int, ...], ...]
    paths: dict[str, tuple[int, ...]]
    nodes: tuple[Node, ...]

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks in order."""
        return tuple(self.paths)

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)

    @property
    def text(self) -> str:
        """The tree as indented lines, branches below the layers that they leave."""
        preference = ", ".join(f"{task} {share:.3g}" for task, share in self.task_preference.items())
        lines = [f"{preference}; c = {self.resource_preference:.3g}", "image"]
        _draw(self.paths, 0, "", lines)
        return "\n".join(lines)


def architecture_of(
    parents_LN: Sequence[Sequence[int]], task_preference: Mapping[str, float], resource_preference: float
) -> Architecture:
    """The value of a tree whose tasks have these names, in order."""
    parents = tuple(tuple(int(parent) for parent in row) for row in parents_LN)
    used_LN = reachable(np.array([parents]))[0, :-1]
    return Architecture(
        task_preference={name: float(share) for name, share in task_preference.items()},
        resource_preference=float(resource_preference),
        parents=parents,
        paths={name: tuple(path) for name, path in zip(task_preference, task_paths(parents), strict=True)},
        nodes=tuple((int(layer), int(stream)) for layer, stream in np.argwhere(used_LN)),
    )


def _draw(paths: Mapping[str, tuple[int, ...]], layer: int, indent: str, lines: list[str]) -> None:
    """Lines of the tasks that share all layers before this one."""
    streams = sorted({path[layer] for path in paths.values()})
    for number, stream in enumerate(streams):
        mine = {task: path for task, path in paths.items() if path[layer] == stream}
        sample = next(iter(mine.values()))
        end = layer + 1  # first layer at which these tasks part, or the heads
        while end < len(sample) and len({path[end] for path in mine.values()}) == 1:
            end += 1
        last = number == len(streams) - 1
        chain = " ".join(str(passed) for passed in sample[layer:end])
        layers = f"layer {layer}" if end == layer + 1 else f"layers {layer}-{end - 1}"
        heads = f" -> {', '.join(mine)}" if end == len(sample) else ""
        lines.append(f"{indent}{'└─' if last else '├─'} {layers}: {chain}{heads}")
        if end < len(sample):
            _draw(mine, end, indent + ("   " if last else "│  "), lines)
