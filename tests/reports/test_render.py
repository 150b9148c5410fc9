import csv
import io
import json
import re
from itertools import pairwise

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
    for command in (r"\\textcolor\{gray\}", r"\\[a-zA-Z]+(\{\})?", r"\\[&%$#_{}`]", r"\\\\"):
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


@pytest.mark.parametrize("style", ["markdown", "csv", "latex", "html", "json"])
def test_each_style_is_text_that_ends_with_a_newline(results: Results, style: str) -> None:
    text = render(ablation_table(results), style)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_json_can_be_read(results: Results) -> None:
    assert len(json.loads(render(ablation_table(results), "json"))["rows"]) == 3


def test_an_unknown_style_is_refused_by_name(results: Results) -> None:
    with pytest.raises(ReportError, match=r"no style 'word'.*markdown, csv, latex, html, json"):
        render(ablation_table(results), "word")


def test_csv_names_the_records_behind_a_row(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(ablation_table(results)))))
    assert rows[1]["records"].split() == [
        f"evaluate/digits-ours-no-inactive-loss-{seed}" for seed in (0, 1, 2)
    ]


@given(st.text(min_size=1, max_size=60, alphabet=st.characters(codec="utf-8", exclude_categories=["C"])))
def test_latex_has_balanced_braces_and_no_open_mathematics(text: str) -> None:
    body = latex(table_of(text))
    plain = re.sub(r"\\\\|\\[{}$%]", "", body)
    depth = 0
    for character in plain:
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    assert plain.count("$") % 2 == 0
    assert plain.count(r"\begin{tabular}") == plain.count(r"\end{tabular}") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("--seeds 3", r"-{}-seeds 3"),
        ("a --- b", r"a -{}-{}- b"),
        ("-1.50", r"$-$1.50"),
        ("from -.5 to 1e-05, sign-flip", r"from $-$.5 to 1e-05, sign-flip"),
        ("`x`", r"\`{}x\`{}"),
        ("0.5 ± 0.1 – °", r"0.5 $\pm$ 0.1 -- $^\circ$"),
    ],
)
def test_latex_shows_marks_as_they_are(text: str, written: str) -> None:
    assert f"% {written}\n" in latex(table_of(text))


@pytest.mark.parametrize("text", ["[0pt] x", "*x"])
def test_no_cell_is_read_as_an_argument_of_the_end_of_a_row(text: str) -> None:
    lines = latex(table_of(text)).splitlines()
    after = [line for before, line in pairwise(lines) if before.endswith(r"\\")]
    assert after
    assert not any(line.lstrip().startswith(("[", "*")) for line in after)


@pytest.mark.parametrize("width", [30, 60, 80])
def test_columns_that_do_not_fit_stand_below(results: Results, width: int) -> None:
    table = ablation_table(results)
    shown = printed(table, width)
    words = set(shown.split())
    assert {cell.text for row in table.rows for cell in row[1:]} <= words
    assert "L_inactive" in words
    assert max(len(line) for line in shown.splitlines()) <= width
    # Names of rows are repeated with each part, the title is not.
    assert sum("Ours" in line.split()[:1] for line in shown.splitlines()) > 1 or width > 80
    assert shown.count("Table 6. ") == 1
