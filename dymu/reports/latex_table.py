"""Writes a table as LaTeX for the packages booktabs and xcolor, with all text escaped."""

import re
import unicodedata

from dymu.reports.table import LEGEND, Cell, Column, Mark, Table, cleaned, has_marks

_ARROWS = {True: r" $\uparrow$", False: r" $\downarrow$", None: ""}
_NOTHING = "\u200b"  # stands between hyphens that would become a dash
_CHARACTERS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # Behind the end of a row these two would be an argument of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    # Typed as they are these become other characters.
    "`": r"\`{}",
    '"': "''",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "−": "$-$",
    _NOTHING: "{}",
    "…": r"\ldots{}",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
}
# How Unicode takes digits apart that are set higher or lower.
_SHIFTS = {"<super>": "^", "<sub>": "_"}
_DIGITS = {f"{ord(digit):04X}": digit for digit in "0123456789"}
# The letters that have a command, by their names.
_GREEK = re.compile(
    "GREEK (SMALL|CAPITAL) LETTER (GAMMA|DELTA|THETA|LAMDA|XI|PI|SIGMA|UPSILON|PHI|PSI|OMEGA)"
    "|GREEK (SMALL) LETTER (ALPHA|BETA|EPSILON|ZETA|ETA|IOTA|KAPPA|MU|NU|RHO|TAU|CHI)"
)


def latex(table: Table) -> str:
    """A ``tabular`` for the packages booktabs and xcolor, notes below it; foreign letters as they are."""
    table = cleaned(table)
    alignment = "".join("l" if column.plain else "r" for column in table.columns)
    heads = " & ".join(_head(column) for column in table.columns)
    belows = " & ".join(_text(column.below) for column in table.columns)
    lines = [
        f"% {_text(table.title)}",
        rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"\toprule",
    ]
    lines.append(rf"{heads} \\")
    if any(column.below for column in table.columns):
        lines.append(rf"{belows} \\")
    lines.append(r"\midrule")
    for row in table.rows:
        lines.append(" & ".join(_cell(cell) for cell in row) + r" \\")
        if any(cell.paper for cell in row):
            papers = (rf"\textcolor{{gray}}{{[{_text(c.paper)}]}}" if c.paper else "" for c in row)
            lines.append(" & ".join(papers) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    if has_marks(table):
        best, second = (_mark(mark, words) for mark, words in LEGEND)
        lines.append(rf"\par{{\footnotesize {best} and {second} of a column}}")
    lines += [rf"\par{{\footnotesize {_text(note)}}}" for note in table.footnotes]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    text = re.sub(r"(?<![\w-])-(?=\.?\d)", "−", text)
    text = re.sub("-(?=-)", f"-{_NOTHING}", text)
    return "".join(_character(character) for character in text)


def _head(column: Column) -> str:
    return _text(column.title) + _ARROWS[column.higher_is_better]


def _cell(cell: Cell) -> str:
    text = _mark(cell.mark, cell.text)
    if cell.spread:
        text += rf" {{\scriptsize$\pm${_text(cell.spread)}}}"
    if cell.detail:
        text += f" ({_text(cell.detail)})"
    return text


def _mark(mark: Mark, text: str) -> str:
    written = _text(text)
    return {"best": rf"\textbf{{{written}}}", "second": rf"\underline{{{written}}}", "": written}[mark]


def _character(character: str) -> str:
    greek = _GREEK.fullmatch(unicodedata.name(character, ""))
    if greek is None:
        shift, _, digit = unicodedata.decomposition(character).partition(" ")
        if shift in _SHIFTS and digit in _DIGITS:
            return f"${_SHIFTS[shift]}{_DIGITS[digit]}$"
        return _CHARACTERS.get(character, character)
    name = (greek[2] or greek[4]).replace("LAMDA", "LAMBDA").lower()
    return rf"$\{name.capitalize() if greek[1] == 'CAPITAL' else name}$"
