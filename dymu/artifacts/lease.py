"""Leases: one process works on a step, the others wait or do something else.

A lease saves work, it does not guard results: publication is safe without one (first wins). It is a record
that its holder keeps changing. Others judge by their own clocks how long it has not changed, so clocks need
not agree; that a process of the same machine has ended they see at once.
"""

import os
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from dymu.artifacts.holder import Holder, loads_holder, this_process
from dymu.artifacts.register import Entry, Register
from dymu.errors import StoreError

BEAT_S = 2.0
"""How often a holder changes its record."""
TTL_S = 8.0
"""A record that has not changed for so long while it was watched has lost its holder."""
_POLL_S = 0.1


class Lease:
    """The right to work on one step; a context manager that waits for it.

    Args:
        register: Where the record is.
        address: Address of the step, for messages.
        read_only: Refuse to take the lease; who holds it can still be asked.
        on_taken: Called each time the lease was taken.

    Attributes:
        token: Names the last taking of the lease by this object, for
            :meth:`~dymu.artifacts.store.Store.claimed_by`; empty before.
    """

    def __init__(
        self,
        register: Register,
        *,
        address: str,
        read_only: bool = False,
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        self.address = address
        self.token = ""
        self._register = register
        self._read_only = read_only
        self._on_taken = on_taken
        self._entry: Entry | None = None  # what this object wrote last, while it holds the lease
        self._pid = 0
        self._lost = False
        self._stop = threading.Event()
        self._mutex = threading.Lock()  # a beat and a release must not cross
        self._confirmed_at = 0.0
        self._seen = Entry()
        self._silent_s = 0.0
        self._looked_at = 0.0

    @property
    def held(self) -> bool:
        """Whether this object holds the lease, as far as it knows; never in a forked child."""
        return self._entry is not None and not self._lost and self._pid == os.getpid()

    @property
    def lost(self) -> bool:
        """Whether somebody else has taken over since this object took the lease.

        Looks again if the last beat was long ago, for instance because the process was suspended.
        """
        if self.held and time.monotonic() - self._confirmed_at > TTL_S / 2:
            self.beat()
        return self._lost

    def try_acquire(self) -> bool:
        """Take the lease if it is free or its holder is gone; does not wait.

        That a holder on another machine is gone shows after it was watched for 8 s: call this again and
        again, on one object.

        Raises:
            StoreError: If the store cannot be read or written.
        """
        entry = self._look()
        return self._is_vacant(entry) and self.take(entry)

    def take(self, expected: Entry) -> bool:
        """Take the lease if its record is still the one that was found vacant.

        Raises:
            StoreError: If the store cannot be written.
        """
        assert not self.held, f"this lease of {self.address} is held already"
        if self._read_only:
            raise StoreError(f"cannot lease {self.address}: the store was opened for reading only.")
        token = uuid.uuid4().hex
        _BEATING[token] = self  # before others can see the token
        try:
            entry = self._register.swap(expected, this_process(token).dumps())
        except StoreError:
            _BEATING.pop(token)
            raise
        if entry is None:
            _BEATING.pop(token)
            return False
        self.token, self._entry, self._pid, self._lost = token, entry, os.getpid(), False
        self._confirmed_at = time.monotonic()
        self._stop = threading.Event()
        name = f"lease of {self.address}"
        threading.Thread(target=_keep, args=(weakref.ref(self), self._stop), name=name, daemon=True).start()
        self._on_taken()
        return True

    def acquire(
        self, *, timeout: float | None = None, on_wait: Callable[[Holder], None] | None = None
    ) -> None:
        """Take the lease, waiting until it is free.

        Args:
            timeout: Longest wait in seconds; ``None`` waits for ever.
            on_wait: Told once about each holder that is waited for.

        Raises:
            StoreError: If the wait was too long (names the holder), or the store cannot be written.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        told = ""
        while not self.try_acquire():
            holder = loads_holder(self._seen.text)
            if on_wait is not None and holder.pid is not None and holder.token != told:
                told = holder.token
                on_wait(holder)
            if deadline is not None and time.monotonic() >= deadline:
                raise StoreError(
                    f"{self.address} was still held by {holder.text} after {timeout:g} s. "
                    "Wait for it, or stop it: its lease is then freed and its checkpoint is kept."
                )
            time.sleep(_POLL_S)

    def release(self) -> None:
        """Give the lease back; nothing happens if it is not held.

        Raises:
            StoreError: If the store cannot be written; the record then falls silent, which frees it, too.
        """
        if not self.held:
            return
        self._stop.set()
        with self._mutex:
            entry, self._entry = self._entry, None
            _BEATING.pop(self.token, None)
            if entry is None or self._register.swap(entry, "") is not None:
                return
            # Refused: somebody took over, or the last beat arrived although an error was reported.
            found = self._register.read()
            if loads_holder(found.text).token == self.token:
                self._register.swap(found, "")

    def beat(self) -> None:
        """Change the record, to show that its holder lives, or find that somebody else has taken over."""
        with self._mutex:
            if not self.held or self._entry is None:
                return
            last = loads_holder(self._entry.text)
            text = replace(last, beat=last.beat + 1, beat_at=time.time()).dumps()
            try:
                entry = self._register.swap(self._entry, text)
                if entry is None:
                    entry = self._register.read()
                    self._lost = loads_holder(entry.text).token != self.token
            except StoreError:
                # A disk or a network that is away for a while: the next beat tries again. Until then nobody
                # else has taken over as far as this process can know.
                return
            self._entry = entry
            self._confirmed_at = time.monotonic()

    def holder(self) -> Holder | None:
        """Who holds the lease now, in this process or another; ``None`` if it is free.

        Takes up to 8 s if the last beat was long ago by the clocks: clocks may disagree, so it is watched.
        """
        return holders({self.address: self}).get(self.address)

    def vacant(self) -> Entry | None:
        """The record if nobody holds the lease, ``None`` if somebody does; may take 8 s as :meth:`holder`."""
        return self._seen if self.holder() is None else None

    def _look(self) -> Entry:
        """Read the record and keep account of how long it was seen to be silent."""
        entry, now = self._register.read(), time.monotonic()
        if entry.text != self._seen.text:
            self._silent_s = 0.0
        else:
            # A long gap says nothing: the watcher may have been suspended, and the holder with it.
            self._silent_s += min(now - self._looked_at, BEAT_S)
        self._seen, self._looked_at = entry, now
        return entry

    def _is_vacant(self, entry: Entry) -> bool:
        if not entry.text or self._silent_s >= TTL_S:
            return True
        holder = loads_holder(entry.text)
        if holder.is_here and holder.pid == os.getpid():
            # A thread of this process may hold it. One that could not give it back does not beat.
            return holder.is_gone or holder.token not in _BEATING
        return holder.is_gone

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def holders(leases: Mapping[str, Lease]) -> dict[str, Holder]:
    """Who holds each lease, for those that are held; all that need watching are watched at the same time.

    Raises:
        StoreError: If the store cannot be read.
    """
    found: dict[str, Holder] = {}
    doubted: dict[str, Holder] = {}
    for key, lease in leases.items():
        entry = lease._look()
        if not lease._is_vacant(entry):
            holder = loads_holder(entry.text)
            known = found if abs(time.time() - holder.beat_at) <= TTL_S else doubted
            known[key] = holder
    while doubted:
        time.sleep(BEAT_S / 4)
        for key, first in list(doubted.items()):
            entry = leases[key]._look()
            if leases[key]._is_vacant(entry):
                del doubted[key]
            elif loads_holder(entry.text) != first:
                found[key] = loads_holder(entry.text)
                del doubted[key]
    return found


# Leases of this process by token. Not owned: a lease that was forgotten stops to beat.
_BEATING: weakref.WeakValueDictionary[str, Lease] = weakref.WeakValueDictionary()


def _keep(reference: "weakref.ref[Lease]", stop: threading.Event) -> None:
    """Beat until the lease is given back, lost or forgotten."""
    while not stop.wait(BEAT_S):
        lease = reference()
        if lease is None or lease._stop is not stop:
            return
        lease.beat()
        if lease._lost:
            return
        del lease
