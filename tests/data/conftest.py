"""What the tests of datasets share."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from dymu.data.examples import DataPlace


@pytest.fixture
def place(tmp_path: Path) -> DataPlace:
    return DataPlace(cache_dir=tmp_path / "data")


@pytest.fixture(scope="session")
def official_root() -> Path:
    """The root of the official data sets, for tests that are marked ``data``."""
    root = os.environ.get("DYMU_DATA")
    if root is None:
        pytest.skip("DYMU_DATA names no root of official data sets")
    return Path(root)


@dataclass(frozen=True)
class Elsewhere:
    """What other processes made, both at once and in one folder.

    Attributes:
        place: Their cache.
        digests: Per process, the digest of each dataset by the name of its class.
    """

    place: DataPlace
    digests: tuple[dict[str, str], ...]


GENERATE = """
import json, sys
from pathlib import Path
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace
from dymu.data.scenes import Scenes
from dymu.data.splits import Split

place = DataPlace(cache_dir=Path(sys.argv[1]))
counts = {"num_train": 70, "num_val": 20, "num_test": 30}
datasets = Digits(**counts), Scenes(**counts, size=16)
print(json.dumps({type(each).__name__: each.load(Split.TRAIN, place).digest for each in datasets}))
"""


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    folder = tmp_path_factory.mktemp("elsewhere") / "data"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", GENERATE, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        )
        for seed in ("7", "8")
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return Elsewhere(place=DataPlace(cache_dir=folder), digests=tuple(json.loads(text) for text in printed))


@pytest.fixture
def seeded() -> Iterator[None]:
    """One thread and a fixed torch seed, for tests that train a small net."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
