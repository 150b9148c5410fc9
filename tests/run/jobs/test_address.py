import pytest

from dymu.errors import SpecError
from dymu.run.jobs.address import is_loopback, job_server, known_job_server

HTTP = "http://head:8265"


@pytest.mark.parametrize(
    ("given", "environment", "found"),
    [
        (HTTP + "/", {"RAY_API_SERVER_ADDRESS": "http://other:8265"}, HTTP),
        (None, {"RAY_API_SERVER_ADDRESS": HTTP, "RAY_ADDRESS": "http://other:8265"}, HTTP),
        (None, {"RAY_ADDRESS": "https://head"}, "https://head"),
    ],
)
def test_the_command_line_comes_first(given: str | None, environment: dict[str, str], found: str) -> None:
    assert job_server(given, environment) == found


@pytest.mark.parametrize("environment", [{}, {"RAY_ADDRESS": "10.0.0.1:6379"}, {"RAY_ADDRESS": "auto"}])
def test_without_a_dashboard_nothing_is_guessed(environment: dict[str, str]) -> None:
    assert known_job_server(None, environment) is None
    with pytest.raises(SpecError, match="RAY_API_SERVER_ADDRESS"):
        job_server(None, environment)


@pytest.mark.parametrize("text", ["head:8265", "ray://head:10001", "http://", "auto"])
def test_an_address_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"--address is .* expected the address of a dashboard"):
        job_server(text, {})


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://127.0.0.1:8265", True),
        ("http://localhost:8265", True),
        ("http://[::1]:8265", True),
        ("http://head:8265", False),
        ("http://10.0.0.1:8265", False),
    ],
)
def test_loopback_is_known(address: str, here: bool) -> None:
    assert is_loopback(address) is here
