"""How figures look: sizes of a two-column paper, colours that colour-blind readers can tell apart."""

import gc
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dymu.errors import ReportError

COLUMN_IN = 3.25
PAGE_IN = 6.875
SMALLEST = 6.0
"""Size of the smallest text, in points."""
FORMATS = ("svg", "pdf", "png")
_DPI = 300  # of pictures
_COMPRESSION = 3  # of pictures: a tenth more bytes than at the default of 6, in less than half the time

# Okabe and Ito's palette without its yellow, which white paper swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1)))
RESOURCE_MARKERS = ("o", "^", "s", "v", "P")
MAP_COLOURS = "viridis"

_STYLE_SHEET = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)

_SETTINGS: Any = {
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.1,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "figure.dpi": 100,
    "text.parse_math": False,  # a dollar sign in a label starts no formula
    "pdf.fonttype": 42,  # text stays text
    "svg.hashsalt": "dymu",  # the same figure is the same file
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Settings of all figures, whatever the user's matplotlibrc says.

    Cyclic garbage waits until the end: looking for it among the thousands of objects of a figure takes a
    tenth of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with matplotlib.style.context("default"), matplotlib.rc_context(_SETTINGS):
            yield
    finally:
        if collecting:
            gc.enable()


def line_of(index: int) -> dict[str, Any]:
    """Colour and dash of the line of an arm; all differ for the first 28."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
    }


def resource_style(c: float | None, resources: Collection[float | None]) -> dict[str, Any]:
    """Colour and marker of a resource preference among others; a method without is always black."""
    if c is None:
        return {"color": COLOURS[-1], "marker": "D"}
    index = [other for other in resources if other is not None].index(c)
    return {
        "color": COLOURS[index % (len(COLOURS) - 1)],
        "marker": RESOURCE_MARKERS[index % len(RESOURCE_MARKERS)],
    }


def task_text(task: str, length: int) -> str:
    """The name of a task as words that fit."""
    return shortened(task.replace("_", " "), length)


def shortened(text: str, length: int) -> str:
    """Text on one line that fits, with an ellipsis where it was cut."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def panels(figure: Figure, rows: int, columns: int, **shared: Any) -> list[list[Any]]:
    """A grid of axes, row by row; ``sharex`` and ``sharey`` as of ``Figure.subplots``."""
    return [list(row) for row in figure.subplots(rows, columns, squeeze=False, **shared)]


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write a figure in some of :data:`FORMATS`; the same figure gives the same bytes.

    Raises:
        ReportError: If the folder cannot be written; a file is there as a whole or not at all.
    """
    paths = [folder / f"{name}.{suffix}" for suffix in formats]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _lay_out(figure)
        for path in paths:
            partial = path.with_name(f".{path.stem}.part{path.suffix}")
            try:
                _PRINTERS[path.suffix[1:]](figure, partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise ReportError(
            f"figures cannot be written to {folder}: {error.strerror or error}. Name another with --out."
        ) from error
    return paths


def _lay_out(figure: Figure) -> None:
    """Place everything once, so that no format does it again.

    At the resolution of pictures: at fewer dots an inch text is a little narrower.
    """
    figure.set_dpi(_DPI)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    figure.set_layout_engine("none")


# ``Figure.savefig`` draws twice for each format, first without a trace, to lay out. A canvas draws once, but
# leaves a resolution of its own behind.


def _print_svg(figure: Figure, target: Path | io.StringIO) -> None:
    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(target, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))


def _print_pdf(figure: Figure, path: Path) -> None:
    # Embedding fonts takes a third of a second to import.
    from matplotlib.backends.backend_pdf import FigureCanvasPdf  # noqa: PLC0415

    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasPdf(figure)
    canvas.print_pdf(path, metadata={"CreationDate": None})


def _print_png(figure: Figure, path: Path) -> None:
    figure.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(path, pil_kwargs={"compress_level": _COMPRESSION})


_PRINTERS: Mapping[str, Callable[[Figure, Path], None]] = {
    "svg": _print_svg,
    "pdf": _print_pdf,
    "png": _print_png,
}


def svg_text(figure: Figure, name: str) -> str:
    """A figure as an ``svg`` element for an HTML page.

    Args:
        figure: The figure.
        name: What its ids begin with; two figures of one page need two names.

    Returns:
        The element alone, without XML declaration and metadata.
    """
    stream = io.StringIO()
    _lay_out(figure)
    _print_svg(figure, stream)
    _, tag, rest = stream.getvalue().partition("<svg")
    # A style sheet within a page would hold for the whole page; what it says is inherited anyway.
    text, sheets = _STYLE_SHEET.subn("", tag + rest.rstrip())
    assert sheets == 1, f"{name}: expected one style sheet, found {sheets}"
    text = text.replace(tag, f'{tag} style="stroke-linejoin: round; stroke-linecap: butt"', 1)
    text = re.sub(r"\bid=\"", f'id="{name}-', text)
    return re.sub(r"(url\(#|href=\"#)", rf"\g<1>{name}-", text)
