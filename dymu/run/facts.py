"""What a tracking server is told about the process that drives a study."""

import platform
from collections.abc import Mapping

from dymu.run.jobs.submission import SERVER_VARIABLE, SUBMISSION_VARIABLE
from dymu.run.provenance import CodeVersion


def driver_facts(
    *, backend: str, address: str | None, code: CodeVersion, environment: Mapping[str, str]
) -> dict[str, str]:
    """Tags of the run that stands for a study; those that are unknown are left out.

    Args:
        backend: Where steps run.
        address: Of the Ray cluster, if it was there already.
        code: What is known about the code.
        environment: Of the process; a job finds its submission id and its server there.
    """
    facts = {
        "dymu.backend": backend,
        "dymu.ray_address": address,
        "dymu.submission": environment.get(SUBMISSION_VARIABLE),
        "dymu.job_server": environment.get(SERVER_VARIABLE),
        "dymu.driver_host": platform.node(),
        "mlflow.source.git.commit": code.revision,
        "dymu.git_dirty": None if code.dirty is None else str(code.dirty).lower(),
        "dymu.git_diff_sha256": code.diff,
        "mlflow.source.type": "JOB" if environment.get(SUBMISSION_VARIABLE) else "LOCAL",
    }
    return {name: value for name, value in facts.items() if value}
