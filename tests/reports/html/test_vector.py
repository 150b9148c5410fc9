"""Figures as parts of a page."""

import pytest

from dymu.errors import ReportError
from dymu.reports.html.vector import inline, is_wide

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="10pt" '
    'viewBox="0 0 10 5"><style>* {{ color: red }}</style><g id="a">\n  {0}\n</g></svg>'
)


def made(inside: str) -> str:
    return inline(SVG.format(inside), label="A <figure>")


def test_an_svg_says_what_it_shows() -> None:
    assert 'role="img"' in made("")
    assert "A &lt;figure&gt;" in made("")


@pytest.mark.parametrize(
    "part",
    [
        "<script>alert(1)</script>",
        "<foreignObject><b/></foreignObject>",
        '<rect onclick="alert(1)"/>',
        '<use xlink:href="https://example.org/a.svg"/>',
        '<use href="javascript:alert(1)"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        "<metadata>who</metadata>",
        "<style>p { color: red }</style>",
    ],
)
def test_nothing_acts_and_nothing_reaches_out(part: str) -> None:
    svg = made(part)
    forbidden = ("alert", "foreignObject", "example.org", "javascript", "AAAA", "who", "<style", "onclick")
    assert not [word for word in forbidden if word in svg]


@pytest.mark.parametrize("link", ["#glyph", "data:image/png;base64,iVBOR"])
def test_links_within_and_pictures_stay(link: str) -> None:
    assert f'href="{link}"' in made(f'<use xlink:href="{link}"/>')


def test_coordinates_are_short() -> None:
    assert ' d="M1.2 3L4.5 6.7z"' in made('<path d="M 1.23456 3  L 4.567 6.789 z "/>')


def test_words_keep_their_spaces() -> None:
    assert ">two words<" in made("<text>two words</text>")


@pytest.mark.parametrize("text", ["no svg", "<html/>", '<!DOCTYPE svg [<!ENTITY a "b">]><svg/>'])
def test_what_is_no_svg_is_refused(text: str) -> None:
    with pytest.raises(ReportError, match="figure"):
        inline(text, label="x")


def test_figures_of_a_page_are_wide_and_those_of_a_column_are_not() -> None:
    assert is_wide('<svg viewBox="0 0 497.2 100">')
    assert not is_wide('<svg viewBox="0 0 241.2 100">')
    assert not is_wide("<svg>")
