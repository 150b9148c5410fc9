"""``dymu doctor --address``: has a cluster look at itself, and judges what it found."""

import json
import platform
import shlex
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from dymu.errors import BackendError
from dymu.run.jobs.client import Jobs, Order
from dymu.run.jobs.examine import MARK
from dymu.run.jobs.package import pack, survey
from dymu.run.jobs.verdicts import judge, judge_access
from dymu.run.verdict import Check

_PATIENCE_S = 300.0
_LOOK_S = 1.0


def consult(
    jobs: Jobs,
    *,
    store: str,
    tracking_uri: str | None,
    data_root: str | None,
    exclude: Sequence[str],
    pause: Callable[[float], None] = time.sleep,
) -> list[Check]:
    """Send a small job that looks at every node.

    Args:
        jobs: The cluster.
        store: Location of the store.
        tracking_uri: Where MLflow is.
        data_root: Folder of data sets.
        exclude: Files of the working directory that are not sent.
        pause: Waits so many seconds.

    Raises:
        BackendError: If the cluster does not answer.
    """
    checks = judge_access(jobs.address, jobs.nodes(), answers_anybody(jobs.address))
    asked = json.dumps({"store": store, "tracking_uri": tracking_uri, "data_root": data_root})
    job_id = f"dymu-doctor-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as scratch:
        archive = pack(survey(Path.cwd(), exclude), Path(scratch) / "code.zip", {})
        command = shlex.join(["python", "-m", "dymu", "look-around", asked])
        jobs.submit(Order(id=job_id, entrypoint=command, archive=archive, environment={}, metadata={}))
    waited = 0.0
    while (job := jobs.find(job_id)) is None or job.live:
        if waited > _PATIENCE_S:
            jobs.stop(job_id)
            return [
                *checks,
                Check(name="job", ok=False, found=f"{job_id} did not end in {_PATIENCE_S:.0f} s"),
            ]
        pause(_LOOK_S)
        waited += _LOOK_S
    said = jobs.log(job_id)
    found = [line for line in said.splitlines() if line.startswith(MARK)]
    if not found:
        last = " / ".join(said.strip().splitlines()[-3:]) or job.message
        return [*checks, Check(name="job", ok=False, found=f"{job_id} ended as {job.status}: {last}")]
    inside = judge(json.loads(found[-1].removeprefix(MARK)), python=platform.python_version())
    return [*checks, Check(name="job", ok=True, found=f"{job_id} ran a driver on the cluster"), *inside]


def answers_anybody(address: str) -> bool:
    """Whether the job server lists its jobs to somebody without a token.

    Raises:
        BackendError: If it does not answer.
    """
    try:
        with urllib.request.urlopen(f"{address}/api/jobs/", timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code not in (401, 403)
    except OSError as error:
        raise BackendError(f"no cluster answers at {address}: {error}.") from error
