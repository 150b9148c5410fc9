"""What a submitted study is called, whether it may start, and what travels with it."""

import getpass
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dymu.errors import BackendError, SpecError
from dymu.run.jobs.address import is_loopback
from dymu.run.jobs.client import Job, Node, Order
from dymu.run.provenance import CODE_VARIABLE, CodeVersion
from dymu.tracking.faults import shown

STUDIES = "dymu.studies"
STORE = "dymu.store"
DIGEST = "dymu.digest"
TARGET = "dymu.target"
SUBMISSION_VARIABLE = "DYMU_SUBMISSION"
SERVER_VARIABLE = "DYMU_JOB_SERVER"
STOP_WAIT_S = 180  # a driver may wait for checkpoints for half a minute, and then has MLflow to tell
_SERVER = (
    "Name a server with --tracking-uri http://SERVER:5000 or MLFLOW_TRACKING_URI, or leave MLflow out with "
    "--no-tracking."
)
_DIGEST_LENGTH = 8
_SLUG_LENGTH = 60


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user asked to have run.

    Attributes:
        target: The target's text.
        words: Further words of the ``dymu run`` command.
        studies: Names of the manifests.
        store: Where the store is, for the cluster.
    """

    target: str
    words: tuple[str, ...]
    studies: tuple[str, ...]
    store: str

    @property
    def digest(self) -> str:
        """Stands for all of it."""
        text = json.dumps([self.target, self.words, self.store])
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]

    @property
    def prefix(self) -> str:
        """Submission id without the attempt."""
        slug = re.sub(r"[^A-Za-z0-9]+", "-", self.target).strip("-")[:_SLUG_LENGTH]
        return f"{slug}-{self.digest}"

    @property
    def command(self) -> list[str]:
        """The command of the driver."""
        where = ["--address", "auto", "--store", self.store]
        return ["python", "-m", "dymu", "run", self.target, *self.words, *where]


def next_id(asked: Asked, jobs: Iterable[Job]) -> str:
    """Submission id of the next attempt.

    Raises:
        BackendError: If one of the studies is live on this cluster, in the same store.
    """
    listed = list(jobs)
    for job in jobs_of(listed, asked.studies, asked.store):
        if job.live:
            raise BackendError(
                f"{job.metadata[STUDIES]} is {job.status} already, as job {job.id}. Follow it with "
                f"`dymu logs -f {job.id}`, or stop it first with `dymu stop {job.id}`."
            )
    attempts = [_attempt(job.id, asked.prefix) for job in listed]
    return f"{asked.prefix}-{max(attempts, default=0) + 1}"


def jobs_of(jobs: Iterable[Job], studies: Iterable[str], store: str | None = None) -> list[Job]:
    """Jobs of any of some studies, the last first; only those in one store if it is given."""
    wanted = set(studies)
    return [
        job
        for job in jobs
        if wanted & set(job.metadata.get(STUDIES, "").split(",")) and store in (None, job.metadata.get(STORE))
    ]


def job_named(jobs: Iterable[Job], name: str | None) -> Job | None:
    """The last job of a study, question or target, or the job of this id; the last study's without a name."""
    for job in jobs:
        told = job.metadata
        if STUDIES in told and name in (None, job.id, told.get(TARGET), *told[STUDIES].split(",")):
            return job
    return None


def order_of(
    asked: Asked,
    job_id: str,
    archive: Path,
    code: CodeVersion,
    *,
    server: str,
    environment: Mapping[str, str],
) -> Order:
    """What the cluster is told.

    Args:
        asked: What is to run.
        job_id: From :func:`next_id`.
        archive: The code.
        code: What was found out about it here; there is no repository on the cluster.
        server: Address of the job server, as seen from here.
        environment: Further variables.
    """
    told = {
        STUDIES: ",".join(asked.studies),
        STORE: asked.store,
        DIGEST: asked.digest,
        TARGET: asked.target,
        "dymu.git_revision": code.revision or "",
        "dymu.git_dirty": "" if code.dirty is None else str(code.dirty).lower(),
        "dymu.git_diff_sha256": code.diff or "",
        "dymu.user": _user(),
    }
    variables = {
        CODE_VARIABLE: code.dumps(),
        SUBMISSION_VARIABLE: job_id,
        SERVER_VARIABLE: server,
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S),
        **environment,
    }
    return Order(
        id=job_id,
        entrypoint=shlex.join(asked.command),
        archive=archive,
        environment=variables,
        metadata=told,
    )


def tracking_of(uri: str | None, store: str, nodes: Sequence[Node], server: str) -> tuple[str | None, str]:
    """Where MLflow is for a driver on the cluster, and a remark if there is one to make.

    Only the driver talks to MLflow, and it runs on the head. An SQLite file that other machines write too, or
    that lies on network storage, loses data; so it is allowed only where there is one machine.

    Args:
        uri: Tracking URI; ``None`` for a database in the store.
        store: Location of the store.
        nodes: Of the cluster.
        server: Address of the job server.

    Raises:
        SpecError: If the driver could not use it.
    """
    if uri is not None and not uri.startswith("sqlite:"):
        scheme, separator, rest = uri.partition("://")
        if not separator or scheme == "file":
            raise SpecError(f"MLflow keeps no runs in {uri!r}. {_SERVER}")
        if shown(uri) != uri:
            raise SpecError(
                f"the tracking URI {shown(uri)} has a password, and whoever sees a cluster's jobs sees their "
                "commands. Give the URI without it, and set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD where the driver runs; or leave the URI out here and set "
                "MLFLOW_TRACKING_URI there."
            )
        here = rest.startswith(("127.", "localhost", "[::1]")) and not is_loopback(server)
        return uri, f"{uri} is meant as seen from the head of the cluster." if here else ""
    if uri is None and "://" in store:
        raise SpecError(f"MLflow's database cannot lie in {store}. {_SERVER}")
    more = _more_machines(nodes)
    if more:
        raise SpecError(f"{uri or 'the MLflow database in the store'} is SQLite, and {more}. {_SERVER}")
    if uri is None:
        return None, ""
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).absolute()}", ""


def location_of(given: str | Path | None, environment: Mapping[str, str]) -> tuple[str, str]:
    """Where the store is for every node, and a remark if that had to be guessed.

    Args:
        given: From the command line.
        environment: ``DYMU_STORE`` comes next, then ``.dymu`` in the working directory.
    """
    text = str(given) if given is not None else environment.get("DYMU_STORE") or ".dymu"
    if "://" in text or Path(text).is_absolute():
        return text, ""
    absolute = str(Path(text).absolute())
    return absolute, f"The store is {absolute}; every node must see that folder (`dymu doctor` looks)."


def inside(store: str, folder: Path) -> list[str]:
    """The store as a pattern of files that are not sent, if it lies in the folder that is sent."""
    path = Path(store)
    return [f"/{path.relative_to(folder)}"] if path.is_absolute() and path.is_relative_to(folder) else []


def _attempt(job_id: str, prefix: str) -> int:
    number = job_id.removeprefix(prefix + "-")
    return int(number) if number.isdecimal() and number != job_id else 0


def _more_machines(nodes: Sequence[Node]) -> str:
    hosts = {node.host for node in nodes}
    if len(hosts) > 1:
        return f"the cluster has {len(hosts)} machines"
    if nodes and not any(node.resources.get("CPU") for node in nodes):
        return "the cluster will have more machines than its head, which runs no steps"
    return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return ""
