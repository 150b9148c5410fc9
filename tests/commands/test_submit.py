import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.location import open_store
from dymu.errors import TrackingError
from dymu.run.jobs import package

Dymu = Callable[..., Any]

TOYS = Path(__file__).parents[1] / "run" / "toys"
AT = ("--address", "http://127.0.0.1:8265")
STUDY = "toy_studies:ours"


def submit(dymu: Dymu, *arguments: str) -> Any:
    return dymu("submit", STUDY, *AT, "--no-tracking", *arguments)


def test_a_study_is_planned_sent_and_can_be_followed(dymu: Dymu, cluster: Any, tmp_path: Path) -> None:
    said = submit(dymu, "--seeds", "2", "--device", "cuda", "--env", "AWS_REGION=x")
    assert said.code == 0, said.err
    assert "10 steps: 0 cached" in said.flat
    (order,) = cluster.orders
    assert order.id == cluster.jobs[0].id
    assert order.id.startswith("toy-studies-ours-")
    assert order.id.endswith("-1")
    where = ["--address", "auto", "--store", str(tmp_path / "store")]
    flags = ["--seeds", "2", "--device", "cuda", "--no-tracking"]
    assert shlex.split(order.entrypoint) == ["python", "-m", "dymu", "run", STUDY, *flags, *where]
    assert order.environment["AWS_REGION"] == "x"
    assert int(order.environment["RAY_JOB_STOP_WAIT_TIME_S"]) > 60
    assert order.metadata["dymu.studies"] == "toy_studies-ours"
    assert cluster.files[0]["toy_studies.py"]
    for verb in ("logs -f", "stop"):
        assert f"dymu {verb} {order.id}" in said.out


def test_the_code_says_where_it_comes_from(dymu: Dymu, cluster: Any) -> None:
    submit(dymu)
    told = json.loads(cluster.orders[0].environment["DYMU_CODE"])
    assert told.keys() == {"revision", "dirty", "lock", "diff"}
    assert (".dymu-code.diff" in cluster.files[0]) is (told["diff"] is not None)
    assert cluster.orders[0].environment["DYMU_SUBMISSION"] == cluster.orders[0].id


def test_a_study_that_is_live_is_refused(dymu: Dymu, cluster: Any) -> None:
    submit(dymu)
    said = submit(dymu, "--threads", "2")
    assert said.code == 3
    assert f"toy_studies-ours is RUNNING already, as job {cluster.jobs[0].id}" in said.err
    assert "dymu logs -f" in said.err
    assert len(cluster.orders) == 1


@pytest.mark.parametrize("status", ["FAILED", "STOPPED", "SUCCEEDED"])
def test_a_study_that_ended_gets_another_attempt(dymu: Dymu, cluster: Any, status: str) -> None:
    submit(dymu)
    cluster.end(status)
    assert submit(dymu).code == 0
    first, second = (order.id for order in cluster.orders)
    assert second == first.removesuffix("1") + "2"


def test_a_live_study_of_another_store_is_another(dymu: Dymu, cluster: Any, tmp_path: Path) -> None:
    submit(dymu)
    assert submit(dymu, "--store", str(tmp_path / "other")).code == 0
    assert len({order.id for order in cluster.orders}) == 2


def test_a_dry_run_needs_no_cluster(dymu: Dymu, cluster: Any) -> None:
    cluster.down = True
    said = submit(dymu, "--dry-run")
    assert said.code == 0
    assert "Would be toy-studies-ours-" in said.flat
    assert "files," in said.flat
    assert submit(dymu).code == 3
    assert cluster.orders == []


def test_nothing_to_run_sends_nothing(dymu: Dymu, run_here: Dymu, cluster: Any) -> None:
    run_here(STUDY)
    said = submit(dymu)
    assert said.code == 4
    assert "nothing to run" in said.out
    assert cluster.orders == []


def test_without_a_cluster_it_says_how_to_name_one(dymu: Dymu) -> None:
    said = dymu("submit", STUDY)
    assert said.code == 2
    assert "RAY_API_SERVER_ADDRESS" in said.err


def test_the_environment_names_the_cluster(dymu: Dymu, cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://head:8265")
    assert dymu("submit", STUDY, "--no-tracking").code == 0
    assert cluster.address == "http://head:8265"


def test_a_typo_is_found_before_anything_is_sent(dymu: Dymu, cluster: Any) -> None:
    said = dymu("submit", "toy_studies:oars", *AT)
    assert said.code == 2
    assert cluster.orders == []


def test_above_the_budget_somebody_must_agree(dymu: Dymu, cluster: Any) -> None:
    said = submit(dymu, "--budget", "1")
    assert said.code == 2
    assert "The budget is 1 hours; there is no estimate" in said.err
    assert cluster.orders == []
    assert submit(dymu, "--budget", "1", "--yes").code == 0


@pytest.mark.usefixtures("cluster")
def test_within_the_budget_nobody_is_asked(dymu: Dymu, run_here: Dymu) -> None:
    run_here(STUDY)
    said = submit(dymu, "--seeds", "2", "--budget", "1")
    assert said.code == 0, said.err
    assert "core-hours, judged by earlier steps" in said.flat


@pytest.mark.usefixtures("cluster")
def test_too_large_a_folder_names_its_largest_files(dymu: Dymu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "LIMIT", 100)
    said = submit(dymu)
    assert said.code == 3
    assert "toy_parts.py" in said.err
    assert "--exclude" in said.err


def test_files_can_be_left_out(dymu: Dymu, cluster: Any) -> None:
    submit(dymu, "--exclude", "toy_f*.py")
    assert "toy_faults.py" not in cluster.files[0]
    assert "toy_parts.py" in cluster.files[0]


def test_a_store_inside_the_folder_is_not_sent(
    dymu: Dymu, cluster: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("toy_parts.py", "toy_studies.py"):
        shutil.copyfile(TOYS / name, tmp_path / name)
    open_store("results")
    said = submit(dymu, "--store", "results")
    assert said.code == 0, said.err
    assert f"The store is {tmp_path / 'results'}; every node must see that folder" in said.flat
    assert sorted(cluster.files[0]) == ["toy_parts.py", "toy_studies.py"]


def test_a_database_in_the_store_needs_one_machine(dymu: Dymu, cluster: Any) -> None:
    cluster.hosts = ["10.0.0.1", "10.0.0.2"]
    said = dymu("submit", STUDY, *AT)
    assert said.code == 2
    assert "is SQLite, and the cluster has 2 machines" in said.err
    cluster.hosts = ["10.0.0.1", "10.0.0.1"]
    assert dymu("submit", STUDY, *AT).code == 0


def test_the_study_has_a_page_before_it_runs(
    dymu: Dymu, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    announced: list[str] = []

    class Writer:
        def __init__(self, store: Any, manifest: Any, *, tracking_uri: str) -> None:
            self.manifest = manifest
            self.uri = tracking_uri
            assert not store.read_only

        def announce(self) -> None:
            announced.append(self.manifest.name)
            raise TrackingError("the server refuses")

        def url(self) -> str:
            return f"{self.uri}/#/runs/1"

    monkeypatch.setattr("dymu.tracking.writer.StudyWriter", Writer)
    said = dymu("submit", STUDY, *AT, "--tracking-uri", "http://mlflow:5000")
    assert said.code == 0
    assert announced == ["toy_studies-ours"]
    assert "MLflow: http://mlflow:5000/#/runs/1" in said.out
    assert "The study was submitted all the same" in said.err
    assert cluster.orders


def test_a_server_that_only_the_head_sees_is_not_told_from_here(dymu: Dymu, cluster: Any) -> None:
    where = ("--address", "http://head:8265", "--tracking-uri", "http://127.0.0.1:5000")
    said = dymu("submit", STUDY, *where)
    assert said.code == 0
    assert "is meant as seen from the head" in said.flat
    assert said.out.rstrip().endswith("MLflow: http://127.0.0.1:5000")
    assert cluster.orders


@pytest.mark.usefixtures("cluster")
def test_a_variable_needs_a_name(dymu: Dymu) -> None:
    assert "expected NAME=VALUE" in submit(dymu, "--env", "novalue").err


def test_following_ends_with_the_code_of_the_study(
    dymu: Dymu, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = cluster.submit

    def submitted(order: Any) -> None:
        accepted(order)
        cluster.logs[order.id] = ["begun\n", "broken\n"]
        cluster.end("FAILED", 1)

    monkeypatch.setattr(cluster, "submit", submitted)
    said = submit(dymu, "--follow")
    assert said.code == 1
    assert said.out.endswith("begun\nbroken\n")
