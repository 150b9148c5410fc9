"""Keeps a tracking server informed about a study.

Records are the truth and MLflow is a view of them: what it is told comes from the store, may be told late,
and may be told twice without showing twice. One process tells about a manifest, whichever node it is on; a
lease in the store says which. Importing MLflow takes seconds: it happens when there is something to tell.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from dymu.artifacts.fingerprint import digest
from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.errors import StoreError, TrackingError
from dymu.tracking.cursor import Cursor, load_cursor
from dymu.tracking.faults import Busy, Forgotten, Unavailable, classified, shown, without_account
from dymu.tracking.mlflow import Server, create_database
from dymu.tracking.news import News, Newsroom, cells_of
from dymu.tracking.relocation import check_place
from dymu.tracking.teller import Failed, Teller, open_ends

LOG = logging.getLogger(__name__)

UI_ADDRESS = "http://127.0.0.1:5000"

_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 120.0
_BUSY_WAIT_S = 10.0  # whoever tells now may end at any moment, and what they leave is to be told soon
_SCHEMES = ("http://", "https://", "sqlite:///", "postgresql", "mysql", "mssql", "databricks")


class StudyWriter:
    """Tells one manifest to one tracking server.

    Args:
        store: The store that holds the study.
        manifest: What the study expects; each arm and seed becomes a run below one parent run.
        tracking_uri: MLflow tracking URI; by default a SQLite file in the store.
        facts: Tags of the parent run besides its own, such as the job that this process belongs to.

    Attributes:
        manifest: What is told: the one given, with the seeds that others have added since.
        pending: Values that were known and not told at the end of the last call.

    Raises:
        TrackingError: If the URI is of a kind that MLflow cannot write to, or the database in the store keeps
            its files in another one.
    """

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        *,
        tracking_uri: str | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        if tracking_uri is not None and not tracking_uri.startswith(_SCHEMES):
            raise TrackingError(
                f"the tracking URI {shown(tracking_uri)!r} is none that MLflow can write to. Name a server "
                "(http://HOST:5000) or a database (postgresql+psycopg2://USER@HOST/NAME, sqlite:////PATH)."
            )
        if tracking_uri is None:
            check_place(store)
        self.manifest = manifest
        self.pending = 0
        self._store = store
        self._facts = dict(facts or {})
        self._folder = store.mlflow_dir.absolute()
        self._database = self._folder / "mlflow.db"
        self._local = tracking_uri is None
        self._uri = tracking_uri or f"sqlite:///{self._database}"
        self._cursor_file = self._folder / "cursors" / f"{manifest.name}.json"
        self._lease = store.lease(f"telling/{digest((manifest.name, shown(tracking_uri or '')))}")
        self._newsroom = Newsroom(store, cells_of(manifest))
        self._cursor = self._load()
        self._teller: Teller | None = None
        self._compared = self._local  # whether this process has asked the server how far it was told
        self._retry_at = 0.0
        self._wait_s = 0.0
        self._complained = False

    def announce(self) -> None:
        """Make the parent run, so that :meth:`url` leads to it, before anything runs.

        Raises:
            TrackingError: As :meth:`sync`.
        """
        self._deliver(None, then=lambda teller: teller.schedule())
        self._lease.release()
        self._teller = None

    def sync(self) -> None:
        """Tell what is new since the last call; cheap if nothing is.

        While the server is away nothing is lost and nothing is raised: it is told at a later call.

        Raises:
            TrackingError: If the server or the disk refuses for a reason that waiting does not cure.
        """
        if time.monotonic() < self._retry_at:
            return
        news = self._collect()
        if news:
            self._deliver(news)

    def finish(self, failed: Failed, artifacts: Sequence[Path] = ()) -> None:
        """Tell the rest and close all runs.

        Runs with a record are FINISHED, those in ``failed`` FAILED, all others KILLED. The parent also gets
        one summary run per arm and the given files. What cannot be told now is told by the next writer of
        this manifest. A server is asked once per process what it has, so that one that lost something gets
        it again; the database in the store is not.

        Args:
            failed: (Arm, seed) to what went wrong.
            artifacts: Tables and figures for the parent run.

        Raises:
            TrackingError: As :meth:`sync`.
        """
        files = _digests(artifacts)
        self._adopt_seeds()
        news = self._collect()
        open_end = open_ends(self._store, self.manifest, self._cursor, failed=failed, files=files)
        if news or open_end or not self._compared:
            self._deliver(news, then=lambda teller: teller.close(failed, files))
        self._lease.release()

    def keep(self, artifacts: Sequence[Path]) -> bool:
        """Keep files with the parent run, whether or not the study goes on; no run changes its status.

        Returns:
            Whether that was done: not if there is no parent run, or if the server is away or busy, for
            instance with a process that runs the study.

        Raises:
            TrackingError: As :meth:`sync`.
        """
        if self._local and not self._database.exists():
            return False
        kept = False

        def put(teller: Teller) -> None:
            nonlocal kept
            if self._cursor.parent is not None:
                teller.keep(_digests(artifacts))
                kept = True

        self._deliver(None, then=put)
        self._lease.release()
        return kept

    def url(self) -> str:
        """Where a browser shows the parent run; for the store's own database as served by ``dymu ui``."""
        server = without_account(self._uri).rstrip("/") if self._uri.startswith("http") else UI_ADDRESS
        if self._cursor.parent is None:
            return server
        run = f"experiments/{self._cursor.experiment_id}/runs/{self._cursor.parent.run_id}"
        return f"{server}/#/{run}?workflowType=machine_learning"

    def _collect(self) -> list[News]:
        news = self._newsroom.collect(self._cursor)
        self.pending = sum(item.size for item in news)
        return news

    def _adopt_seeds(self) -> None:
        """Others may have added seeds to the study while this process told about it."""
        with suppress(StoreError):  # not saved, or damaged, which whoever reads it next tells
            merged = self.manifest.merged(self._store.manifest(self.manifest.name))
            if merged != self.manifest:
                self.manifest = merged
                self._newsroom = Newsroom(self._store, cells_of(merged))
                self._teller = None

    def _deliver(self, news: Sequence[News] | None, then: Callable[[Teller], None] | None = None) -> None:
        """Tell news, then do the rest; after an error all that did not arrive is told at a later call."""
        for patience in (True, False):
            try:
                if self._teller is None:
                    self._teller = self._connect()
                    news = None if news is None else self._collect()  # it depends on what the server has
                if news:
                    self._teller.tell(news)
                if then is not None:
                    then(self._teller)
                self._cursor.save(self._cursor_file)
            except BaseException as error:  # noqa: BLE001 - raised again unless waiting cures it
                self._teller = None
                self._newsroom.forget()
                self._cursor = self._load()
                reason = classified(error, self._uri)
                if isinstance(reason, Forgotten) and patience:
                    continue
                if not isinstance(reason, Unavailable):
                    raise reason from (None if isinstance(reason, TrackingError) else error)
                self._collect()  # for the count
                self._newsroom.forget()
                self._wait(reason)
            else:
                if self._complained:
                    LOG.warning("MLflow at %s answers again; nothing was lost.", shown(self._uri))
                self._wait_s, self.pending, self._complained, self._compared = 0.0, 0, False, True
            return

    def _wait(self, reason: Unavailable) -> None:
        if isinstance(reason, Busy):
            self._retry_at = time.monotonic() + _BUSY_WAIT_S
            return
        if not self._complained:
            LOG.warning(
                "MLflow at %s cannot be told now (%s). The study goes on; it is told later.",
                shown(self._uri),
                reason,
            )
        self._complained = True
        self._wait_s = min(max(2 * self._wait_s, _FIRST_WAIT_S), _LONGEST_WAIT_S)
        self._retry_at = time.monotonic() + self._wait_s

    def _connect(self) -> Teller:
        self._cursor_file.parent.mkdir(parents=True, exist_ok=True)
        if not self._lease.held and not self._lease.try_acquire():
            raise Busy("another process tells it about this study")
        self._cursor = Cursor(uri=shown(self._uri))
        if self._local:
            with FileLock(self._folder / "create.lock"):  # two processes must not create one database at once
                if not self._database.exists():
                    create_database(self._database)
                server = self._server()
        else:
            server = self._server()
        self._newsroom.forget()
        return Teller(
            server,
            store=self._store,
            manifest=self.manifest,
            cursor=self._cursor,
            facts=self._facts,
            fence=self._fence,
        )

    def _server(self) -> Server:
        server = Server(self._uri)
        place = (self._folder / "artifacts").as_uri() if self._local else None
        self._cursor.experiment_id = server.experiment(self.manifest.study, place)
        return server

    def _fence(self) -> None:
        if self._lease.lost or not self._lease.held:
            raise Busy("another process has taken over")

    def _load(self) -> Cursor:
        if self._local and not self._database.exists():
            return Cursor(uri=shown(self._uri))
        return load_cursor(self._cursor_file, shown(self._uri))


def _digests(paths: Iterable[Path]) -> dict[Path, str]:
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
