import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.bucket import Bucket
from dymu.artifacts.remote_work import WORK, RemoteWork, read_snapshot
from dymu.errors import StoreError

KEY = "work/edge/00000000000000aa"
LONG = "".join(f'{{"step": {step}}}\n' for step in range(1000))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def written_to(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the objects that are written from now on."""
    written: list[str] = []
    real = Bucket.write

    def write(self: Bucket, key: str, content: Any) -> None:
        written.append(key)
        real(self, key, content)

    monkeypatch.setattr(Bucket, "write", write)
    return written


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}


def test_what_is_sent_arrives(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="c" * 9000, metrics_jsonl=LONG, progress_json="{}", log_txt="said\n")
    work.push(here)
    RemoteWork(bucket, KEY).pull(tmp_path / "there")
    assert content(tmp_path / "there") == content(here)


def test_pull_makes_the_folder_what_was_sent(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="new", metrics_jsonl=LONG)
    work.push(here)
    there = tmp_path / "there"
    there.mkdir()
    fill(there, checkpoint_pt="old", metrics_jsonl="{}\n", error_json="{}")
    RemoteWork(bucket, KEY).pull(there)
    assert content(there) == {"checkpoint.pt": "new", "metrics.jsonl": LONG}


def test_first_pull_leaves_nothing_of_an_earlier_life(bucket: Bucket, here: Path) -> None:
    fill(here, checkpoint_pt="old")
    RemoteWork(bucket, KEY).pull(here)
    assert content(here) == {}


def test_second_push_sends_only_what_changed(
    bucket: Bucket, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="c", metrics_jsonl=LONG, progress_json="1")
    work.push(here)
    before = read_snapshot(bucket, KEY)
    written = written_to(monkeypatch)
    work.push(here)
    os.utime(here / "checkpoint.pt")  # touched, and the same
    work.push(here)
    assert read_snapshot(bucket, KEY) == before
    fill(here, progress_json="2")
    work.push(here)
    assert written == []
    assert read_snapshot(bucket, KEY).files["progress.json"]["text"] == "2"


def test_checkpoint_that_was_renamed_is_not_sent_again(
    bucket: Bucket, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="first")
    work.push(here)
    (here / "checkpoint.pt").rename(here / "checkpoint.previous.pt")
    fill(here, checkpoint_pt="second")
    written = written_to(monkeypatch)
    work.push(here)
    assert written == [f"{KEY}/{hashlib.sha256(b'second').hexdigest()}"]


def test_what_is_not_needed_any_more_is_removed(bucket: Bucket, here: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    for number in range(4):
        fill(here, checkpoint_pt=f"checkpoint {number}", error_json="{}")
        work.push(here)
    (here / "error.json").unlink()
    work.push(here)
    assert set(read_snapshot(bucket, KEY).files) == {"checkpoint.pt"}
    assert len(list(bucket.list(f"{KEY}/"))) == 2  # WORK.json and the last checkpoint


def test_half_a_line_and_half_a_file_stay_here(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, metrics_jsonl='{"step": 0}\n{"st', checkpoint_pt_part="half")
    (here / "progress.json.4711").write_text("{")
    (here / ".log.txt.part").write_text("x")
    work.push(here)
    RemoteWork(bucket, KEY).pull(tmp_path / "there")
    assert content(tmp_path / "there") == {"metrics.jsonl": '{"step": 0}\n'}


def test_whoever_was_taken_over_sends_nothing_any_more(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    suspended, successor = RemoteWork(bucket, KEY), RemoteWork(bucket, KEY)
    suspended.pull(here)
    fill(here, checkpoint_pt="step 10", metrics_jsonl="10\n")
    suspended.push(here)
    there = tmp_path / "there"
    successor.pull(there)
    fill(here, checkpoint_pt="step 11", metrics_jsonl="11\n")
    suspended.push(here)  # wakes up
    assert suspended.superseded
    fill(there, checkpoint_pt="step 20", metrics_jsonl="10\n20\n")
    successor.push(there)
    suspended.push(here)
    RemoteWork(bucket, KEY).pull(tmp_path / "third")
    assert content(tmp_path / "third") == {"checkpoint.pt": "step 20", "metrics.jsonl": "10\n20\n"}


def test_word_of_somebody_who_did_not_pull_is_added(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="c")
    work.push(here)
    other = tmp_path / "other"
    other.mkdir()
    fill(other, error_json='{"type": "Killed"}')
    RemoteWork(bucket, KEY).push(other)
    assert set(read_snapshot(bucket, KEY).files) == {"checkpoint.pt", "error.json"}


def test_answer_that_was_lost_is_no_defeat(
    bucket: Bucket, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    real = Bucket.replace

    def arrives_but_is_refused(self: Bucket, *args: Any, **kwargs: Any) -> None:
        real(self, *args, **kwargs)

    monkeypatch.setattr(Bucket, "replace", arrives_but_is_refused)
    fill(here, progress_json="1")
    work.push(here)
    assert not work.superseded
    monkeypatch.undo()
    fill(here, progress_json="22")
    work.push(here)
    assert read_snapshot(bucket, KEY).files["progress.json"]["text"] == "22"


def test_refused_upload_leaves_the_snapshot(
    bucket: Bucket, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="first", metrics_jsonl="0\n")
    work.push(here)
    before = read_snapshot(bucket, KEY)

    def refuse(*_: Any) -> None:
        raise StoreError("away")

    monkeypatch.setattr(Bucket, "write", refuse)
    fill(here, checkpoint_pt="second", metrics_jsonl="0\n1\n")
    with pytest.raises(StoreError, match="away"):
        work.push(here)
    assert read_snapshot(bucket, KEY) == before
    monkeypatch.undo()
    work.push(here)
    assert read_snapshot(bucket, KEY).files["metrics.jsonl"]["text"] == "0\n1\n"


def test_looking_brings_the_texts_only(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work, seen = RemoteWork(bucket, KEY), tmp_path / "seen"
    assert RemoteWork(bucket, KEY).look(seen, None) is None
    work.pull(here)
    fill(here, checkpoint_pt="c", metrics_jsonl=LONG, progress_json="1")
    work.push(here)
    known = RemoteWork(bucket, KEY).look(seen, None)
    assert content(seen) == {"metrics.jsonl": LONG, "progress.json": "1"}
    assert RemoteWork(bucket, KEY).look(seen, known) == known
    assert not work.superseded
    work.clear()
    assert RemoteWork(bucket, KEY).look(seen, known) is None
    assert content(seen) == {}


def test_cleared_work_is_gone_and_stays_gone(bucket: Bucket, here: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="c", progress_json="1")
    work.push(here)
    work.clear()
    work.push(here, texts_only=True)
    assert list(bucket.list("")) == []


def test_changed_checkpoint_is_told_and_not_used(bucket: Bucket, here: Path, tmp_path: Path) -> None:
    work = RemoteWork(bucket, KEY)
    work.pull(here)
    fill(here, checkpoint_pt="c")
    work.push(here)
    bucket.write(f"{KEY}/{hashlib.sha256(b'c').hexdigest()}", b"d")
    with pytest.raises(StoreError, match=r"has SHA-256 .* but .* was sent. Remove .* to start this step"):
        RemoteWork(bucket, KEY).pull(tmp_path / "there")
    assert content(tmp_path / "there") == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}'])
def test_damaged_snapshot_is_told(bucket: Bucket, text: str) -> None:
    bucket.write(f"{KEY}/{WORK}", text.encode())
    with pytest.raises(StoreError, match=r"is damaged .* Remove it to start that step anew"):
        read_snapshot(bucket, KEY)


def test_later_format_is_refused(bucket: Bucket) -> None:
    bucket.write(f"{KEY}/{WORK}", b'{"format": 2}')
    with pytest.raises(StoreError, match="has format 2; this dymu reads format 1"):
        read_snapshot(bucket, KEY)


def test_snapshot_cannot_name_a_file_elsewhere(bucket: Bucket, tmp_path: Path) -> None:
    file = '{"sha256": "x", "size": 1, "text": "x"}'
    form = f'{{"format": 1, "writer": "w", "serial": 1, "files": {{"../../evil.txt": {file}}}}}'
    bucket.write(f"{KEY}/{WORK}", form.encode())
    RemoteWork(bucket, KEY).pull(tmp_path / "a" / "b" / "there")
    assert not (tmp_path / "a" / "evil.txt").exists()
    assert (tmp_path / "a" / "b" / "there" / "evil.txt").exists()
