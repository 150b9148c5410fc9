"""What a campaign found, as tables that a page of Markdown can take and as a JSON value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.cluster.harness.disturbed import Course, Hit


@dataclass(kw_only=True)
class Verdict:
    """A disturbed study, held against the undisturbed one.

    Attributes:
        course: How it went.
        identical: Whether all its files are those of the reference, bit for bit.
        problems: All that should not be.
    """

    course: Course
    identical: bool
    problems: list[str] = field(default_factory=list)


def table(verdicts: Sequence[Verdict]) -> str:
    """One row per blow."""
    head = ("study", "killed", "which", "after", "at", "recovery", "redone", "by", "identical")
    return _grid([head, *(_row(verdict, hit) for verdict in verdicts for hit in verdict.course.hits)])


def summary(verdicts: Sequence[Verdict]) -> str:
    """One row per kind of blow."""
    hits = [(verdict, hit) for verdict in verdicts for hit in verdict.course.hits]
    rows = [("killed", "times", "recovery: median", "longest", "redone: most", "identical")]
    for kind in dict.fromkeys(hit.kind for _, hit in hits):
        of_kind = [hit for _, hit in hits if hit.kind == kind]
        seconds = [hit.recovery_s for hit in of_kind]
        same = sum(verdict.identical for verdict, hit in hits if hit.kind == kind)
        rows.append(
            (
                kind,
                str(len(of_kind)),
                f"{median(seconds):.1f} s",
                f"{max(seconds):.1f} s",
                str(max(hit.redone for hit in of_kind)),
                f"{same} of {len(of_kind)}",
            )
        )
    return _grid(rows)


def form(verdicts: Sequence[Verdict], reference: Mapping[str, Any]) -> dict[str, Any]:
    """Everything as a JSON value."""
    return {"reference": reference, "studies": [_form(verdict) for verdict in verdicts]}


def _row(verdict: Verdict, hit: Hit) -> tuple[str, ...]:
    return (
        verdict.course.name,
        hit.kind,
        hit.what,
        f"{hit.at_s:.1f} s",
        hit.where,
        f"{hit.recovery_s:.1f} s",
        str(hit.redone),
        hit.by,
        "yes" if verdict.identical else "NO",
    )


def _form(verdict: Verdict) -> dict[str, Any]:
    course = verdict.course
    return {
        "name": course.name,
        "seconds": course.seconds,
        "exit_codes": course.codes,
        "hits": [asdict(hit) for hit in course.hits],
        "attempts": course.attempts,
        "identical": verdict.identical,
        "problems": verdict.problems,
    }


def _grid(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
