"""HTML: escaped, well formed, and with what a page needs for sorting in attributes."""

from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.html_table import as_html, html_page
from dymu.reports.table import MISSING, Cell, Column, Table
from dymu.reports.tables import ablation_table

NASTY = "<script>alert(\"x\")</script> & 'y' </table> <!--"


def table_of(text: str) -> Table:
    return Table(
        title=text,
        columns=(
            Column(title="", plain=True),
            Column(title=text, below="c = 0", higher_is_better=True),
            Column(title="Loss", higher_is_better=False),
            Column(title="n", plain=True),
            Column(title="Verdict", plain=True),
        ),
        rows=(
            (
                Cell(text=text),
                Cell(
                    text="2.00",
                    spread="1.1",
                    detail=text,
                    paper=text,
                    mark="best",
                    estimate=estimate([1.0, 3.0]),
                    addresses=("evaluate/a", "evaluate/b"),
                ),
                Cell(text=MISSING),
                Cell(text="2"),
                Cell(text="undecided"),
            ),
        ),
        footnotes=(text,),
    )


def elements(text: str) -> Iterator[tuple[str, dict[str, str | None]]]:
    found: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, dict(attrs)))

    Reader().feed(text)
    return iter(found)


def test_no_text_becomes_markup() -> None:
    assert {tag for tag, _ in elements(as_html(table_of(NASTY)))} == {
        tag for tag, _ in elements(as_html(table_of("text")))
    }
    assert "".join(ElementTree.fromstring(as_html(table_of(NASTY))).itertext()).count(NASTY) == 6


def test_every_element_is_closed(results: Results) -> None:
    figure = ElementTree.fromstring(as_html(ablation_table(results, provenance=True)))
    assert figure.tag == "figure"
    assert {len(row) for row in figure.iter("tr")} == {len(ablation_table(results).columns)}


def test_columns_say_how_they_sort_and_which_way_is_better() -> None:
    heads = [attributes for tag, attributes in elements(as_html(table_of("x"))) if tag == "th"][:5]
    assert [head["data-sort"] for head in heads] == ["text", "number", "number", "number", "text"]
    assert [head.get("data-better") for head in heads] == [None, "higher", "lower", None, None]


def test_whole_numbers_that_are_text_are_sorted_as_numbers() -> None:
    cells = [attributes for tag, attributes in elements(as_html(table_of("x"))) if tag == "td"]
    assert (cells[2], cells[3]) == ({"data-value": "2"}, {"class": "plain"})


def test_cells_hold_their_numbers_with_all_digits_and_their_addresses() -> None:
    cell, missing = [attributes for tag, attributes in elements(as_html(table_of("x"))) if tag == "td"][:2]
    assert float(cell["data-value"] or "") == 2.0
    assert float(cell["data-half-width"] or "") == estimate([1.0, 3.0]).half_width
    assert (cell["data-n"], cell["data-mark"], cell["data-paper"]) == ("2", "best", "x")
    assert cell["data-addresses"] == "evaluate/a evaluate/b"
    assert missing == {"class": "missing"}


@pytest.mark.parametrize("outside", ["http:", "https:", "<script", "src=", "@import", "url("])
def test_a_page_needs_nothing_from_elsewhere(results: Results, outside: str) -> None:
    assert outside not in html_page(ablation_table(results))


def test_a_page_is_the_fragment_with_a_head(results: Results) -> None:
    page = html_page(ablation_table(results))
    assert page.startswith("<!DOCTYPE html>")
    assert as_html(ablation_table(results)) in page
