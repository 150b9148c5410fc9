"""Figures in a page."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.reports.figures import NAMES
from dymu.reports.html.drawn import balanced, caption, figures_section


def svg(width: float, height: float) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"/>'


@given(st.lists(st.integers(100, 2000), min_size=1, max_size=8))
def test_columns_are_as_even_as_they_can_be(heights: list[int]) -> None:
    named = {str(number): float(height) for number, height in enumerate(heights)}
    left, right = balanced(named)
    assert sorted([*left, *right]) == sorted(named)
    assert left[0] == "0"
    found = abs(math.fsum(named[n] for n in left) - math.fsum(named[n] for n in right))
    signs = product((1, -1), repeat=len(heights))
    assert found == min(abs(sum(sign * h for sign, h in zip(each, heights, strict=True))) for each in signs)


def test_columns_keep_the_order() -> None:
    left, right = balanced({"a": 2.0, "b": 2.0, "c": 2.0, "d": 2.0})
    assert left == sorted(left)
    assert right == sorted(right)
    assert len(left) == len(right)


def test_of_very_many_the_last_go_where_there_is_room() -> None:
    columns = balanced({f"{number:02}": 1.0 for number in range(40)})
    assert [len(column) for column in columns] == [20, 20]


def test_wide_figures_come_last() -> None:
    page = figures_section({"seeds": svg(500, 100), "affinity": svg(200, 100), "sweep": svg(200, 150)})
    assert page.index("Affinity of the tasks") < page.index("How much the seeds differ")
    assert page.count('class="column"') == 2
    assert page.count('class="drawn wide"') == 1


def test_a_single_narrow_figure_has_no_second_column() -> None:
    assert 'class="column alone"' in figures_section({"affinity": svg(200, 100)})


def test_nothing_drawn_is_nothing() -> None:
    assert figures_section({}) == ""


@pytest.mark.parametrize("name", sorted({*NAMES} - {"curves"}))
def test_every_figure_says_what_it_shows_and_how_to_read_it(name: str) -> None:
    title, explanation = caption(name)
    assert len(title) > 20
    assert explanation.endswith(".")
    assert not title.endswith(".")


def test_an_unknown_figure_has_its_name_in_words() -> None:
    assert caption("some_curves-edge") == ("Some curves, edge", "")
