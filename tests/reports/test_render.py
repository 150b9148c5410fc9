import csv
import io
import json
import re
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.errors import ReportError
from dymu.reports.collect import Results, results_of
from dymu.reports.compare import estimate
from dymu.reports.render import comma_separated, markdown, render
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


def test_markdown_keeps_its_columns_whatever_the_text() -> None:
    lines = [line for line in markdown(table_of(NASTY)).splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3]
    assert r"\*z\* \<script\> \`\[red\]" in markdown(table_of(NASTY))
    assert r"a \& b\_1 % \$x\$ \#2" in markdown(table_of(NASTY))  # dollars would begin a formula


@given(st.text(min_size=1, max_size=40, alphabet=st.characters(codec="utf-8", exclude_characters="\r")))
def test_csv_gives_back_every_text(text: str) -> None:
    header, row = csv.reader(io.StringIO(comma_separated(table_of(text)), newline=""))
    assert header[1] == f"{text} c = 0".strip()
    assert row[0] == text
    assert (float(row[1]), int(row[4])) == (2.0, 2)
    assert (header[6], row[6]) == (f"{text} c = 0".strip() + " note", f"paper: {text}")


def test_numbers_in_csv_are_not_rounded(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(ablation_table(results)))))
    estimates = ablation_table(results).rows[1][1].estimate
    assert estimates is not None
    for name, number in (("", estimates.mean), (" low", estimates.lower), (" high", estimates.upper)):
        assert float(rows[1][f"HV c = 0{name}"]) == number


def test_pandas_reads_numbers_also_where_rows_are_missing(study: Any) -> None:
    study.without = tuple(("no-affinity", seed) for seed in study.seeds)
    study.publish()
    table = ablation_table(results_of(study.store, study.manifest))
    frame = pd.read_csv(io.StringIO(comma_separated(table)), index_col="row")
    numbers = [f"{name} c = 0" for name in ("HV", "Unif.", "Params %", "Diff.", "p")]
    numbers += [f"HV c = 0 {part}" for part in ("low", "high", "n", "paper")]
    assert {str(frame[name].dtype) for name in numbers} == {"float64"}
    assert frame.loc["Ours", "HV c = 0 paper"] == 13.43
    assert frame.loc["Ours", "Params % c = 0 paper"] == pytest.approx(63.69, abs=0.01)
    assert frame.loc["no task affinity (a)", "HV c = 0 note"] == "missing"
    assert list(frame["n"]) == [3, 3, 0]


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


def test_csv_names_the_records_behind_each_cell(results: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(comma_separated(ablation_table(results)))))
    own, ours = (
        [f"evaluate/digits-ours-{arm}-{seed}" for seed in (0, 1, 2)]
        for arm in ("no-inactive-loss", "baseline")
    )
    assert rows[1]["HV c = 0 records"].split() == own
    assert rows[1]["Diff. c = 0 records"].split() == [*own, *ours]


def test_markdown_marks_are_stars_and_explained(results: Results) -> None:
    text = markdown(ablation_table(results))
    assert "| Ours | *16.00* ± 0.75 " in text
    assert "| no L\\_inactive | **17.50** ± 0.75 " in text
    assert "\n- **best** and *second best* of a column\n" in text
    assert "<" not in text


def test_a_table_without_marks_explains_none() -> None:
    assert "second best" not in markdown(table_of("x"))


HOSTILE = "a\x07b\r\rc\x1b[31m\u2028d\ne\x00"


@pytest.mark.parametrize("style", ["markdown", "latex", "html"])
def test_control_characters_and_line_breaks_of_names_do_not_get_through(style: str) -> None:
    text = render(table_of(HOSTILE), style)
    assert not set(text) & set("\x07\r\x1b\u2028\x00")
    assert len(text.splitlines()) == len(render(table_of("plain"), style).splitlines())
