import hashlib
import io
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.bucket import Blob, Bucket, Version
from dymu.artifacts.connect import open_bucket
from dymu.errors import StoreError


def test_absent_object_is_a_result(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.read("none") is None
    assert bucket.size("none") is None
    assert bucket.download("none", tmp_path / "none") is None
    assert not list(tmp_path.glob("none*"))
    assert list(bucket.list("none/")) == []
    assert not bucket.copy("none", "other")
    bucket.remove(["none"])
    bucket.remove([])


def test_written_object_is_read(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"three")
    bucket.write("a/one", b"one")
    bucket.write("a/two", io.BytesIO(b"two"))
    bucket.write("a/three", tmp_path / "file")
    for name in ("one", "two", "three"):
        found = bucket.read(f"a/{name}")
        assert found is not None
        assert found[0] == name.encode()
    assert bucket.size("a/three") == 5


def test_listing_knows_keys_below_the_prefix_and_no_others(bucket: Bucket) -> None:
    for key in ("a/one", "a/b/two", "ab/three"):
        bucket.write(key, key.encode())
    assert sorted(bucket.list("a/"), key=lambda blob: blob.key) == [
        Blob(key="a/b/two", size=7),
        Blob(key="a/one", size=5),
    ]


@pytest.mark.slow
def test_listing_goes_on_beyond_a_page(s3: tuple[str, dict[str, str]]) -> None:
    bucket = open_bucket(s3[0])
    for number in range(1100):
        bucket.write(f"many/{number}", b"")
    assert len({blob.key for blob in bucket.list("many/")}) == 1100
    bucket.remove(blob.key for blob in bucket.list("many/"))
    assert not list(bucket.list("many/"))


def test_prefixes_are_apart(s3: tuple[str, dict[str, str]]) -> None:
    one, other = open_bucket(f"{s3[0]}/one"), open_bucket(f"{s3[0]}/one-more/")
    one.write("a", b"1")
    assert other.read("a") is None
    assert list(other.list("")) == []
    assert list(open_bucket(s3[0]).list("")) == [Blob(key="one/a", size=1)]
    assert other.location == f"{s3[0]}/one-more"


def test_create_is_refused_where_something_is(bucket: Bucket) -> None:
    assert bucket.create("a", b"first") is not None
    assert bucket.create("a", b"second") is None
    found = bucket.read("a")
    assert found is not None
    assert found[0] == b"first"


def test_replace_needs_the_present_version(bucket: Bucket) -> None:
    first = bucket.create("a", b"first")
    assert first is not None
    second = bucket.replace("a", b"second", first)
    assert second is not None
    assert bucket.replace("a", b"third", first) is None
    found = bucket.read("a")
    assert found == (b"second", second)
    bucket.remove(["a"])
    assert bucket.replace("a", b"third", second) is None
    assert bucket.read("a") is None


@pytest.mark.parametrize("kind", ["create", "replace"])
def test_of_many_at_once_one_wins(bucket: Bucket, kind: str) -> None:
    for round_number in range(5):
        key = f"race/{round_number}"
        old = bucket.create(key, b"old") if kind == "replace" else None
        won: list[int] = []
        start = threading.Barrier(6)

        def race(
            number: int,
            key: str = key,
            old: Version | None = old,
            won: list[int] = won,
            start: threading.Barrier = start,
        ) -> None:
            start.wait()
            content = str(number).encode()
            done = bucket.create(key, content) if old is None else bucket.replace(key, content, old)
            if done is not None:
                won.append(number)

        threads = [threading.Thread(target=race, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = bucket.read(key)
        assert found is not None
        assert [found[0]] == [str(number).encode() for number in won]


def test_download_is_whole_and_told_by_its_sum(bucket: Bucket, tmp_path: Path) -> None:
    bucket.write("a", b"x" * 20_000_000)
    digest = bucket.download("a", tmp_path / "below" / "a")
    assert digest == hashlib.sha256(b"x" * 20_000_000).hexdigest()
    assert (tmp_path / "below" / "a").stat().st_size == 20_000_000
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["a"]


def test_download_to_a_refusing_disk_leaves_nothing(bucket: Bucket, small_disk: Path) -> None:
    bucket.write("a", b"x" * 1_000_000)
    with pytest.raises(StoreError, match=r"cannot write .*No space left"):
        bucket.download("a", small_disk / "a")
    assert not list(small_disk.iterdir())


def test_copy_keeps_the_source(bucket: Bucket) -> None:
    bucket.write("a", b"1")
    assert bucket.copy("a", "b/c")
    assert {blob.key for blob in bucket.list("")} == {"a", "b/c"}


@pytest.mark.usefixtures("s3")
def test_missing_bucket_is_told() -> None:
    bucket = open_bucket("s3://nobody-made-it/prefix")
    with pytest.raises(StoreError, match="s3://nobody-made-it/prefix: there is no such bucket"):
        bucket.read("a")
    with pytest.raises(StoreError, match="nobody-made-it"):
        bucket.create("a", b"1")


def test_server_that_is_away_is_told_soon(
    s3: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    bucket, start = open_bucket(s3[0]), time.monotonic()
    with pytest.raises(StoreError, match=r"cannot read s3://dymu/.*/a: .*http://127.0.0.1:9") as caught:
        bucket.read("a", quick=True)
    assert time.monotonic() - start < 60  # a patient client takes three minutes
    assert "\n" not in str(caught.value)
    assert "Debug source" not in str(caught.value)


def test_conditions_hold_and_leave_nothing(bucket: Bucket) -> None:
    bucket.prove_conditions()
    assert list(bucket.list("")) == []


@pytest.mark.parametrize("ignored", ["create", "replace"])
def test_server_that_ignores_conditions_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    def write(self: Bucket, key: str, content: bytes, *_: Any, **__: Any) -> Version:
        self.write(key, content)
        return Version(e_tag="any", version=None)

    if ignored == "create":
        real = Bucket.create
        calls = iter(range(10))
        monkeypatch.setattr(
            Bucket, "create", lambda *args, **kw: (write if next(calls) else real)(*args, **kw)
        )
    else:
        monkeypatch.setattr(Bucket, "replace", write)
    with pytest.raises(StoreError, match=r"ignores the conditions of writes \(If-None-Match, If-Match\)"):
        bucket.prove_conditions()
    assert list(bucket.list("")) == []


def test_server_that_refuses_conditions_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bucket, "replace", lambda *_, **__: None)
    with pytest.raises(StoreError, match="refuses conditional writes"):
        bucket.prove_conditions()
