import threading
import time
from pathlib import Path

import pytest

from dymu.artifacts.bucket import Bucket
from dymu.artifacts.courier import Courier
from dymu.artifacts.remote_work import RemoteWork, read_snapshot
from dymu.errors import StoreError

KEY = "work/edge/00000000000000aa"


def wait_for(what: object) -> None:
    deadline = time.monotonic() + 120
    while not what():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_texts_are_sent_while_the_step_runs(bucket: Bucket, tmp_path: Path) -> None:
    courier, work = Courier(period_s=0.02), RemoteWork(bucket, KEY)
    courier.begin("edge/a", work, tmp_path)
    (tmp_path / "progress.json").write_text("1")
    (tmp_path / "checkpoint.pt").write_bytes(b"c")
    wait_for(lambda: read_snapshot(bucket, KEY).files.get("progress.json", {}).get("text") == "1")
    (tmp_path / "progress.json").write_text("22")
    wait_for(lambda: read_snapshot(bucket, KEY).files["progress.json"]["text"] == "22")
    assert set(read_snapshot(bucket, KEY).files) == {"progress.json"}
    courier.end("edge/a")


def test_nothing_is_sent_after_the_end(bucket: Bucket, tmp_path: Path) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    courier, work = Courier(period_s=0.02), RemoteWork(bucket, KEY)
    courier.begin("edge/a", work, tmp_path)
    started = [t for t in threading.enumerate() if t.name == "dymu work folders" and t.ident not in before]
    assert len(started) == 1
    courier.end("edge/a")
    (tmp_path / "progress.json").write_text("1")
    time.sleep(0.1)
    assert read_snapshot(bucket, KEY).files == {}
    wait_for(lambda: not started[0].is_alive())


def test_courier_starts_again_after_its_end(bucket: Bucket, tmp_path: Path) -> None:
    courier = Courier(period_s=0.02)
    courier.begin("edge/a", RemoteWork(bucket, KEY), tmp_path)
    courier.end("edge/a")
    time.sleep(0.1)
    courier.begin("edge/a", RemoteWork(bucket, KEY), tmp_path)
    (tmp_path / "progress.json").write_text("1")
    wait_for(lambda: read_snapshot(bucket, KEY).files)
    courier.end("edge/a")


def test_storage_that_is_away_for_a_while_is_survived(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, calls, real = RemoteWork(bucket, KEY), iter(range(10**6)), RemoteWork.push

    def push(self: RemoteWork, folder: Path, *, texts_only: bool = False) -> None:
        if next(calls) < 3:
            raise StoreError("away")
        real(self, folder, texts_only=texts_only)

    monkeypatch.setattr(RemoteWork, "push", push)
    (tmp_path / "progress.json").write_text("1")
    courier = Courier(period_s=0.02)
    courier.begin("edge/a", work, tmp_path)
    wait_for(lambda: read_snapshot(bucket, KEY).files)
    courier.end("edge/a")
