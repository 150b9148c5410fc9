import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dymu.errors import BackendError, SpecError
from dymu.run.jobs.client import Job, Node
from dymu.run.jobs.submission import (
    Asked,
    inside,
    job_named,
    jobs_of,
    location_of,
    next_id,
    order_of,
    tracking_of,
)
from dymu.run.provenance import CodeVersion

ASKED = Asked(
    target="ablations.branching_regularizer",
    words=("--seeds", "3"),
    studies=("digits-ours.branching_regularizer",),
    store="s3://bucket/dymu",
)
CODE = CodeVersion(revision=None, dirty=None, lock=None)
HERE, THERE = "http://127.0.0.1:8265", "http://head:8265"


def node(host: str, cpus: float = 4.0) -> Node:
    return Node(id=host, host=host, head=False, resources={"CPU": cpus})


def job(job_id: str, status: str = "RUNNING", *, asked: Asked = ASKED) -> Job:
    order = order_of(asked, job_id, Path("a.zip"), CODE, server=HERE, environment={})
    return Job(id=job_id, status=status, metadata=order.metadata)


def test_the_same_request_has_the_same_name() -> None:
    assert ASKED.prefix == replace(ASKED).prefix
    assert ASKED.prefix.startswith("ablations-branching-regularizer-")
    others = [
        replace(ASKED, words=("--seeds", "4")),
        replace(ASKED, store="s3://bucket/other"),
        replace(ASKED, target="ablations.adaptation"),
    ]
    assert len({ASKED.digest, *(other.digest for other in others)}) == 4


def test_attempts_are_counted() -> None:
    assert next_id(ASKED, []) == f"{ASKED.prefix}-1"
    ended = [job(f"{ASKED.prefix}-{number}", "FAILED") for number in (9, 10, 2)]
    assert next_id(ASKED, [*ended, job("other-77", "STOPPED")]) == f"{ASKED.prefix}-11"


def test_a_live_job_of_one_of_the_studies_stands_in_the_way() -> None:
    other = replace(ASKED, target="x", studies=("other", *ASKED.studies))
    with pytest.raises(BackendError, match=r"is RUNNING already, as job x-1\. Follow it with"):
        next_id(ASKED, [job("x-1", asked=other)])
    elsewhere = replace(other, store="/elsewhere")
    assert next_id(ASKED, [job("x-1", asked=elsewhere)]) == f"{ASKED.prefix}-1"


def test_jobs_are_found_by_study_target_and_id() -> None:
    jobs = [Job(id="doctor", status="RUNNING"), job("b"), job("a")]
    assert [found.id for found in jobs_of(jobs, ASKED.studies)] == ["b", "a"]
    for name in (None, "b", ASKED.target, ASKED.studies[0]):
        found = job_named(jobs, name)
        assert found is not None
        assert found.id == "b"
    assert job_named(jobs, "doctor") is None


def test_an_order_says_where_the_code_comes_from() -> None:
    code = CodeVersion(revision="abc", dirty=True, lock="l", diff="d")
    order = order_of(ASKED, "x-1", Path("a.zip"), code, server=THERE, environment={"A": "b c"})
    words = shlex.split(order.entrypoint)
    assert words[:6] == ["python", "-m", "dymu", "run", ASKED.target, "--seeds"]
    assert words[-4:] == ["--address", "auto", "--store", ASKED.store]
    assert order.environment["A"] == "b c"
    assert order.environment["DYMU_CODE"] == code.dumps()
    assert order.metadata["dymu.git_revision"] == "abc"
    assert order.metadata["dymu.git_dirty"] == "true"
    assert all(isinstance(value, str) for value in order.metadata.values())


@pytest.mark.parametrize(
    ("uri", "nodes", "found"),
    [
        ("http://mlflow:5000", ["a", "b"], "http://mlflow:5000"),
        ("postgresql+psycopg2://u@db/mlflow", ["a", "b"], "postgresql+psycopg2://u@db/mlflow"),
        ("sqlite:////data/m.db", ["a", "a"], "sqlite:////data/m.db"),
        (None, ["a"], None),
    ],
)
def test_mlflow_is_where_the_driver_can_use_it(uri: str | None, nodes: list[str], found: str | None) -> None:
    assert tracking_of(uri, "/store", [node(host) for host in nodes], THERE) == (found, "")


@pytest.mark.parametrize("uri", ["postgresql+psycopg2://u:s3cret@db/mlflow", "http://ada:s3cret@mlflow:5000"])
def test_a_password_does_not_travel_with_a_job(uri: str) -> None:
    with pytest.raises(SpecError, match="MLFLOW_TRACKING_PASSWORD") as caught:
        tracking_of(uri, "/store", [], THERE)
    assert "s3cret" not in str(caught.value)


def test_a_relative_database_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert tracking_of("sqlite:///m.db", "/store", [node("a")], HERE)[0] == f"sqlite:///{tmp_path / 'm.db'}"


def test_loopback_means_another_machine_there() -> None:
    uri = "http://127.0.0.1:5000"
    assert tracking_of(uri, "/store", [], HERE) == (uri, "")
    assert "as seen from the head" in tracking_of(uri, "/store", [], THERE)[1]


@pytest.mark.parametrize(
    ("uri", "store", "nodes", "words"),
    [
        (None, "s3://bucket/dymu", [node("a")], "cannot lie in s3://bucket/dymu"),
        (None, "/store", [node("a"), node("b")], "is SQLite, and the cluster has 2 machines"),
        ("sqlite:////m.db", "/store", [node("a"), node("b")], "sqlite:////m.db is SQLite"),
        (None, "/store", [node("a", 0.0)], "will have more machines than its head"),
        ("./mlruns", "/store", [node("a")], "MLflow keeps no runs in './mlruns'"),
        ("file:///mlruns", "/store", [node("a")], "MLflow keeps no runs in"),
    ],
)
def test_mlflow_that_would_lose_data_is_refused(
    uri: str | None, store: str, nodes: list[Node], words: str
) -> None:
    with pytest.raises(SpecError, match=words) as error:
        tracking_of(uri, store, nodes, THERE)
    assert "--tracking-uri http://SERVER:5000" in str(error.value)


def test_a_store_has_an_absolute_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert location_of("/mnt/store", {}) == ("/mnt/store", "")
    assert location_of(None, {"DYMU_STORE": "s3://b/p"}) == ("s3://b/p", "")
    place, remark = location_of(None, {})
    assert place == str(tmp_path / ".dymu")
    assert "every node must see that folder" in remark


def test_a_store_in_the_folder_is_a_pattern() -> None:
    assert inside("/srv/study/.dymu", Path("/srv/study")) == ["/.dymu"]
    assert inside("/mnt/store", Path("/srv/study")) == []
    assert inside("s3://b/p", Path("/srv/study")) == []
