"""Datasets that lie in the layout of their publishers: what a whole scan finds, and one error for it.

A scan reads every file below the root and changes nothing. What it finds is listed at once, with how the
data is obtained, instead of one failure per attempt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, runtime_checkable

from dymu.errors import DataError

# Findings that one error lists; the rest is a count, because a data set that was copied half has thousands.
LISTED = 20

# How a scan reports its progress: done and total, in files or in whatever unit takes equally long.
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Finding:
    """One thing that is missing or damaged.

    Attributes:
        path: The file or folder, below the root.
        problem: What is the matter and what was expected, as in "has 12 bytes, not 153700000".
    """

    path: str
    problem: str


@dataclass(frozen=True)
class Scan:
    """What a whole scan found.

    Attributes:
        counts: Examples or files per split or kind, in the order in which they are shown.
        findings: What is missing or damaged.
    """

    counts: Mapping[str, int]
    findings: tuple[Finding, ...]


@runtime_checkable
class Official(Protocol):
    """The config of a dataset that lies in an official layout."""

    def scan(self, root: Path, tell: Tell) -> Scan:
        """Everything that is missing, truncated, of a wrong shape or class, or empty below ``root``."""

    @property
    def how_to_get(self) -> str:
        """Where the data comes from and how it is laid out below the root; a sentence or two."""


def silent(done: int, total: int) -> None:
    """Report no progress."""
    del done, total


def name_of(dataset: Official) -> str:
    """How messages call a dataset."""
    return type(dataset).__name__.lower()


def require_root(root: Path | None, dataset: Official) -> Path:
    """The root of the data, which has to be a folder.

    Raises:
        DataError: If none is named, or it is no folder; says how to name it and how to get the data.
    """
    if root is None:
        raise DataError(
            f"{name_of(dataset)} is not generated: name the folder that holds it with --data-root DIR or "
            f"DYMU_DATA. {dataset.how_to_get}"
        )
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"the data root {root} {what}. {dataset.how_to_get}")
    return root


def refuse(scan: Scan, dataset: Official, root: Path) -> None:
    """Refuse data with findings; sound data passes.

    Raises:
        DataError: One error that lists the first findings, counts the others and says how to get the data.
    """
    if not scan.findings:
        return
    lines = [f"  {finding.path}: {finding.problem}" for finding in scan.findings[:LISTED]]
    hidden = len(scan.findings) - LISTED
    if hidden > 0:
        lines.append(f"  and {hidden} more")
    count = f"{len(scan.findings)} finding{'s' if len(scan.findings) > 1 else ''}"
    listed = "\n".join(lines)
    raise DataError(f"{name_of(dataset)} below {root} is not whole, {count}:\n{listed}\n{dataset.how_to_get}")


def refuse_one(path: str, problem: str, dataset: Official, root: Path) -> NoReturn:
    """Refuse data for one thing that a loader met; same form as :func:`refuse`.

    Raises:
        DataError: Always.
    """
    refuse(Scan({}, (Finding(path, problem),)), dataset, root)
    raise AssertionError


def file_findings(root: Path, path: str, *, size: int | None = None) -> tuple[Finding, ...]:
    """What is wrong with a file before it is opened: missing, no file, empty, another size.

    Args:
        root: The data root.
        path: The file, below the root.
        size: Bytes that it must have; by default any number but none.
    """
    file = root / path
    if not file.exists():
        return (Finding(path, "is missing"),)
    if not file.is_file():
        return (Finding(path, "is not a file"),)
    found = file.stat().st_size
    if size is not None and found != size:
        return (Finding(path, f"has {found} bytes, not {size}"),)
    return (Finding(path, "is empty"),) if found == 0 else ()


def folder_findings(root: Path, path: str) -> tuple[Finding, ...]:
    """What is wrong with a folder: missing or no folder."""
    folder = root / path
    if not folder.exists():
        return (Finding(path, "is missing"),)
    return () if folder.is_dir() else (Finding(path, "is not a folder"),)
