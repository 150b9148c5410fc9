"""What datasets of pictures in files share: which picture is in which split, decoding, scanning, loading.

Publishers give a list of training pictures and one that papers report on. The second is our test split; what
selection uses is held out of the first.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from dymu.data.decoded import OfficialDataset, Source, load_decoded
from dymu.data.decoded_writer import DecodedWriter
from dymu.data.dense_files import BadFilesError, Pixels, read_names
from dymu.data.examples import DataPlace, Examples, Preparation
from dymu.data.official import Finding, Scan, Tell, refuse, silent
from dymu.data.splits import Split

T = TypeVar("T")
R = TypeVar("R")

# Pictures that are decoded at once: more threads wait for the disk, and results wait for the writer.
_THREADS = 8
_AT_ONCE = 64


class PictureLayout(Protocol):
    """A frozen config that knows where the files of pictures lie below the data root."""

    @property
    def num_train(self) -> int | None:
        """Training pictures, the first of the list that are not held out; ``None`` for all."""

    @property
    def num_val(self) -> int:
        """Pictures of the training list that are held out."""

    @property
    def num_test(self) -> int | None:
        """Test pictures, the first of the list; ``None`` for all."""

    @property
    def train_list(self) -> str:
        """Path of the list of training pictures."""

    @property
    def test_list(self) -> str:
        """Path of the list of pictures that papers report on."""

    def paths(self, root: Path, name: str) -> tuple[str, ...]:
        """Paths of all files of a picture."""

    def read(self, root: Path, name: str) -> Mapping[str, Pixels]:
        """Image and targets of a picture in stored form.

        Raises:
            BadFilesError: If a file is missing, damaged or does not fit the others.
        """


def split_names(layout: PictureLayout, root: Path) -> dict[Split, tuple[str, ...]]:
    """Names of the pictures of each split, in the order of the publisher's lists.

    Raises:
        BadFilesError: If a list is missing or empty, a picture is in both, or a split would be empty.
    """
    train, test = _lists(root, layout.train_list, layout.test_list)
    both = sorted(set(train) & set(test))
    if both:
        raise BadFilesError(Finding(layout.test_list, f"holds {both[0]!r} as {layout.train_list} does"))
    if layout.num_val >= len(train):
        problem = f"holds {len(train)} names, expected more than the {layout.num_val} of num_val"
        raise BadFilesError(Finding(layout.train_list, problem))
    held = held_out(train, layout.num_val)
    rest = [name for name in train if name not in held]
    return {
        Split.TRAIN: tuple(rest[: layout.num_train]),
        Split.VAL: tuple(name for name in train if name in held),
        Split.TEST: test[: layout.num_test],
    }


def held_out(names: Sequence[str], count: int) -> frozenset[str]:
    """Names whose digests come first: the same on every machine, and a smaller count takes some of these."""
    return frozenset(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])


def picture_files(layout: PictureLayout, root: Path) -> tuple[str, ...]:
    """Paths of all files that decoding reads.

    Raises:
        BadFilesError: If a list is at fault, or files are missing; names all of them.
    """
    names = [name for part in split_names(layout, root).values() for name in part]
    paths = [path for name in names for path in layout.paths(root, name)]
    there = {folder: _inside(root / folder) for folder in {path.rpartition("/")[0] for path in paths}}
    missing = [path for path in paths if path.rpartition("/")[2] not in there[path.rpartition("/")[0]]]
    if missing:
        raise BadFilesError(*(Finding(path, "is missing") for path in missing))
    return (layout.train_list, layout.test_list, *paths)


def decode_pictures(layout: PictureLayout, root: Path, writer: DecodedWriter, tell: Tell) -> None:
    """Append the pictures of all splits.

    Raises:
        BadFilesError: At the first file that is damaged.
    """
    jobs = [(split, name) for split, names in split_names(layout, root).items() for name in names]
    arrays = _in_threads(lambda job: layout.read(root, job[1]), jobs)
    for done, ((split, _), found) in enumerate(zip(jobs, arrays, strict=True), start=1):
        writer.append(split, {key: array[None] for key, array in found.items()})
        tell(done, len(jobs))


def scan_pictures(layout: PictureLayout, root: Path, tell: Tell) -> Scan:
    """Read every file and list all that is wrong; counts are pictures per split."""
    try:
        splits = split_names(layout, root)
    except BadFilesError as error:
        return Scan({}, error.findings)

    def findings(name: str) -> tuple[Finding, ...]:
        try:
            layout.read(root, name)
        except BadFilesError as error:
            return error.findings
        return ()

    names = [name for part in splits.values() for name in part]
    found: list[Finding] = []
    for done, more in enumerate(_in_threads(findings, names), start=1):
        found += more
        tell(done, len(names))
    return Scan({split.value: len(part) for split, part in splits.items()}, tuple(found))


def load_pictures(
    dataset: OfficialDataset, split: Split, place: DataPlace, *, source: Source, preparation: Preparation
) -> Examples:
    """Examples of one split; see :func:`~dymu.data.decoded.load_decoded` for what else it raises.

    Raises:
        DataError: If files are missing or damaged; lists them and says how to get the data.
    """
    try:
        return load_decoded(dataset, split, place, source=source, preparation=preparation, tell=silent)
    except BadFilesError as error:
        assert place.root is not None, "files were looked for below a root"
        refuse(Scan({}, error.findings), dataset, place.root)
        raise


def _lists(root: Path, *paths: str) -> list[tuple[str, ...]]:
    lists: list[tuple[str, ...]] = []
    findings: list[Finding] = []
    for path in paths:
        try:
            lists.append(read_names(root, path))
        except BadFilesError as error:
            findings += error.findings
    if findings:
        raise BadFilesError(*findings)
    return lists


def _inside(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()  # noqa: PTH208 (names, no paths)


def _in_threads(work: Callable[[T], R], jobs: Sequence[T]) -> Iterator[R]:
    """Results in the order of the jobs; reading and decoding files leaves Python to other threads."""
    remaining = iter(jobs)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        while batch := list(islice(remaining, _AT_ONCE)):
            yield from pool.map(work, batch)
