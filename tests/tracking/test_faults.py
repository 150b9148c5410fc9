import errno
from pathlib import Path

import pytest

from dymu.artifacts.files import disk_errors
from dymu.errors import StoreError, TrackingError
from dymu.tracking.faults import Busy, Forgotten, Unavailable, classified, shown, without_account


class MlflowError(Exception):
    """Stands in for MlflowException, which takes seconds to import."""

    def __init__(self, message: str, error_code: str) -> None:
        super().__init__(message)
        self.error_code = error_code


MlflowError.__module__ = "mlflow.exceptions"


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("http://h:5000", MlflowError("API request failed: connection refused", "INTERNAL_ERROR")),
        ("http://h:5000", MlflowError("busy", "TEMPORARILY_UNAVAILABLE")),
        ("http://h:5000", ConnectionResetError("reset")),
        ("sqlite:////x.db", MlflowError("database is locked", "TEMPORARILY_UNAVAILABLE")),
        ("postgresql://h/db", MlflowError("connection lost", "TEMPORARILY_UNAVAILABLE")),
        (
            "postgresql://h/db",
            MlflowError("(OperationalError) the database system is starting up", "BAD_REQUEST"),
        ),
        ("http://h:5000", MlflowError("QueuePool limit of size 5 overflow 10 reached", "BAD_REQUEST")),
        ("http://h:5000", MlflowError("x failed with error code 503 != 200", "ENDPOINT_NOT_FOUND")),
        ("http://h:5000", Busy("somebody else tells")),
    ],
)
def test_what_passes_by_itself_is_waited_for(uri: str, error: Exception) -> None:
    assert isinstance(classified(error, uri), Unavailable)


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("http://h:5000", MlflowError("no such metric name", "INVALID_PARAMETER_VALUE")),
        ("sqlite:////x.db", MlflowError("attempt to write a readonly database", "TEMPORARILY_UNAVAILABLE")),
        ("sqlite:////x.db", PermissionError("denied")),
        ("http://h:5000", PermissionError("denied")),
        ("http://h:5000", MlflowError("x failed with error code 404 != 200", "ENDPOINT_NOT_FOUND")),
        ("http://h:5000", MlflowError("SSLError: CERTIFICATE_VERIFY_FAILED", "INTERNAL_ERROR")),
        (
            "postgresql://h/db",
            MlflowError("(OperationalError) password authentication failed", "INTERNAL_ERROR"),
        ),
    ],
)
def test_what_stays_wrong_is_a_tracking_error(uri: str, error: Exception) -> None:
    found = classified(error, uri)
    assert isinstance(found, TrackingError)
    assert str(error) in str(found)
    assert "run the same command again" in str(found)


def test_a_mistake_in_dymu_stays_what_it_is() -> None:
    error = KeyError("x")
    assert classified(error, "http://h") is error


def test_a_password_is_never_shown() -> None:
    assert shown("postgresql+psycopg2://me:secret@host/db") == "postgresql+psycopg2://me:***@host/db"
    assert "secret" not in str(classified(PermissionError("denied"), "sqlite://me:secret@h/db"))


@pytest.mark.parametrize(
    "error",
    [
        MlflowError("Run with id=7 not found", "RESOURCE_DOES_NOT_EXIST"),
        MlflowError("The run 7 must be in the 'active' state.", "INVALID_PARAMETER_VALUE"),
    ],
)
def test_a_run_that_the_server_does_not_know_is_told_again(error: Exception) -> None:
    assert isinstance(classified(error, "http://h"), Forgotten)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (MlflowError("failed with error code 403: Invalid Host header", "x"), "--allowed-hosts mlflow:5000"),
        (MlflowError("failed with error code 401", "UNAUTHENTICATED"), "MLFLOW_TRACKING_USERNAME"),
        (ModuleNotFoundError("no module", name="psycopg"), r"postgresql\+psycopg2://"),
        (StoreError("record.json is damaged"), "record.json is damaged"),
    ],
)
def test_what_helps_is_said(error: Exception, advice: str) -> None:
    with pytest.raises(TrackingError, match=advice):
        raise classified(error, "http://mlflow:5000/")


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("http://ada:s3:cr@t@host:5000", "could not connect to http://ada:s3:cr@t@host:5000/api"),
        ("postgresql://u:s3%40t@h/db", "connection of u with s3@t and s3%40t failed"),
        ("postgresql://h/db?password=s3cret", "no postgresql://h/db?password=s3cret&sslmode=on"),
    ],
)
def test_no_spelling_of_a_password_is_shown(uri: str, text: str) -> None:
    said = str(classified(PermissionError(text), uri))
    assert not [secret for secret in ("s3:cr", "s3%40t", "s3@t", "s3cret") if secret in said]


def test_a_page_is_opened_without_an_account() -> None:
    assert without_account("https://ada:secret@host:5000/x") == "https://host:5000/x"
    assert without_account("https://host/x") == "https://host/x"


@pytest.mark.parametrize("uri", ["http://h:5000", "sqlite:////x.db"])
def test_a_full_disk_passes_whoever_tells_of_it(uri: str, tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    assert isinstance(classified(full, uri), Unavailable)
    with pytest.raises(StoreError) as told, disk_errors(tmp_path, doing="write"):
        raise full
    assert isinstance(classified(told.value, uri), Unavailable)
    server = MlflowError("(sqlite3.OperationalError) database or disk is full", "INTERNAL_ERROR")
    assert isinstance(classified(server, uri), Unavailable)


def test_a_store_that_may_not_be_written_is_not_the_servers_fault(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as told, disk_errors(tmp_path, doing="write"):
        raise OSError(errno.EROFS, "Read-only file system")
    found = classified(told.value, "http://h:5000")
    assert isinstance(found, TrackingError)
    assert "refused" not in str(found)
