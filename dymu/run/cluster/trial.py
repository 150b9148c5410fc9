"""A Tune trial: one chain of steps, in this process or, where a stage has workers, in processes it starts."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from dymu.artifacts.location import open_store
from dymu.run.cluster.admission import has_workers
from dymu.run.cluster.cargo import unpack_cargo, unpack_chain
from dymu.run.cluster.launch import Launcher
from dymu.run.cluster.stopping import StopWatch
from dymu.run.execute import ChainEnd, run_chain
from dymu.run.work import Failure

# Longer than it takes to see that the holder of a lease on another node is gone.
PATIENCE_S = 12.0


def run_trial(config: Mapping[str, Any], *, cargo: bytes) -> dict[str, str]:
    """Execute one chain; tells Tune how it ended, as text."""
    loaded = unpack_cargo(cargo)
    chain = unpack_chain(config["chain"])
    store = open_store(loaded.location)
    with _warnings() as told, StopWatch(store.flag(loaded.stop)) as stop:
        launch = Launcher(loaded, store, stop.requested) if has_workers(chain, loaded.place) else None
        end = run_chain(chain, store, loaded.place, stop.requested, launch=launch, patience_s=PATIENCE_S)
    return {"end": json.dumps(asdict(end)), "warnings": json.dumps(told)}


def read_end(result: Mapping[str, Any]) -> tuple[ChainEnd, list[str]] | None:
    """How a trial ended by its own account and what it warned of; ``None`` if it has told nothing."""
    if "end" not in result:
        return None
    form = json.loads(result["end"])
    failure = Failure(**form["failure"]) if form["failure"] is not None else None
    return ChainEnd(**{**form, "failure": failure}), json.loads(result["warnings"])


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What dymu warns of meanwhile; the driver repeats it where a user looks."""
    told: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, listener = logging.getLogger("dymu"), Listener(level=logging.WARNING)
    logger.addHandler(listener)
    try:
        yield told
    finally:
        logger.removeHandler(listener)
