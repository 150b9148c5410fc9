"""Everything that dymu raises on purpose, and the exit code that each leads to.

An error names the field, what came, what was expected and what to do. ``assert`` is for what only a
mistake in dymu itself can break.
"""

import difflib
from collections.abc import Iterable
from typing import ClassVar


class DymuError(Exception):
    """Base of all errors that a user can meet and act upon.

    Attributes:
        exit_code: Of the command.
        at_once: Whether the process ends without what libraries do at its end.
    """

    exit_code: ClassVar[int] = 1
    at_once: ClassVar[bool] = False


class SpecError(DymuError):
    """A study, ablation, override or preference that does not make sense."""

    exit_code = 2


class DataError(DymuError):
    """A dataset that is missing, malformed, or lacks the targets of a task."""

    exit_code = 2


class StoreError(DymuError):
    """The store cannot be read or written."""

    exit_code = 3


class CorruptArtifactError(StoreError):
    """A published artifact whose files do not match their checksums."""


class BackendError(DymuError):
    """Ray or another execution backend cannot do what was asked."""

    exit_code = 3


class TrackingError(DymuError):
    """The tracking server refused, or cannot be reached where it is indispensable."""

    exit_code = 3


class ReportError(DymuError):
    """Records needed for a table, figure or claim are missing or cannot be compared."""

    exit_code = 4


class NothingToDoError(DymuError):
    """There is nothing of the kind that was to be run, stopped, repeated or shown."""

    exit_code = 4


class TrainingError(DymuError):
    """Training cannot go on, for instance because a loss is not finite."""


class FailedArmsError(DymuError):
    """Some arms of a study failed; the others finished."""


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """What to put behind a name that does not exist: the known name nearest to it, or nothing.

    Returns:
        `` (did you mean 'edge'?)`` with the space before it; empty if no name is near.
    """
    near = difflib.get_close_matches(wanted, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
