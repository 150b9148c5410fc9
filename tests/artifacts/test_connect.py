import pytest

from dymu.artifacts.connect import memory_bucket, open_bucket
from dymu.errors import StoreError


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "location", ["s3://", "s3:///prefix", "s3://bucket/a?b=c", "s3://bucket/a#b", "ftp://a/b"]
)
def test_location_without_bucket_is_refused(location: str) -> None:
    with pytest.raises(StoreError, match="names no bucket; expected s3://bucket/prefix"):
        open_bucket(location)


@pytest.mark.parametrize(
    ("location", "clean"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket//a//b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("az://container/a", "az://container/a"),
    ],
)
def test_one_place_has_one_name(location: str, clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert open_bucket(location).location == clean


def test_azure_without_an_account_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(StoreError, match="cannot use az://container/a"):
        open_bucket("az://container/a")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_endpoint_that_is_not_encrypted_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://storage.example:9000")
    with pytest.raises(StoreError, match=f"{name} is http://storage.example:9000: .*AWS_ALLOW_HTTP"):
        open_bucket("s3://bucket")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert open_bucket("s3://bucket").location == "s3://bucket"


def test_loopback_needs_no_encryption(s3: tuple[str, dict[str, str]]) -> None:
    assert s3[1]["AWS_ENDPOINT_URL"].startswith("http://127.0.0.1:")
    assert open_bucket(s3[0]).read("none") is None


def test_missing_credentials_are_told(
    s3: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What answers in place of a cloud's own service is nobody here.
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match=r"there are no credentials. Set AWS_ACCESS_KEY_ID, AWS_SECRET"):
        open_bucket(s3[0]).read("a", quick=True)


def test_memory_is_forgotten() -> None:
    memory_bucket().write("a", b"1")
    assert memory_bucket().read("a") is None
