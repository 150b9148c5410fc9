"""Where a cluster takes jobs."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from dymu.errors import SpecError

JOB_SERVER = "RAY_API_SERVER_ADDRESS"
_RAY = "RAY_ADDRESS"
_EXPECTED = "expected the address of a dashboard, such as http://HEAD:8265"


def job_server(given: str | None, environment: Mapping[str, str]) -> str:
    """The address of the dashboard that takes jobs.

    Args:
        given: What stands on the command line.
        environment: ``RAY_API_SERVER_ADDRESS`` comes next, then ``RAY_ADDRESS`` if it is an HTTP address.

    Raises:
        SpecError: If nothing names a dashboard.
    """
    found = known_job_server(given, environment)
    if found is None:
        raise SpecError(
            f"no cluster is named: {_EXPECTED} with --address, or in {JOB_SERVER}. "
            "`ray dashboard cluster.yaml` forwards that of a cluster to http://localhost:8265."
        )
    return found


def known_job_server(given: str | None, environment: Mapping[str, str]) -> str | None:
    """The same, or ``None`` if nothing names a dashboard.

    Raises:
        SpecError: If what was given is not an HTTP address.
    """
    if given is not None:
        return _checked(given, "--address")
    if environment.get(JOB_SERVER):
        return _checked(environment[JOB_SERVER], JOB_SERVER)
    ray = environment.get(_RAY, "")
    return _checked(ray, _RAY) if ray.startswith(("http://", "https://")) else None


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine, or at the end of a tunnel that begins here."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _checked(text: str, source: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SpecError(f"{source} is {text!r}; {_EXPECTED}.")
    return text.rstrip("/")
