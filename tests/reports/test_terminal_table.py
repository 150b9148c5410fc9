"""Terminals of any width, with and without styles."""

import io
from typing import Any

import pytest
from rich.console import Console

from dymu.reports.collect import Results, results_of
from dymu.reports.compare import estimate
from dymu.reports.table import Cell, Column, Table
from dymu.reports.tables import ablation_table
from dymu.reports.terminal_table import TerminalTable

NASTY = r"a & b_1 % $x$ #2 {y} ~ ^ \cmd | *z* <script> `[red]"


def table_of(text: str) -> Table:
    return Table(
        title=text,
        columns=(Column(title="", plain=True), Column(title=text, below="c = 0", higher_is_better=True)),
        rows=((Cell(text=text), Cell(text="2.00", spread="1.1", paper=text, estimate=estimate([1.0, 3.0]))),),
        footnotes=(text,),
    )


def printed(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(TerminalTable(table))
    return out.getvalue()


def test_a_terminal_shows_text_as_it_is() -> None:
    shown = printed(table_of(NASTY), 400)
    assert shown.count(NASTY) == 5


@pytest.mark.parametrize("width", [80, 100, 140])
def test_nothing_is_cut_off_in_a_terminal(results: Results, width: int) -> None:
    shown = printed(ablation_table(results), width)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    for text in ("16.00", "13.43", "63.7", "(41.06M)", "no L_inactive"):
        assert text in shown


def test_a_wide_terminal_has_mean_and_interval_on_one_line(results: Results) -> None:
    assert "*16.00* ± 0.75" in printed(ablation_table(results), 220)


@pytest.mark.parametrize("width", [30, 60, 80])
def test_columns_that_do_not_fit_stand_below(results: Results, width: int) -> None:
    table = ablation_table(results)
    shown = printed(table, width)
    words = {word.strip("*") for word in shown.split()}
    assert {cell.text for row in table.rows for cell in row[1:]} <= words
    assert "L_inactive" in words
    assert max(len(line) for line in shown.splitlines()) <= width
    # Names of rows are repeated with each part, the title is not.
    assert sum("Ours" in line.split()[:1] for line in shown.splitlines()) > 1 or width > 80
    assert shown.count("Table 6. ") == 1


def test_marks_are_styles_where_there_are_styles(results: Results) -> None:
    out = io.StringIO()
    Console(file=out, width=200, force_terminal=True, color_system="standard").print(
        TerminalTable(ablation_table(results))
    )
    assert "\x1b[1m17.50\x1b[0m" in out.getvalue()
    assert "\x1b[4m16.00\x1b[0m" in out.getvalue()
    assert "*" not in out.getvalue()


def test_marks_are_stars_in_files_and_explained(results: Results) -> None:
    shown = printed(ablation_table(results), 220)
    assert "**17.50** ± 0.75" in shown
    assert "\n**best** and *second best* of a column\n" in shown


def rows_named(shown: str, name: str) -> int:
    return sum(line.split()[:1] == [name] for line in shown.splitlines())


def heads(shown: str) -> list[list[str]]:
    """Titles of each part: the line before the resource preferences."""
    lines = shown.splitlines()
    return [lines[i - 1].split() for i, line in enumerate(lines) if line.split()[:3] == ["c", "=", "0"]]


def test_one_seed_fits_into_eighty_columns(study: Any) -> None:
    study.seeds = (0,)
    study.publish()
    shown = printed(ablation_table(results_of(study.store, study.manifest)), 80)
    assert rows_named(shown, "Ours") == 1
    assert "One seed (0): no interval." in shown


def test_the_number_of_seeds_is_a_column_only_where_rows_differ_in_it(study: Any) -> None:
    study.without = (("no-affinity", 1),)
    study.publish()
    some = ablation_table(results_of(study.store, study.manifest))
    assert " n " in printed(some, 220)
    study.without = ()
    study.publish()
    every = ablation_table(results_of(study.store, study.manifest))
    assert [column.title for column in every.columns].count("n") == 1
    assert " n " not in printed(every, 220).partition("\n ─")[0]
    assert "n = 3." in printed(every, 220)


def test_parts_are_alike_in_width_and_do_not_tear_titles(results: Results) -> None:
    assert heads(printed(ablation_table(results), 80)) == [
        ["HV", "↑", "HV", "↑", "Unif.", "↑", "Unif.", "↑"],
        ["Params", "%", "↓", "Params", "%", "↓", "Diff.", "Diff.", "p", "p"],
    ]


def test_a_title_that_is_too_wide_is_torn(results: Results) -> None:
    first = heads(printed(ablation_table(results), 30))[0]
    assert first == ["HV", "↑"]


def test_a_name_gives_the_terminal_no_commands() -> None:
    shown = printed(table_of("a\x1b[2Jb\x07\rc"), 100)
    assert not set(shown) & set("\x1b\x07\r")
    assert "a [2Jb c" in shown
