"""What travels from the driver to the processes of a run, through Ray's own memory."""

import pickle
from dataclasses import dataclass
from typing import TypeVar

from dymu.artifacts.step import Step
from dymu.run.place import Place
from dymu.run.plan import Chain

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Cargo:
    """What every process of a run needs.

    Attributes:
        place: How to run.
        location: Of the store.
        stop: Name of the flag that is raised when the run is to stop.
        scratch: Folder for Ray's own files.
        owned: Whether the cluster was started by this run.
    """

    place: Place
    location: str
    stop: str
    scratch: str
    owned: bool


@dataclass(frozen=True, kw_only=True)
class Work:
    """One step to compute on behalf of a lease.

    Attributes:
        step: The step.
        token: Of the lease.
        cargo: What every process needs.
    """

    step: Step
    token: str
    cargo: Cargo


def pack(content: Chain | Cargo | Work) -> bytes:
    """As bytes, for Ray to carry."""
    return pickle.dumps(content)


def unpack_chain(data: bytes) -> Chain:
    """A chain that the driver packed."""
    return _unpacked(data, Chain)


def unpack_cargo(data: bytes) -> Cargo:
    """A cargo that the driver packed."""
    return _unpacked(data, Cargo)


def unpack_work(data: bytes) -> Work:
    """A work that a trial packed."""
    return _unpacked(data, Work)


def _unpacked(data: bytes, kind: type[T]) -> T:
    content = pickle.loads(data)
    assert isinstance(content, kind)
    return content
