import errno
import json
from pathlib import Path

import pytest

from dymu.errors import StoreError
from dymu.tracking.spool import METRICS, PROGRESS, Spool


def steps_in(spool: Spool) -> list[int]:
    return [json.loads(line)["step"] for line in spool.metrics_file.read_text().splitlines()]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, address="edge/abc")


def test_metrics_carry_no_time(spool: Spool) -> None:
    spool.log(1, {"loss": 0.5})
    assert json.loads(spool.metrics_file.read_text()) == {"step": 1, "metrics": {"loss": 0.5}}


def test_rewinding_and_repeating_gives_the_bytes_of_an_uninterrupted_run(
    spool: Spool, tmp_path: Path
) -> None:
    straight = Spool(tmp_path / "straight", address="edge/abc")
    straight.folder.mkdir()
    for step in range(6):
        straight.log(step, {"loss": 1 / (step + 1)})
    for step in range(4):
        spool.log(step, {"loss": 1 / (step + 1)})
    spool.rewind(2)
    for step in range(2, 6):
        spool.log(step, {"loss": 1 / (step + 1)})
    assert spool.metrics_file.read_bytes() == straight.metrics_file.read_bytes()


def test_rewinding_drops_a_half_written_line(spool: Spool) -> None:
    spool.log(1, {"loss": 0.5})
    with spool.metrics_file.open("a") as file:
        file.write('{"step": 2, "met')
    spool.rewind(10)
    spool.log(2, {"loss": 0.4})
    assert steps_in(spool) == [1, 2]


def test_rewinding_without_metrics_does_nothing(spool: Spool) -> None:
    spool.rewind(0)
    assert not spool.metrics_file.exists()


def test_progress_is_replaced_as_a_whole(spool: Spool) -> None:
    spool.progress(0, 10)
    spool.progress(10, 10, state="done")
    told = json.loads((spool.folder / PROGRESS).read_text())
    assert (told["state"], told["step"], told["total"], told["address"]) == ("done", 10, 10, "edge/abc")
    assert [path.name for path in spool.folder.iterdir()] == [PROGRESS]


def test_progress_is_not_written_at_every_step(spool: Spool) -> None:
    spool.progress(0, 1000)
    before = (spool.folder / PROGRESS).stat().st_mtime_ns
    for step in range(1, 100):
        spool.progress(step, 1000)
    assert (spool.folder / PROGRESS).stat().st_mtime_ns == before


@pytest.mark.parametrize("act", ["log", "progress"])
def test_a_full_disk_is_told_with_the_path(act: str, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open" if act == "log" else "write_text", full)
    with pytest.raises(StoreError, match=METRICS if act == "log" else PROGRESS):
        spool.log(0, {"loss": 1.0}) if act == "log" else spool.progress(1, 1)
