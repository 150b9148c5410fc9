"""How long a generated dataset takes the first time and from its cache: both in this process, on one thread.

    python -m benchmarks.data

The cached load includes the check of the content against its digest.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from dymu.data.digits import Digits
from dymu.data.examples import DataPlace
from dymu.data.scenes import Scenes
from dymu.data.splits import Split

DATASETS: dict[str, Digits | Scenes] = {
    "digits": Digits(),
    "scenes 32x32": Scenes(),
    "scenes 48x48": Scenes(size=48),
}
REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(name: str, dataset: Digits | Scenes) -> str:
    """Generation of all splits, then the best of some loads of the training split."""
    with TemporaryDirectory() as folder:
        place = DataPlace(cache_dir=Path(folder))
        generated = seconds(lambda: dataset.load(Split.TRAIN, place))
        cached = min(seconds(lambda: dataset.load(Split.TRAIN, place)) for _ in range(REPEATS))
        size = sum(path.stat().st_size for path in place.cache_dir.iterdir()) / 2**20
    return f"{name:>14} {generated:>13.3f} {cached:>13.4f} {generated / cached:>8.0f} {size:>9.1f}"


def main() -> None:
    """Print the table; the ratio is generation over cached load."""
    torch.set_num_threads(1)
    print(f"{'dataset':>14} {'generate s':>13} {'from cache s':>13} {'ratio':>8} {'file MiB':>9}")
    for name, dataset in DATASETS.items():
        print(line(name, dataset), flush=True)


if __name__ == "__main__":
    main()
