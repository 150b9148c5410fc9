"""LaTeX: text escaped, braces balanced, the paper's letters as commands."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.reports.compare import estimate
from dymu.reports.latex_table import latex
from dymu.reports.table import Cell, Column, Mark, Table

NASTY = r"a & b_1 % $x$ #2 {y} ~ ^ \cmd | *z* <script> `[red]"


def table_of(text: str) -> Table:
    return Table(
        title=text,
        columns=(Column(title="", plain=True), Column(title=text, below="c = 0", higher_is_better=True)),
        rows=((Cell(text=text), Cell(text="2.00", spread="1.1", paper=text, estimate=estimate([1.0, 3.0]))),),
        footnotes=(text,),
    )


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
        ("x² + y³ + CO₂ + ½", "x$^2$ + y$^3$ + CO$_2$ + ½"),
        ("--seeds 3", r"-{}-seeds 3"),
        ("a --- b", r"a -{}-{}- b"),
        ("-1.50", r"$-$1.50"),
        ("from -.5 to 1e-05, sign-flip", r"from $-$.5 to 1e-05, sign-flip"),
        ("`x`", r"\`{}x\`{}"),
        ("0.5 ± 0.1 – °", r"0.5 $\pm$ 0.1 -- $^\circ$"),
        ("\u03bb → \u0394, \u03c4 ≤ \u03b1", r"$\lambda$ $\rightarrow$ $\Delta$, $\tau$ $\leq$ $\alpha$"),
        ("\u0391 Ж é", "\u0391 Ж é"),
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


@pytest.mark.parametrize(("mark", "command"), [("best", "textbf"), ("second", "underline")])
def test_marks_are_commands_and_explained(mark: Mark, command: str) -> None:
    table = table_of("x")
    name, number = table.rows[0]
    written = latex(replace(table, rows=((name, replace(number, mark=mark)),)))
    assert rf"\{command}{{2.00}} {{\scriptsize$\pm$1.1}}" in written
    assert r"\par{\footnotesize \textbf{best} and \underline{second best} of a column}" in written
    assert "second best" not in latex(table)
