from collections.abc import Sequence

import pytest

from dymu.reports.compare import estimate
from dymu.reports.table import Cell, Column, Table, cleaned, count, form, seed_list, signed


@pytest.mark.parametrize(
    ("number", "text"),
    [(41.06e6, "41.06M"), (15_234, "15.2k"), (980, "980"), (17.44e9, "17.44G"), (0, "0")],
)
def test_large_numbers_are_short(number: float, text: str) -> None:
    assert count(number) == text


def test_the_json_form_has_numbers_where_there_are_numbers() -> None:
    table = Table(
        title="T",
        columns=(Column(title="", plain=True), Column(title="HV", below="c = 0", higher_is_better=True)),
        rows=(
            (Cell(text="Ours"), Cell(text="2.00", paper="13.43", mark="best", estimate=estimate([1.0, 3.0]))),
        ),
        footnotes=("note",),
    )
    (row,) = form(table)["rows"]
    assert row[""] == "Ours"
    assert row["HV c = 0"]["mean"] == 2.0
    assert row["HV c = 0"]["n"] == 2
    assert row["HV c = 0"]["paper"] == "13.43"
    assert form(table)["footnotes"] == ["note"]


def test_rows_have_as_many_cells_as_there_are_columns() -> None:
    with pytest.raises(AssertionError):
        Table(title="T", columns=(Column(title=""),), rows=((Cell(), Cell()),))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (-2890.0, "-2.9k"),
        (0.09244, "+0.0924"),
        (999.6, "+1000"),
        (-999.4, "-999"),
        (0.0, "+0"),
        (43_400_000, "+43.40M"),
    ],
)
def test_a_difference_has_its_sign_and_no_power_of_ten(number: float, text: str) -> None:
    assert signed(number) == text


def test_text_is_cleaned_wherever_it_stands() -> None:
    def table(text: str) -> Table:
        column = Column(title=text, below=text)
        cell = Cell(text=text, spread=text, detail=text, paper=text, estimate=estimate([1.0]))
        return Table(title=text, columns=(column,), rows=((cell,),), footnotes=(text,))

    assert cleaned(table("one\n\x07two")) == table("one two")
    assert cleaned(table("é → 東京 😀")) == table("é → 東京 😀")


@pytest.mark.parametrize(
    ("seeds", "text"),
    [((), "none"), ((0, 1, 2), "0, 1, 2"), (range(6), "0 to 5"), ((0, 1, 2, 3, 4, 6), "0, 1, 2, 3, 4, 6")],
)
def test_many_seeds_in_a_row_are_not_listed_one_by_one(seeds: Sequence[int], text: str) -> None:
    assert seed_list(seeds) == text
