"""SVG as a part of a page: no scripts, no sheets that reach beyond it, no digits that nobody sees."""

import re
from xml.etree import ElementTree

from dymu.errors import ReportError
from dymu.reports.html.markup import Markup

_SVG = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = frozenset({"script", "style", "metadata", "foreignObject"})
_LONG = re.compile(r"(\.\d)\d+")
_ROUNDED = ("d", "x", "y")
_SPACE = re.compile(r"\s+")
_BESIDE_LETTER = re.compile(r" ?([A-Za-z]) ?")
_WIDTH = re.compile(r"""viewBox=["'][-0-9.]+ [-0-9.]+ ([0-9.]+) """)
_COLUMN = 300.0  # points
_PIXELS = 1.75  # a point; print sizes are small for a screen
_PICTURE = "data:image/png;base64,"


def inline(svg: str, *, label: str) -> Markup:
    """An SVG as an element of a page.

    Args:
        svg: The element. Its ids have to be none that the page has already.
        label: What it shows, for those who do not see it.

    Returns:
        The element, as wide as its print size asks for. Coordinates are rounded to a tenth of a point.

    Raises:
        ReportError: If it is no SVG.
    """
    if "<!ENTITY" in svg:
        raise ReportError(f"the figure {label!r} defines entities of its own; expected a plain SVG.")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise ReportError(f"the figure {label!r} is no SVG: {error}.") from error
    if root.tag != f"{{{_SVG}}}svg":
        raise ReportError(f"the figure {label!r} is {root.tag!r}; expected an SVG.")
    _clean(root)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    width = float(root.attrib.get("viewBox", "0 0 400 0").split()[2])
    root.attrib |= {"role": "img", "aria-label": label, "width": f"{_PIXELS * width:.0f}"}
    ElementTree.register_namespace("", _SVG)
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def is_wide(svg: str) -> bool:
    """Whether a figure is drawn as wide as a page rather than as a column of it."""
    found = _WIDTH.search(svg)
    return found is not None and float(found[1]) > _COLUMN


def _clean(element: ElementTree.Element) -> None:
    if element.text is not None and not element.text.strip():
        element.text = None
    for child in list(element):
        if child.tag.rpartition("}")[2] in _DROPPED:
            element.remove(child)
        else:
            _clean(child)
            if child.tail is not None and not child.tail.strip():
                child.tail = None
    for name, value in list(element.attrib.items()):
        if name.rpartition("}")[2].startswith("on"):
            del element.attrib[name]
        elif name in (_LINK, "href"):
            del element.attrib[name]
            if value.startswith(("#", _PICTURE)):
                element.attrib["href"] = value
        elif name in _ROUNDED:
            short = _SPACE.sub(" ", _LONG.sub(r"\1", value)).strip()
            element.attrib[name] = _BESIDE_LETTER.sub(r"\1", short) if name == "d" else short
