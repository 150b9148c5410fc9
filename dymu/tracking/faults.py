"""Which errors of a tracking server pass by themselves, and how a server is named in messages."""

import re

from dymu.errors import TrackingError

_PASSING_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
_LIBRARIES = ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3")


class Unavailable(Exception):  # noqa: N818 - a condition that passes; it never leaves dymu.tracking
    """The server cannot be told anything now."""


def shown(uri: str) -> str:
    """A tracking URI without its password."""
    return re.sub(r"//([^:/@]*):[^@/]*@", r"//\1:***@", uri)


def classified(error: BaseException, uri: str) -> BaseException:
    """What to raise for ``error``.

    Returns:
        :class:`Unavailable` if waiting can cure it, a :class:`~dymu.errors.TrackingError` if the server or
        the disk refuses, and the error itself if it comes from elsewhere (a mistake in dymu).
    """
    if isinstance(error, Unavailable | TrackingError):
        return error
    from_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    if not from_library and not isinstance(error, OSError):
        return error
    text = str(error).strip().partition("\n")[0][:300]
    if _passes(error, uri):
        return Unavailable(text)
    return TrackingError(
        f"MLflow at {shown(uri)} refused: {text}. The results are safe in the store. Mend the server or "
        "choose another tracking URI, then run the same command again: it tells what is missing there."
    )


def _passes(error: BaseException, uri: str) -> bool:
    code = str(getattr(error, "error_code", ""))
    if uri.startswith("sqlite"):
        return "locked" in str(error)
    if isinstance(error, OSError):  # requests' errors are of this kind, too
        return True
    # A refused connection arrives as INTERNAL_ERROR, an unreachable database as an error of SQLAlchemy.
    return code in _PASSING_CODES or code == "INTERNAL_ERROR" or "OperationalError" in repr(error)
