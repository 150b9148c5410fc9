from dymu.run.facts import driver_facts
from dymu.run.provenance import CodeVersion

NOWHERE = CodeVersion(revision=None, dirty=None, lock=None)


def test_a_job_names_its_submission_and_its_server() -> None:
    environment = {"DYMU_SUBMISSION": "digits-1", "DYMU_JOB_SERVER": "http://head:8265"}
    facts = driver_facts(backend="ray", address="auto", code=NOWHERE, environment=environment)
    assert facts["dymu.submission"] == "digits-1"
    assert facts["dymu.job_server"] == "http://head:8265"
    assert facts["mlflow.source.type"] == "JOB"


def test_the_code_is_named_with_its_changes() -> None:
    code = CodeVersion(revision="abc", dirty=True, lock=None, diff="f00")
    facts = driver_facts(backend="local", address=None, code=code, environment={})
    assert facts["mlflow.source.git.commit"] == "abc"
    assert (facts["dymu.git_dirty"], facts["dymu.git_diff_sha256"]) == ("true", "f00")


def test_what_is_not_known_is_not_told() -> None:
    facts = driver_facts(backend="local", address=None, code=NOWHERE, environment={"OTHER": "x"})
    assert set(facts) <= {"dymu.backend", "dymu.driver_host", "mlflow.source.type"}
    assert facts["mlflow.source.type"] == "LOCAL"
