import pytest

from dymu.errors import TrackingError
from dymu.tracking.faults import Unavailable, classified, shown


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
