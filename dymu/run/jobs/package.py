"""What of a folder is sent to a cluster, how large it is, and the archive in which it travels.

Ray would make the archive itself, but says how large it was only after the upload failed, and takes nothing
else along. Which files are left out is decided here by the same rules and with the same matcher: patterns of
``.gitignore`` and ``.rayignore`` in every folder, ``.git``, ``.venv``, ``venv`` and ``__pycache__``, and what
the user excludes.
"""

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dymu.errors import BackendError

LIMIT = 100 * 1024**2  # what Ray's dashboard accepts as the body of a request
_LISTED = 5
_HOPELESS = 10  # so many times the limit are not compressed first
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal content makes equal archives, which are uploaded once
_IGNORED = "RAY_RUNTIME_ENV_IGNORE_GITIGNORE"
_DEFAULTS = "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES"

Matcher = Callable[[Path], bool]


@dataclass(frozen=True, kw_only=True)
class Cargo:
    """Files that will be sent.

    Attributes:
        folder: Where they are.
        sizes: Bytes by path relative to the folder, sorted by path.
    """

    folder: Path
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.sizes.values())


def survey(folder: Path, exclude: Sequence[str] = ()) -> Cargo:
    """List what would be sent.

    Args:
        folder: The working directory.
        exclude: Further patterns, as in ``.gitignore``.

    Raises:
        BackendError: If a link leads into a folder that it lies in.
    """
    defaults = os.environ.get(_DEFAULTS, ".git,.venv,venv,__pycache__").split(",")
    patterns = [pattern.strip() for pattern in defaults if pattern.strip()] + list(exclude)
    root = folder.absolute()
    found = _walk(root, root, [_matcher(root, patterns)], ())
    return Cargo(folder=root, sizes=dict(sorted(found)))


def pack(cargo: Cargo, target: Path, extra: Mapping[str, bytes]) -> Path:
    """Write the archive.

    Args:
        cargo: What to send.
        target: Where the archive goes.
        extra: Further files by name.

    Raises:
        BackendError: If the archive exceeds Ray's limit; names the largest files.
    """
    if cargo.size > _HOPELESS * LIMIT:
        raise BackendError(_too_large(cargo, cargo.size))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for name in cargo.sizes:
            path = cargo.folder / name
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = stat.S_IMODE(path.stat().st_mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
        for name, content in sorted(extra.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    size = target.stat().st_size
    if size > LIMIT:
        raise BackendError(_too_large(cargo, size))
    return target


def _walk(
    folder: Path, root: Path, matchers: Sequence[Matcher], above: tuple[Path, ...]
) -> Iterator[tuple[str, int]]:
    real = folder.resolve()
    if real in above:
        raise BackendError(f"{folder} leads back to {real}. Exclude it with --exclude or in .rayignore.")
    matchers = [*matchers, *_ignore_files(folder)]
    for path in folder.iterdir():
        if any(matches(path) for matches in matchers):
            continue
        if path.is_dir():
            yield from _walk(path, root, matchers, (*above, real))
        elif path.is_file():
            yield path.relative_to(root).as_posix(), path.stat().st_size


def _ignore_files(folder: Path) -> Iterator[Matcher]:
    names = [".rayignore"] if os.environ.get(_IGNORED) == "1" else [".gitignore", ".rayignore"]
    for name in names:
        file = folder / name
        if file.is_file():
            yield _matcher(folder, file.read_text(encoding="utf-8", errors="replace").splitlines())


def _matcher(folder: Path, patterns: Sequence[str]) -> Matcher:
    # The copy of pathspec inside Ray: dialects of these patterns differ in details, and Ray's is meant.
    from ray._private.thirdparty.pathspec.pathspec import PathSpec

    spec = PathSpec.from_lines("gitwildmatch", patterns)  # type: ignore[no-untyped-call]
    return lambda path: bool(spec.match_file(path.relative_to(folder).as_posix()))


def _too_large(cargo: Cargo, size: int) -> str:
    largest = sorted(cargo.sizes.items(), key=lambda item: -item[1])[:_LISTED]
    listed = "\n".join(f"  {mib(count):>10}  {name}" for name, count in largest)
    return (
        f"{cargo.folder} takes {mib(size)} to send; Ray's job server accepts {mib(LIMIT)}. The largest files:"
        f"\n{listed}\nLeave out what the study does not need with --exclude PATTERN or in .rayignore; data "
        "sets belong on storage that the cluster sees (--data-root)."
    )


def mib(count: int) -> str:
    """A number of bytes in MiB."""
    return f"{count / 1024**2:.1f} MiB"
