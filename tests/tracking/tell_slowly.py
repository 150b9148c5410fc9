"""Tells a study that is in a store and closes it, with a pause before each batch; run as a command.

    python tests/tracking/tell_slowly.py STORE MANIFEST URI PAUSE_S

Prints a line before each batch. Exit code 1 if something could not be told.
"""

import sys
import time
from pathlib import Path

from dymu.artifacts.store import Store
from dymu.tracking.mlflow import Server
from dymu.tracking.parcels import Parcel
from dymu.tracking.writer import StudyWriter

_log = Server.log


def main(store: str, name: str, uri: str, pause_s: str) -> int:
    """Tell and close."""

    def slowly(server: Server, run_id: str, parcel: Parcel) -> None:
        sys.stdout.write("batch\n")
        sys.stdout.flush()
        time.sleep(float(pause_s))
        _log(server, run_id, parcel)

    Server.log = slowly  # type: ignore[assignment]
    opened = Store(Path(store))
    writer = StudyWriter(opened, opened.manifest(name), tracking_uri=uri)
    writer.sync()
    writer.finish({})
    return int(writer.pending > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
