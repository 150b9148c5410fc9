"""Registers and flags that are objects in a bucket."""

from dymu.artifacts.bucket import Bucket, Version
from dymu.artifacts.register import Entry


class ObjectRegister:
    """A register that is an object, replaced by conditional writes; an empty object is a free register.

    A free register keeps its object: storages have no conditional removal, and an unconditional one could
    take away what somebody has just written.
    """

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key

    def read(self) -> Entry:
        """The present content."""
        found = self._bucket.read(self._key)
        return Entry() if found is None else Entry(text=found[0].decode("utf-8", "replace"), version=found[1])

    def swap(self, expected: Entry, text: str) -> Entry | None:
        """Replace the content if it is still as expected; gives up after ten seconds."""
        content = text.encode("utf-8")
        if isinstance(expected.version, Version):
            version = self._bucket.replace(self._key, content, expected.version, quick=True)
        else:
            version = self._bucket.create(self._key, content, quick=True)
        return None if version is None else Entry(text=text, version=version)


class ObjectFlag:
    """A flag that is an object."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key

    def raise_(self) -> None:
        """Set the mark."""
        self._bucket.write(self._key, b"raised\n")

    def raised(self) -> bool:
        """Whether the mark is set."""
        return self._bucket.size(self._key) is not None

    def lower(self) -> None:
        """Take the mark away."""
        self._bucket.remove([self._key])
