from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.location import open_store
from dymu.run.jobs.client import Job

Dymu = Callable[..., Any]

AT = ("--address", "http://127.0.0.1:8265")
OURS = {"dymu.studies": "toy_studies-ours", "dymu.target": "toy_studies:ours", "dymu.store": "/store"}


@pytest.fixture
def job(cluster: Any) -> Any:
    """A cluster on which a study has failed after it said three things."""
    cluster.jobs = [
        Job(id="doctor-1", status="RUNNING"),
        Job(id="toy-2", status="FAILED", exit_code=1, metadata=OURS),
        Job(id="toy-1", status="STOPPED", metadata=OURS),
    ]
    cluster.logs = {"toy-1": ["old\n"], "toy-2": ["one\n", "two\n", "three\n"]}
    return cluster


@pytest.mark.parametrize("name", [(), ("toy-2",), ("toy_studies-ours",), ("toy_studies:ours",)])
@pytest.mark.usefixtures("job")
def test_the_last_job_of_a_study_is_shown(dymu: Dymu, name: tuple[str, ...]) -> None:
    said = dymu("logs", *name, *AT)
    assert (said.code, said.out) == (0, "one\ntwo\nthree\n")


@pytest.mark.usefixtures("job")
def test_an_earlier_job_is_shown_by_its_id(dymu: Dymu) -> None:
    assert dymu("logs", "toy-1", *AT).out == "old\n"


def test_following_goes_on_after_connections_that_broke_and_repeats_nothing(dymu: Dymu, job: Any) -> None:
    looks = iter(["RUNNING", "RUNNING", "FAILED"])
    job.breaks = [1, 2]
    find = job.find

    def changing(job_id: str) -> Job:
        return replace(find(job_id), status=next(looks))

    job.find = changing
    said = dymu("logs", "-f", "toy-2", *AT)
    assert said.out == "one\ntwo\nthree\n"
    assert said.code == 1
    assert said.err.count("Trying again") == 2


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("STOPPED", 130)])
def test_following_ends_with_the_study(dymu: Dymu, job: Any, status: str, code: int) -> None:
    job.jobs = [Job(id="toy-2", status=status, metadata=OURS)]
    assert dymu("logs", "-f", *AT).code == code


def test_without_the_cluster_the_store_tells(dymu: Dymu, run_here: Dymu, cluster: Any) -> None:
    run_here("toy_studies:ours")
    cluster.down = True
    said = dymu("logs", *AT)
    assert said.code == 0
    assert "What follows is from the store" in said.err
    assert "5 steps: 0 cached" in said.out
    assert "toy_studies:ours" in said.out


def test_runs_follow_one_another_in_the_log_of_a_study(dymu: Dymu, run_here: Dymu) -> None:
    run_here("toy_studies:ours")
    run_here("toy_studies:ours")
    said = dymu("logs", "-f", "toy_studies-ours")
    assert said.code == 0
    assert said.out.count("--- 2") == 2
    assert said.out.index("5 to run") < said.out.index("nothing to run")


def test_failures_are_in_the_log(finished: Dymu) -> None:
    said = finished("logs", "toy_studies-ours.toy_question")
    assert "not finite at step 3" in said.out


def test_steps_have_logs_of_their_own(finished: Dymu) -> None:
    said = finished("logs", "--stage", "weight", "--arm", "broken")
    assert said.code == 0
    assert "TrainingError: the loss of task left is not finite at step 3" in said.out
    alone = finished("logs", "-f", "--stage", "weight", "--arm", "broken", "--seed", "0")
    assert said.out == f"--- broken seed 0 weight  {said.out.split()[5]}\n{alone.out}"


def test_a_published_step_has_no_log(finished: Dymu) -> None:
    said = finished("logs", "--stage", "anchor")
    assert said.code == 4
    assert "published steps keep none" in said.err


def test_what_never_ran_has_no_log(dymu: Dymu, run_here: Dymu, tmp_path: Path) -> None:
    open_store(str(tmp_path / "store"))
    assert dymu("logs").code == 4
    run_here("toy_studies:ours")
    said = dymu("logs", "other")
    assert said.code == 3
    assert "knows no study 'other'; it has: toy_studies-ours" in said.err
