import gc
import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from dymu.errors import ReportError
from dymu.reports.style import (
    COLOURS,
    MAP_COLOURS,
    line_of,
    paper_style,
    resource_style,
    save,
    shortened,
    svg_text,
)


def some_figure(text: str) -> Figure:
    figure = Figure(figsize=(2, 1), layout="constrained")
    figure.subplots().set_title(text)
    return figure


def test_a_figure_is_written_in_three_formats_and_twice_the_same(tmp_path: Path) -> None:
    with paper_style():
        first = save(some_figure("title"), tmp_path / "a", "f")
        second = save(some_figure("title"), tmp_path / "b", "f")
    assert [path.name for path in first] == ["f.svg", "f.pdf", "f.png"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


@pytest.mark.parametrize("text", [r"cost in $\frac{", "a_b^c", "<b> & 'c'", "100 %"])
def test_text_of_users_is_shown_and_not_interpreted(tmp_path: Path, text: str) -> None:
    with paper_style(), mpl.rc_context({"svg.fonttype": "none"}):
        svg, *_ = save(some_figure(text), tmp_path, "f")
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert escaped in svg.read_text()


def test_settings_of_the_user_do_not_change_figures_and_stay() -> None:
    with mpl.rc_context({"font.size": 30, "axes.spines.top": True}):
        with paper_style():
            assert mpl.rcParams["font.size"] < 10
        assert mpl.rcParams["font.size"] == 30


def test_lines_of_many_arms_all_differ() -> None:
    assert len({str(line_of(index)) for index in range(28)}) == 28
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in COLOURS)


# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency"
# (2009): full deficiency, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ_OF_RGB = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])


def seen(colour: str, deficiency: str) -> np.ndarray:
    """CIELAB of a colour as somebody with a colour vision deficiency sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    simulated = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    part = (XYZ_OF_RGB @ simulated) / XYZ_OF_RGB.sum(axis=1)
    x, y, z = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_every_reader_can_tell_colours_of_lines_apart(deficiency: str) -> None:
    labs = [seen(colour, deficiency) for colour in (*COLOURS, "#FFFFFF")]
    apart = [float(np.linalg.norm(one - two)) for one, two in combinations(labs, 2)]
    assert min(apart) > 15, "a difference of 2.3 is just noticeable"


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_of_maps_grow_lighter_for_every_reader(deficiency: str) -> None:
    steps = [to_hex(colour) for colour in colormaps[MAP_COLOURS](np.linspace(0, 1, 32))]
    lightness = [seen(colour, deficiency)[0] for colour in steps]
    assert np.diff(lightness).min() > 0


def test_long_labels_end_with_an_ellipsis() -> None:
    assert shortened("no layer\nweighting", 40) == "no layer weighting"
    assert shortened("abcdefgh", 5) == "abcd…"


def test_a_figure_of_a_page_keeps_its_ids_and_style_to_itself() -> None:
    with paper_style():
        text = svg_text(some_figure("title"), "first")
    assert text.startswith("<svg")
    assert text.endswith("</svg>")
    assert "<style" not in text
    root = ElementTree.fromstring(text)
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert ids
    assert all(name.startswith("first-") for name in ids if name)
    links = set(re.findall(r"(?:href=\"|url\()#([^\")]*)", text))
    assert links
    assert links <= ids


def test_the_text_of_a_figure_of_a_page_is_escaped() -> None:
    with paper_style(), mpl.rc_context({"svg.fonttype": "none"}):
        assert "&lt;script&gt;" in svg_text(some_figure("<script>"), "f")


def test_a_resource_preference_looks_the_same_beside_methods_without() -> None:
    assert resource_style(1.0, [None, 0.0, 1.0]) == resource_style(1.0, [0.0, 1.0])
    styles = [resource_style(c, [None, 0.0, 0.5, 1.0]) for c in (None, 0.0, 0.5, 1.0)]
    assert len({style["color"] for style in styles}) == len({style["marker"] for style in styles}) == 4


def test_fonts_are_embedded_and_pictures_need_nothing_from_elsewhere(tmp_path: Path) -> None:
    with paper_style():
        svg, pdf, _ = save(some_figure("text"), tmp_path, "figure")
    assert b"/FontFile2" in pdf.read_bytes(), "a TrueType font"
    assert not re.search(r"(href|src)=.(?!#)|url\((?!#)|@import|font-face", svg.read_text(encoding="utf-8"))


def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with paper_style(), pytest.raises(ReportError, match=r"figures cannot be written to .*file/folder"):
        save(some_figure("text"), tmp_path / "file" / "folder", "figure")
    (tmp_path / "figure.png").mkdir()
    with paper_style(), pytest.raises(ReportError, match=r"Name another with --out"):
        save(some_figure("text"), tmp_path, "figure", ("png",))
    assert {path.name for path in tmp_path.iterdir()} == {"file", "figure.png"}


def draw_in_vain() -> None:
    with paper_style():
        assert not gc.isenabled()
        raise ReportError("in vain")


def test_garbage_is_collected_again_after_drawing_even_if_it_failed() -> None:
    with pytest.raises(ReportError, match="in vain"):
        draw_in_vain()
    assert gc.isenabled()
