"""Figures 16 and 17: predicted architectures as trees, for preferences nearest to uniform and to corners."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import BoxStyle, PathPatch
from matplotlib.path import Path

from dymu.artifacts.record import Record
from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.figure_notes import LINE_IN, in_order, resource_label, wrapped, write_notes
from dymu.reports.predicted_tree import PredictedTree, corner, nearest_preference, tree_at, uniform
from dymu.reports.style import COLOURS, COLUMN_IN, PAGE_IN, SMALLEST, line_of, panels, shortened, task_text

MAX_ROWS = 6
_MAX_STREAMS = 40  # in all rows together; more do not fit a page
_NARROW_LAYERS = 10  # two trees of more layers do not fit a column of a paper
_STREAM_IN, _ROW_EXTRA_IN = 0.17, 0.48
_LANE = 0.14  # between tasks on one edge, in streams
_NAME = 9  # characters of a task beside its head, in a figure of one column
_ROUND = BoxStyle.Round(pad=0.03, rounding_size=0.12)  # of a node
_HEAD = 0.9  # from the last layer to the heads, in layers


def uniform_trees(results: Results) -> Figure:
    """A row for each arm, a column for each resource preference; the preference nearest to uniform.

    Raises:
        ReportError: If no record holds trees.
    """
    target = uniform(len(results.tasks))
    rows = {}
    for arm in results.arms:
        record = _first_with_trees(results, arm.name)
        if record is not None:
            rows[arm.label] = _trees(record, target)
    _check(rows, results)
    return _figure(results, dict(list(rows.items())[: most_rows(len(results.tasks))]), len(rows))


def corner_trees(results: Results) -> Figure:
    """A row for each task, a column for each resource preference; the preference nearest to the corner.

    Shown is the first arm that predicts trees. Of many tasks those are shown whose corner is met best.

    Raises:
        ReportError: If no record holds trees.
    """
    tasks = results.tasks
    found = (_first_with_trees(results, arm.name) for arm in results.arms)
    record = next((record for record in found if record is not None), None)
    rows = {}
    if record is not None:
        preferences = record.points[0].preferences
        best = sorted(range(len(tasks)), key=lambda task: -max(row[task] for row in preferences))
        for task in sorted(best[: most_rows(len(tasks))]):
            rows[f"mostly {task_text(tasks[task], 40)}"] = _trees(record, corner(task, len(tasks)))
    _check(rows, results)
    return _figure(results, rows, len(tasks))


def trees_of(results: Results, arm: str) -> Iterator[PredictedTree]:
    """Trees at all evaluation preferences, of the seed that figures show."""
    record = _first_with_trees(results, arm)
    if record is not None:
        for point in record.points:
            yield from (tree_at(record, point, index) for index in range(len(point.parents)))


def most_rows(num_tasks: int) -> int:
    """How many trees of so many tasks fit a page below one another."""
    return max(1, min(MAX_ROWS, _MAX_STREAMS // num_tasks))


def _first_with_trees(results: Results, arm: str) -> Record | None:
    records = results.of(arm).values()
    return next((r for r in records if any(point.parents for point in r.points)), None)


def _trees(record: Record, target: Sequence[float]) -> dict[float | None, PredictedTree]:
    return {
        point.resource_preference: tree_at(record, point, nearest_preference(point.preferences, target))
        for point in record.points
        if point.parents
    }


def _check(rows: Mapping[str, object], results: Results) -> None:
    if not rows:
        target = "studies.digits:ours" if results.records else results.manifest.target
        raise ReportError(
            f"no record of {results.manifest.name} holds predicted trees; make one with `dymu run {target}`. "
            "Only controllable methods predict trees."
        )


def _figure(
    results: Results, rows: Mapping[str, Mapping[float | None, PredictedTree]], available: int
) -> Figure:
    resources = in_order({c for trees in rows.values() for c in trees})
    example = next(tree for trees in rows.values() for tree in trees.values())
    num_streams, num_layers = example.num_streams, example.paths_NL.shape[1]
    narrow = num_layers * len(resources) <= 2 * _NARROW_LAYERS and num_streams <= len(COLOURS)
    width = COLUMN_IN if narrow else PAGE_IN
    shown = ", ".join(map(str, sorted({tree.seed for trees in rows.values() for tree in trees.values()})))
    notes = [
        f"Seed {shown}. From left to right the image, the layers and the heads; a row is a stream of the "
        "anchor net. Filled nodes run; % of the anchor net's parameters."
    ]
    if len(rows) < available:
        notes.append(f"{len(rows)} of {available} shown.")
    notes = wrapped(notes, width)
    row_in = _STREAM_IN * max(num_streams, 3) + _ROW_EXTRA_IN
    figure = Figure(figsize=(width, row_in * len(rows) + LINE_IN * len(notes) + 0.25), layout="constrained")
    axes = panels(figure, len(rows), len(resources))
    for row, (label, trees) in enumerate(rows.items()):
        for column, c in enumerate(resources):
            axis = axes[row][column]
            axis.set_axis_off()
            if c in trees:
                draw_tree(
                    axis, trees[c], results.tasks, name_length=_NAME if width == COLUMN_IN else 2 * _NAME
                )
            if row == 0:
                _write_above(axis, resource_label(c), 0.5, "center", up=22)
        _write_above(axes[row][0], shortened(label, int(10 * width)), 0.0, "left", up=11)
    write_notes(figure, notes)
    return figure


def draw_tree(axis: Any, tree: PredictedTree, tasks: Sequence[str], *, name_length: int) -> None:
    """Draw a tree: the image left, layers from left to right, streams from top to bottom, heads right."""
    num_tasks, num_layers = tree.paths_NL.shape
    used = tree.used
    lane = min(_LANE, 0.7 / num_tasks)
    width = min(1.2, 0.7 * lane * _STREAM_IN * 72)
    _draw_nodes(axis, tree, lane)
    centre = (tree.num_streams - 1) / 2
    image_x, head_x = -_HEAD, num_layers - 1 + _HEAD
    for task in range(num_tasks):
        xs, ys = [image_x], [centre]
        for layer, stream in enumerate(tree.paths_NL[task].tolist()):
            passing = used[layer, stream]
            y = stream + lane * (passing.index(task) - (len(passing) - 1) / 2)
            xs += [layer - 0.18, layer + 0.18]
            ys += [y, y]
        xs.append(head_x)
        ys.append(_head_y(task, num_tasks, tree.num_streams))
        axis.plot(xs, ys, **line_of(task) | {"linewidth": width}, solid_joinstyle="round", zorder=3)
        axis.plot(xs[-1:], ys[-1:], "s", color=line_of(task)["color"], markersize=3.2, zorder=4)
        axis.annotate(
            f"{task_text(tasks[task], name_length)} {tree.preference[task]:.2f}",
            (xs[-1], ys[-1]),
            xytext=(3.5, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALLEST,
            annotation_clip=False,
        )
    axis.plot([image_x], [centre], "s", color="#333333", markersize=4.5, zorder=5)
    if tree.share is not None:
        _write_above(axis, f"{100 * tree.share:.0f} %", 1.0, "left")
    axis.set_xlim(image_x - 0.3, head_x + 0.15)
    axis.set_ylim(tree.num_streams - 0.45, -0.55)


def _write_above(axis: Any, text: str, x: float, side: str, *, up: float = 2) -> None:
    axis.annotate(
        text,
        (x, 1.0),
        xycoords="axes fraction",
        xytext=(0, up),
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=6.5,
        annotation_clip=False,
    )


def _draw_nodes(axis: Any, tree: PredictedTree, lane: float) -> None:
    """All nodes; those of one stream that run are one path, as are all that do not run."""
    used, num_layers = tree.used, tree.paths_NL.shape[1]
    idle: list[Path] = []
    for stream in range(tree.num_streams):
        running: list[Path] = []
        for layer in range(num_layers):
            passing = len(used.get((layer, stream), ()))
            height = 0.36 + lane * max(0, passing - 1)
            box = _ROUND(layer - 0.17, stream - height / 2, 0.34, height, 1)
            (running if passing else idle).append(box)
        if running:
            colour = COLOURS[stream % len(COLOURS)]
            _add_boxes(axis, running, {"facecolor": colour, "alpha": 0.3, "linewidth": 0})
    if idle:
        _add_boxes(axis, idle, {"facecolor": "none", "edgecolor": "#c4c4c4", "linewidth": 0.5})


def _add_boxes(axis: Any, boxes: Sequence[Path], style: dict[str, Any]) -> None:
    axis.add_patch(PathPatch(Path.make_compound_path(*boxes), zorder=1, **style))


def _head_y(task: int, num_tasks: int, num_streams: int) -> float:
    return task if num_tasks == num_streams else task * (num_streams - 1) / max(1, num_tasks - 1)
