"""Tells a tracking server about searches: a run for each search, below it one for each answered trial.

What is told comes from the file of trials, so it can be told late or again: a run is found by its identity
tag before it is created, and one that is closed is complete. The lease of the search keeps it to one teller.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from filelock import FileLock

from dymu.artifacts.store import Store
from dymu.artifacts.trials import SearchResult, Trial, short_names
from dymu.errors import TrackingError
from dymu.tracking.faults import Unavailable, classified, shown, without_account
from dymu.tracking.mlflow import Server as MlflowServer
from dymu.tracking.mlflow import create_database
from dymu.tracking.naming import metric_keys
from dymu.tracking.parcels import parcels
from dymu.tracking.relocation import check_place
from dymu.tracking.tags import FILE_TAG, KEY_TAG, MANIFEST_TAG, PARENT_TAG, ROLE_TAG
from dymu.tracking.teller import FAILED, FINISHED, KILLED, RUNNING, KnownRun, Server
from dymu.tracking.writer import UI_ADDRESS

LOG = logging.getLogger(__name__)

_WAIT_S = 10.0
_STATES = {"complete": FINISHED, "pruned": KILLED, "failed": FAILED}
_IMAGES = (".svg", ".pdf", ".png")


class SearchTeller:
    """Tells one search to a server that answers.

    Args:
        server: The server.
        experiment_id: Experiment of the search's baseline.
        result: What is known; its runs are looked up.
    """

    def __init__(self, server: Server, *, experiment_id: str, result: SearchResult) -> None:
        self._server = server
        self._experiment_id = experiment_id
        self._key = f"search/{result.key}"
        runs = server.search(experiment_id, MANIFEST_TAG, self._key)
        self._known = {run.tags[KEY_TAG]: run for run in runs if KEY_TAG in run.tags}
        self.parent = self._find_or_create(self._key, result.name, _parent_tags(result))

    def tell(self, result: SearchResult) -> None:
        """Tell the trials that were answered since."""
        for trial in result.trials:
            known = self._known.get(f"{self._key}/trial-{trial.number}")
            if trial.state != "running" and (known is None or known.status == RUNNING):
                self._tell_trial(result, trial)

    def close(self, result: SearchResult, files: Mapping[Path, str]) -> None:
        """Tell the rest, keep files that are new (path to SHA-256), and close the run of the search."""
        self.tell(result)
        for path, digest in files.items():
            tag = f"{FILE_TAG}{path.name}"
            if self.parent.tags.get(tag) != digest:
                folder = "figures" if path.suffix in _IMAGES else "tables"
                self._server.file(self.parent.run_id, path, folder)
                self._log(self.parent, tags={tag: digest})
                self.parent.tags[tag] = digest
        best = result.ranked()[:1] if len(result.goals) == 1 else ()
        for trial in best:
            values = {f"best/{goal.value}": v for goal, v in zip(result.goals, trial.objectives, strict=True)}
            self._log(self.parent, values=values, tags={"dymu.best_trial": str(trial.number)})
        answered = sum(trial.state != "running" for trial in result.trials)
        self._set_status(self.parent, FINISHED if answered >= result.budget else KILLED)

    def _tell_trial(self, result: SearchResult, trial: Trial) -> None:
        key = f"{self._key}/trial-{trial.number}"
        tags = {
            MANIFEST_TAG: self._key,
            ROLE_TAG: "trial",
            PARENT_TAG: self.parent.run_id,
            "dymu.study": result.study,
            "dymu.trial": str(trial.number),
            "dymu.state": trial.state,
            **{f"dymu.validation.{seed}": address for seed, address in trial.addresses.items()},
        }
        if trial.error:
            tags["dymu.error"] = trial.error
        run = self._find_or_create(key, f"trial {trial.number}", tags)
        names = short_names(result.space)
        values = dict(trial.means)
        values |= {goal.value: v for goal, v in zip(result.goals, trial.objectives, strict=False)}
        if trial.seconds is not None:
            values["seconds"] = trial.seconds
        params = {names[path]: str(value) for path, value in trial.params.items()}
        self._log(run, values=values, params={"trial": str(trial.number), **params})
        self._set_status(run, _STATES[trial.state])

    def _find_or_create(self, key: str, name: str, tags: Mapping[str, str]) -> KnownRun:
        run = self._known.get(key)
        if run is None:
            run = self._server.create(self._experiment_id, name, {KEY_TAG: key, **tags})
            self._known[key] = run
        elif run is self._known.get(self._key):
            self._set_status(run, RUNNING)
        return run

    def _log(
        self,
        run: KnownRun,
        *,
        values: Mapping[str, float] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        keys = metric_keys(values or {})
        # The time of a metric is the start of its run: told twice, it is there once.
        group = [(keys[name], value, run.started_ms, 0) for name, value in (values or {}).items()]
        for parcel in parcels([group], params=params or {}, tags=tags or {}):
            self._server.log(run.run_id, parcel)

    def _set_status(self, run: KnownRun, status: str) -> None:
        if run.status != status:
            self._server.set_status(run.run_id, status)
            run.status = status


class SearchTracking:
    """The tellers of some searches; a server that refuses ends the telling, not the search.

    Args:
        store: Holds the database by default.
        uri: MLflow tracking URI; ``None`` for the database in the store.
        enabled: Whether anything is told.

    Attributes:
        error: What was refused; empty if nothing.
        urls: Where a browser shows each search.

    Raises:
        TrackingError: If the database in the store keeps its files in another one.
    """

    def __init__(self, store: Store, *, uri: str | None, enabled: bool) -> None:
        if uri is None and enabled:
            check_place(store)
        self._folder = store.mlflow_dir.absolute()
        self._local = uri is None
        self._uri = uri or f"sqlite:///{self._folder / 'mlflow.db'}"
        self._enabled = enabled
        self._server: MlflowServer | None = None
        self._tellers: dict[str, SearchTeller] = {}
        self._told: dict[str, int] = {}  # key of a search to its answered trials
        self._retry_at = 0.0
        self._complained = False
        self.error = ""
        self.urls: tuple[str, ...] = ()

    def tell(self, results: Sequence[SearchResult]) -> None:
        """Tell what is new; while the server is away nothing is lost and it is told at a later call."""
        if time.monotonic() < self._retry_at:
            return
        for result in results:
            answered = sum(trial.state != "running" for trial in result.trials)
            if self._told.get(result.key) != answered and self._deliver(
                result, partial(SearchTeller.tell, result=result)
            ):
                self._told[result.key] = answered

    def finish(self, results: Sequence[SearchResult], files: Mapping[str, Sequence[Path]]) -> None:
        """Tell the rest and close the runs.

        Args:
            results: The searches.
            files: Key of a search to files for its run.
        """
        for result in results:
            digests = {path: _sha256(path) for path in files.get(result.key, ())}
            self._deliver(result, partial(SearchTeller.close, result=result, files=digests))

    def _deliver(self, result: SearchResult, act: Callable[[SearchTeller], None]) -> bool:
        """Tell something; whether it arrived."""
        if not self._enabled or self.error:
            return False
        try:
            teller = self._tellers.get(result.key) or self._connect(result)
            act(teller)
        except BaseException as error:
            self._tellers.pop(result.key, None)
            self._told.pop(result.key, None)
            reason = classified(error, self._uri)
            if isinstance(reason, Unavailable):
                if not self._complained:
                    LOG.warning(
                        "MLflow at %s cannot be told now (%s). The search goes on; it is told later.",
                        shown(self._uri),
                        reason,
                    )
                self._complained = True
                self._retry_at = time.monotonic() + _WAIT_S
            elif isinstance(reason, TrackingError):
                self.error = str(reason)
            else:
                raise
            return False
        self._complained = False
        return True

    def _connect(self, result: SearchResult) -> SearchTeller:
        if self._server is None:
            if self._local:
                self._folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._folder / "create.lock"):
                    if not (self._folder / "mlflow.db").exists():
                        create_database(self._folder / "mlflow.db")
                    self._server = MlflowServer(self._uri)
            else:
                self._server = MlflowServer(self._uri)
        place = (self._folder / "artifacts").as_uri() if self._local else None
        experiment = self._server.experiment(result.study, place)
        teller = SearchTeller(self._server, experiment_id=experiment, result=result)
        self._tellers[result.key] = teller
        base = UI_ADDRESS if self._local else without_account(self._uri).rstrip("/")
        url = f"{base}/#/experiments/{experiment}/runs/{teller.parent.run_id}?workflowType=machine_learning"
        self.urls = tuple(dict.fromkeys((*self.urls, url)))
        return teller


def _parent_tags(result: SearchResult) -> dict[str, str]:
    goals = "\n".join(f"- {goal.value}, {'up' if goal.maximize else 'down'}" for goal in result.goals)
    space = "\n".join(f"- `{path}`: {values}" for path, values in result.space.items())
    return {
        MANIFEST_TAG: f"search/{result.key}",
        ROLE_TAG: "search",
        "dymu.study": result.study,
        "dymu.sampler": result.sampler,
        "mlflow.source.name": result.target,
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": f"Search {result.name}\n\n{goals}\n\n{space}",
    }


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
