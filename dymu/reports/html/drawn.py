"""Figures of the paper in a page: what each shows, and in two columns that end at about the same height."""

import re
from collections.abc import Mapping, Sequence
from itertools import product

from dymu.reports.html.markup import Markup, join, tag
from dymu.reports.html.vector import inline, is_wide

# Name to what the figure is, and how to read it.
_CAPTIONS = {
    "resource_map": (
        "How much network runs, over the triangle of preferences",
        "At a corner one task has all of the preference. Colour: active parameters as part of the anchor "
        "net's, mean over seeds; the number is the mean over sampled preferences.",
    ),
    "resource_entropy": (
        "How much network runs, by how even the preference is",
        "Evenness is the entropy of the preference: 0 for one task alone, 1 where all are equal. Small: "
        "sampled preferences; lines: means of tenths of them.",
    ),
    "cost_distribution": (
        "How active parameters spread over preferences",
        "Bars: middle half of the sampled preferences; whiskers: 5th to 95th percentile; upright lines: "
        "median; dots: mean.",
    ),
    "preference_loss": (
        "Loss of each task against its share of the preference",
        "Small: evaluated preferences of all seeds, whatever the other shares are; lines: means of fifths of "
        "them. A model that follows falls to the right.",
    ),
    "trade_off": (
        "What a task loses when another is preferred, pair by pair",
        "One line for each arm and c; further down and left is better.",
    ),
    "affinity": (
        "Affinity of the tasks on the anchor net's features",
        "How alike the features of two tasks are, mean over layers. In each layer they are scaled from the "
        "least alike task (0) to the task itself (1).",
    ),
    "seeds": (
        "How much the seeds differ",
        "Small: seeds; large: their mean with its 95 % t-interval.",
    ),
    "trees_uniform": (
        "Predicted trees at the evaluated preference that is nearest to even",
        "A line is a task's way from the image to its head, a column of nodes a layer; where lines run "
        "together, tasks share the node.",
    ),
    "trees_corners": (
        "Predicted trees where one task has most of the preference",
        "Of the first arm that predicts trees, at the evaluated preference that is nearest to each task's "
        "corner.",
    ),
    "hypervolume": (
        "The hypervolume: what the losses dominate",
        "All that lies between losses which were attained and the reference point; more is better.",
    ),
    "sweep": (
        "What changes with the setting that is swept",
        "Small: seeds; bars: 95 % t-interval of their mean.",
    ),
    "static_grid": (
        "A controller beside static networks",
        "Hypervolume of ever more static networks, by their number and by their training time; broken level: "
        "the controller's.",
    ),
}
_HEIGHT = re.compile(r"""viewBox=["'][-0-9.]+ [-0-9.]+ ([0-9.]+) ([0-9.]+)""")
_CAPTION_HEIGHT = 90.0  # with the card around a figure, in points of a figure
_MOST_BALANCED = 12  # figures whose 2^n divisions are all tried


def figures_section(drawn: Mapping[str, str]) -> Markup:
    """Narrow figures in two columns, then those as wide as the page; nothing without any.

    Args:
        drawn: Name to an SVG element.
    """
    if not drawn:
        return Markup()
    narrow = [name for name, svg in drawn.items() if not is_wide(svg)]
    columns = [each for each in balanced({name: _height(drawn[name]) for name in narrow}) if each]
    return tag(
        "div",
        *(
            tag(
                "div",
                *(_figure(name, drawn[name]) for name in column),
                class_="column" if len(columns) > 1 else "column alone",
            )
            for column in columns
        ),
        *(_figure(name, svg) for name, svg in drawn.items() if is_wide(svg)),
        class_="figures",
    )


def balanced(heights: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Two columns of nearly the same height; each keeps the order, and the first begins.

    Args:
        heights: Name to height. Of very many the last go where there is room, one by one.
    """
    names = list(heights)
    first, *others = names[:_MOST_BALANCED] or [""]
    if not first:
        return [], []

    def difference(sides: Sequence[int]) -> float:
        sign = (heights[name] * (1 - 2 * side) for name, side in zip(others, sides, strict=True))
        return abs(heights[first] + sum(sign))

    best = min(product((1, 0), repeat=len(others)), key=difference)
    columns: tuple[list[str], list[str]] = ([first], [])
    for name, side in zip(others, best, strict=True):
        columns[side].append(name)
    for name in names[_MOST_BALANCED:]:
        min(columns, key=lambda column: sum(heights[each] for each in column)).append(name)
    return columns


def caption(name: str) -> tuple[str, str]:
    """What a figure is, and how to read it; the name in words for one that nobody described."""
    return _CAPTIONS.get(name, (name.replace("_", " ").replace("-", ", ").capitalize(), ""))


def _figure(name: str, svg: str) -> Markup:
    title, explanation = caption(name)
    return tag(
        "figure",
        tag(
            "div",
            inline(svg, label=title),
            class_="paper",
            tabindex=0,
            role="group",
            aria_label=title,
        ),
        tag("figcaption", join(tag("strong", f"{title}."), " ", explanation)),
        class_="drawn wide" if is_wide(svg) else "drawn",
    )


def _height(svg: str) -> float:
    """As drawn in a column, with its caption."""
    found = _HEIGHT.search(svg)
    return _CAPTION_HEIGHT + (float(found[2]) if found else 0.0)
