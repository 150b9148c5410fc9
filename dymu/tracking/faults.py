"""Which errors of a tracking server pass by themselves, and how a server is named in messages."""

import errno
import re
from urllib.parse import unquote

from dymu.errors import StoreError, TrackingError

_LIBRARIES = ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "psycopg2")
_DRIVERS = ("psycopg", "psycopg2", "MySQLdb", "pymysql", "pyodbc")
_PASSING_CODES = {"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "INTERNAL_ERROR"}
_PASSING_STATUS = {408, 425, 429, 499, 500, 502, 503, 504}
_STATUS = re.compile(r"failed with error code (\d{3})")
# What a database says of a connection that no waiting will make.
_HOPELESS = re.compile(
    r"authentication failed|does not exist|Access denied|Unknown database|no pg_hba\.conf entry"
)
_WITH_SECRET = re.compile(r"(?<=//)([^/@\s:]*):([^/\s]*)@")
_SECRET_OPTION = re.compile(r"(?i)((?:password|passwd|pwd|token|sslpassword)=)[^&\s;]+")


class Unavailable(Exception):  # noqa: N818 - a condition that passes; it never leaves dymu.tracking
    """The server cannot be told anything now."""


class Forgotten(Unavailable):
    """The server does not know a run that it was told about: everything that it lacks is told again."""


class Busy(Unavailable):
    """Another process tells the server about the same study."""


def shown(uri: str) -> str:
    """A tracking URI, or a text that quotes one, without passwords."""
    return _SECRET_OPTION.sub(r"\1***", _WITH_SECRET.sub(r"\1:***@", uri))


def without_account(uri: str) -> str:
    """A tracking URI without user and password, as it may be opened in a browser."""
    return re.sub(r"(?<=//)[^/\s]*@", "", uri)


def classified(error: BaseException, uri: str) -> BaseException:
    """What to raise for ``error``.

    Returns:
        :class:`Unavailable` if waiting or telling again can cure it, a
        :class:`~dymu.errors.TrackingError` if the server or the disk refuses, and the error itself if it
        comes from elsewhere (a mistake in dymu).
    """
    if isinstance(error, Unavailable | TrackingError):
        return error
    if _is_full(error):
        return Unavailable(f"the disk of the store or of the server is full: {_text(error, uri)}")
    if isinstance(error, StoreError):
        return TrackingError(f"MLflow cannot be told about the results: {error}")
    if isinstance(error, ModuleNotFoundError) and error.name in _DRIVERS:
        return TrackingError(
            f"{shown(uri)} needs the package {error.name}, which is not installed. Write the driver "
            "explicitly, as in postgresql+psycopg2://..., and install dymu[server]; or name an MLflow server "
            "(http://...)."
        )
    from_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    if not from_library and not isinstance(error, OSError):
        return error
    text = _text(error, uri)
    if _is_forgotten(error):
        return Forgotten(text)
    if _passes(error, uri):
        return Unavailable(text)
    return TrackingError(
        f"MLflow at {shown(uri)} refused: {text}. {_advice(error, uri)}The results are safe in the store. "
        "Mend the server or choose another tracking URI, then run the same command again: it tells what is "
        "missing there."
    )


def _text(error: BaseException, uri: str) -> str:
    """The first line of a message, without what must not be read."""
    text = shown(str(error).strip().partition("\n")[0])
    _, cause, why = text.rpartition("Caused by ")
    text = why.rstrip(")") if cause else text  # the part before it says that MLflow was asked
    found = _WITH_SECRET.search(uri)
    for secret in {found.group(2), unquote(found.group(2))} - {""} if found else ():
        text = text.replace(secret, "***")
    return text[:300]


def _code(error: BaseException) -> str:
    return str(getattr(error, "error_code", ""))


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error is about."""
    response = getattr(error, "response", None)
    if response is not None and getattr(response, "status_code", None):
        return int(response.status_code)
    found = _STATUS.search(str(error))
    return int(found.group(1)) if found else None


def _is_full(error: BaseException) -> bool:
    """Whether a disk has no room at present; training waits for none of it, and it passes."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__
    return "database or disk is full" in str(error)


def _is_forgotten(error: BaseException) -> bool:
    if _code(error) == "RESOURCE_DOES_NOT_EXIST":
        return True
    return _code(error) == "INVALID_PARAMETER_VALUE" and "must be in the 'active' state" in str(error)


def _passes(error: BaseException, uri: str) -> bool:
    text = f"{error!r} {error}"
    if uri.startswith("sqlite"):
        return "locked" in text
    if "QueuePool" in text:
        return True  # an overloaded server says it as a bad request
    if "CERTIFICATE_VERIFY_FAILED" in text or _HOPELESS.search(text):
        return False
    status = _status(error)
    if status is not None:
        return status in _PASSING_STATUS
    if isinstance(error, OSError):
        from_network = type(error).__module__.partition(".")[0] in ("requests", "urllib3")
        return from_network or isinstance(error, ConnectionError | TimeoutError)
    # A refused connection arrives as INTERNAL_ERROR, an unreachable database as an error of SQLAlchemy.
    return _code(error) in _PASSING_CODES or "OperationalError" in text


def _advice(error: BaseException, uri: str) -> str:
    if "Invalid Host header" in str(error):
        host = without_account(uri).partition("//")[2].partition("/")[0]
        return f"Start it with `--allowed-hosts {host}`. "
    if _status(error) in (401, 403) or _code(error) in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return "It wants an account: MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN. "
    return ""
