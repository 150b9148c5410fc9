import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dymu.errors import ReportError
from dymu.reports.collect import Results
from dymu.reports.compare import estimate
from dymu.reports.render import comma_separated, latex, markdown, render, terminal
from dymu.reports.table import Cell, Column, Table
from dymu.reports.tables import ablation_table

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
    Console(file=out, width=width).print(terminal(table))
    return out.getvalue()


def test_latex_escapes_everything_that_latex_reads() -> None:
    body = latex(table_of(NASTY)).splitlines()[1:]
    text = "\n".join(body)
    for command in (r"\\textcolor\{gray\}", r"\\[a-zA-Z]+(\{\})?", r"\\[&%$#_{}]", r"\\\\"):
        text = re.sub(command, "", text)
    assert not re.search(r"[%#_~^<>]", text)
    assert (
        r"a \& b\_1 \% \$x\$ \#2 \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}cmd"
        in "\n".join(body)
    )


def test_every_latex_row_has_as_many_cells() -> None:
    rows = [line for line in latex(table_of(NASTY)).splitlines() if line.endswith(r" \\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [1, 1, 1, 1]


def test_markdown_keeps_its_columns_whatever_the_text() -> None:
    lines = [line for line in markdown(table_of(NASTY)).splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3]
    assert r"\*z\* \<script\> \`\[red\]" in markdown(table_of(NASTY))


def test_a_terminal_shows_text_as_it_is() -> None:
    shown = printed(table_of(NASTY), 400)
    assert shown.count(NASTY) == 5


@given(st.text(min_size=1, max_size=40, alphabet=st.characters(codec="utf-8", exclude_characters="\r")))
def test_csv_gives_back_every_text(text: str) -> None:
    header, row = csv.reader(io.StringIO(comma_separated(table_of(text)), newline=""))
    assert header[1] == f"{text} c = 0".strip()
    assert row[0] == text
    assert (float(row[1]), int(row[3]), row[5]) == (2.0, 2, text)


def test_numbers_in_csv_are_not_rounded(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(ablation_table(results)))))
    estimates = ablation_table(results).rows[1][1].estimate
    assert estimates is not None
    assert float(rows[1]["HV c = 0"]) == estimates.mean
    assert float(rows[1]["HV c = 0 half width"]) == estimates.half_width


@pytest.mark.parametrize("width", [80, 100, 140])
def test_nothing_is_cut_off_in_a_terminal(results: Results, width: int) -> None:
    shown = printed(ablation_table(results), width)
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) <= width
    for text in ("16.00", "13.43", "63.7", "(41.06M)", "no L_inactive"):
        assert text in shown


def test_a_wide_terminal_has_mean_and_interval_on_one_line(results: Results) -> None:
    assert "16.00 ± 0.75" in printed(ablation_table(results), 140)


@pytest.mark.parametrize("style", ["markdown", "csv", "latex", "json"])
def test_each_style_is_text_that_ends_with_a_newline(results: Results, style: str) -> None:
    text = render(ablation_table(results), style)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_json_can_be_read(results: Results) -> None:
    assert len(json.loads(render(ablation_table(results), "json"))["rows"]) == 3


def test_an_unknown_style_is_refused_by_name(results: Results) -> None:
    with pytest.raises(ReportError, match=r"no style 'html'.*markdown, csv, latex, json"):
        render(ablation_table(results), "html")
