"""Which runs there are now: each holds a lease of the store, by which any machine sees that it lives."""

import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass

from dymu.artifacts.files import write_whole
from dymu.artifacts.store import Store
from dymu.errors import StoreError
from dymu.run.work import read_json

_STAGE = "run"
_SLOTS = 4  # runs of one study at the same time that are told apart; further ones run all the same
_NOTE = "run.json"
_JOB = "DYMU_SUBMISSION"


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """A run whose driver lives.

    Attributes:
        manifest: Name of the study or question.
        host: Machine of the driver.
        pid: Its process.
        job: Submission id of the Ray job that it is; empty if it is none.
        started: Seconds since 1970.
        beat_at: When it last showed that it lives, by its own clock.
    """

    manifest: str
    host: str
    pid: int
    job: str
    started: float
    beat_at: float = 0.0


def drain_flag(manifest: str) -> str:
    """Name of the flag that asks the runs of a study to write checkpoints and end."""
    return f"drain/{_word(manifest)}"


def stop_now_flag(manifest: str) -> str:
    """Name of the flag that ends the runs of a study at once."""
    return f"stop-now/{_word(manifest)}"


@contextmanager
def announce(store: Store, manifests: Sequence[str]) -> Iterator[None]:
    """Be among the live runs of these studies while the block runs."""
    with ExitStack() as open_:
        for manifest in manifests:
            open_.enter_context(_announced(store, manifest))
        yield


def live_runs(store: Store, manifests: Iterable[str] | None = None) -> list[LiveRun]:
    """The runs that live.

    Takes up to 8 s if one has died without a word on another machine.

    Args:
        store: The store; may be read-only.
        manifests: Names of studies; ``None`` for all that the store knows.

    Raises:
        StoreError: If the store cannot be read.
    """
    names = [m.name for m in store.manifests()] if manifests is None else list(manifests)
    slots = {address: name for name in names for address in _addresses(name)}
    found = []
    for address, holder in store.holders(slots).items():
        note = read_json(store.look_work(address) / _NOTE)
        run = LiveRun(
            manifest=slots[address],
            host=holder.host,
            pid=holder.pid or 0,
            job=str(note.get("job", "")) if note.get("pid") == holder.pid else "",
            started=holder.since,
            beat_at=holder.beat_at,
        )
        found.append(run)
    return found


@contextmanager
def _announced(store: Store, manifest: str) -> Iterator[None]:
    for address in _addresses(manifest):
        lease = store.lease(address)
        if lease.try_acquire():
            break
    else:
        yield
        return
    try:
        note = LiveRun(
            manifest=manifest,
            host=platform.node(),
            pid=os.getpid(),
            job=os.environ.get(_JOB, ""),
            started=time.time(),
        )
        write_whole(store.work_dir(address) / _NOTE, json.dumps(asdict(note)) + "\n")
        store.push_work(address)
        yield
    finally:
        with suppress(StoreError):  # the lease falls silent by itself
            store.clear_work(address)
            lease.release()


def _addresses(manifest: str) -> list[str]:
    return [f"{_STAGE}/{_word(manifest)}-{slot}" for slot in range(_SLOTS)]


def _word(manifest: str) -> str:
    return manifest.replace(".", "--")
