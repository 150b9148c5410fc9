"""A tracking server over HTTP that keeps everything in memory and fails on demand.

It answers MLflow's own client with the calls that dymu makes, and stores as MLflow's SQL store does: a metric
row is identified by key, step, time and value; params never change; what a batch holds is stored param by
param, then all metrics at once, then the tags.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

Fault = str
"""``before`` and ``after``: the connection breaks, before the request is carried out or after. ``half``: a
batch is stored in part, then the connection breaks. ``hang``: no answer for a while. A number: that
status."""

ACTIVE = "active"


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the server
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Broken(Exception):  # noqa: N818 - the connection ends here
    pass


@dataclass
class Run:
    run_id: str
    experiment_id: str
    name: str
    started_ms: int
    status: str = "RUNNING"
    stage: str = ACTIVE
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: set[tuple[str, float, int, int]] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)

    def form(self) -> dict[str, Any]:
        latest: dict[str, tuple[int, int, float]] = {}
        for key, value, time_ms, step in self.metrics:
            latest[key] = max(latest.get(key, (-1, -1, 0.0)), (step, time_ms, value))
        return {
            "info": {
                "run_id": self.run_id,
                "run_uuid": self.run_id,
                "run_name": self.name,
                "experiment_id": self.experiment_id,
                "status": self.status,
                "start_time": self.started_ms,
                "lifecycle_stage": self.stage,
                "artifact_uri": f"mlflow-artifacts:/{self.experiment_id}/{self.run_id}/artifacts",
            },
            "data": {
                "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
                "params": [{"key": key, "value": value} for key, value in self.params.items()],
                "metrics": [
                    {"key": key, "value": value, "timestamp": time_ms, "step": step}
                    for key, (step, time_ms, value) in latest.items()
                ],
            },
        }


class FakeMlflow:
    """Everything that the server knows, and how it is to fail.

    Attributes:
        requests: Paths of all requests, in order.
        fault: Given the number of a request (from 0), how it fails; ``None`` if it does not.
        hang_s: How long a request that hangs does so.
        message: The body of an answer with a status that was demanded.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.fault: Callable[[int], Fault | None] = lambda _: None
        self.hang_s = 3.0
        self.message = "on demand"
        self._lock = threading.Lock()
        self.uri = ""
        self.clear()

    def clear(self) -> None:
        """Lose everything, as an empty database does."""
        self.experiments: dict[str, str] = {}
        self.experiment_tags: dict[tuple[str, str], str] = {}
        self.runs: dict[str, Run] = {}

    # --- what a test asks ----------------------------------------------------------------------------------

    @property
    def active(self) -> list[Run]:
        return [run for run in self.runs.values() if run.stage == ACTIVE]

    @property
    def statuses(self) -> dict[str, str]:
        """Name to status of the runs that are not deleted; no name may be there twice."""
        names = [run.name for run in self.active]
        assert len(names) == len(set(names)), names
        return {run.name: run.status for run in sorted(self.active, key=lambda run: run.name)}

    def steps(self, name: str, metric: str) -> list[int]:
        """All steps of a metric of a run, as its history has them."""
        (run,) = (run for run in self.active if run.name == name)
        return sorted(step for key, _, _, step in run.metrics if key == metric)

    @property
    def told(self) -> dict[str, object]:
        """Everything about the runs that are not deleted, without times and identifiers."""
        return {
            run.name: (
                run.status,
                {key: value for key, value in run.tags.items() if key != "mlflow.parentRunId"},
                dict(run.params),
                sorted((key, step, value) for key, value, _, step in run.metrics),
                sorted(run.files),
            )
            for run in self.active
        }

    # --- what a client asks --------------------------------------------------------------------------------

    def answer(self, method: str, path: str, body: bytes) -> dict[str, Any]:
        with self._lock:
            number = len(self.requests)
            route = urlparse(path).path
            self.requests.append(f"{method} {route}")
            fault = self.fault(number)
            if fault == "before":
                raise Broken
            if fault is not None and fault.isdecimal():
                raise Refusal(int(fault), "", self.message)
            if fault == "hang":
                time.sleep(self.hang_s)
                raise Broken
            answer = self._carry_out(method, route, path, body, half=fault == "half")
            if fault in ("after", "half"):
                raise Broken
            return answer

    def _carry_out(self, method: str, route: str, path: str, body: bytes, *, half: bool) -> dict[str, Any]:
        if "/mlflow-artifacts/artifacts/" in route:
            _, _, place = route.partition("/mlflow-artifacts/artifacts/")
            _, run_id, _, name = place.split("/", 3)
            if run_id in self.runs:  # a real server does not ask
                self.runs[run_id].files[name] = body
            return {}
        query = {key: values[0] for key, values in parse_qs(urlparse(path).query).items()}
        form = json.loads(body) if body and method != "GET" else query
        if route.endswith("/experiments/set-experiment-tag"):
            self.experiment_tags[form["experiment_id"], form["key"]] = form["value"]
            return {}
        return self._call(route.partition("/api/2.0/mlflow/")[2], form, half=half)

    def _call(self, verb: str, form: dict[str, Any], *, half: bool) -> dict[str, Any]:
        match verb:
            case "experiments/get-by-name":
                return {"experiment": self._experiment(form["experiment_name"])}
            case "experiments/create":
                if form["name"] in self.experiments:
                    raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "it exists")
                self.experiments[form["name"]] = str(len(self.experiments) + 1)
                return {"experiment_id": self.experiments[form["name"]]}
            case "runs/create":
                return {"run": self._create(form).form()}
            case "runs/get":
                return {"run": self._run(form["run_id"]).form()}
            case "runs/search":
                return {"runs": [run.form() for run in self._search(form)]}
            case "runs/update":
                run = self._run(form["run_id"])
                run.status = str(form["status"])
                return {"run_info": run.form()["info"]}
            case "runs/delete":
                self._run(form["run_id"]).stage = "deleted"
                return {}
            case "runs/log-batch":
                self._log_batch(self._run(form["run_id"]), form, half=half)
                return {}
        raise Refusal(404, "ENDPOINT_NOT_FOUND", verb)

    def _experiment(self, name: str) -> dict[str, Any]:
        if name not in self.experiments:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no experiment {name}")
        return {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": ACTIVE}

    def _create(self, form: dict[str, Any]) -> Run:
        if form["experiment_id"] not in self.experiments.values():
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no experiment {form['experiment_id']}")
        run = Run(
            run_id=uuid.uuid4().hex,  # the client remembers runs by it, whatever their server
            experiment_id=form["experiment_id"],
            name=form["run_name"],
            started_ms=int(form["start_time"]),
            tags={tag["key"]: tag["value"] for tag in form.get("tags", [])},
        )
        self.runs[run.run_id] = run
        return run

    def _run(self, run_id: str) -> Run:
        run = self.runs.get(run_id)
        if run is None:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Run with id={run_id} not found")
        if run.stage != ACTIVE:
            message = f"The run {run_id} must be in the 'active' state. Current state is deleted."
            raise Refusal(400, "INVALID_PARAMETER_VALUE", message)
        return run

    def _search(self, form: dict[str, Any]) -> Iterator[Run]:
        wanted = re.fullmatch(r"tags\.`(.+)` = '(.+)'", form["filter"])
        assert wanted is not None
        key, value = wanted.groups()
        assert form["order_by"] == ["attributes.start_time ASC"]
        found = [run for run in self.active if run.tags.get(key) == value]
        return iter(sorted(found, key=lambda run: run.started_ms))

    @staticmethod
    def _log_batch(run: Run, form: dict[str, Any], *, half: bool) -> None:
        metrics, params, tags = (form.get(kind, []) for kind in ("metrics", "params", "tags"))
        assert len(metrics) + len(params) + len(tags) <= 1000
        assert len(params) <= 100
        assert len(tags) <= 100
        for param in params:
            if run.params.setdefault(param["key"], param["value"]) != param["value"]:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", "Changing param values is not allowed")
        if half and params:
            return
        for entry in metrics:
            row = (entry["key"], float(entry["value"]), int(entry["timestamp"]), int(entry["step"]))
            run.metrics.add(row)
        if not half:
            run.tags |= {tag["key"]: tag["value"] for tag in tags}


@contextmanager
def serving(server: FakeMlflow) -> Iterator[FakeMlflow]:
    """The server on a free port of this machine while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one packet

        def _handle(self) -> None:
            body = self._body()
            status: int
            form: dict[str, Any] | str
            try:
                status, form = 200, server.answer(self.command, self.path, body)
            except Refusal as refusal:
                status, form = refusal.status, {"error_code": refusal.code, "message": str(refusal)}
                if not refusal.code:
                    form = str(refusal)
            except Broken:
                self.close_connection = True
                return
            text = form.encode() if isinstance(form, str) else json.dumps(form).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = _handle

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, *_: object) -> None:
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that was killed breaks its connection

    listener = Listener(("127.0.0.1", 0), Handler)
    server.uri = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
