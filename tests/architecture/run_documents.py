"""Runs commands of dymu and pieces of Python one after another in this process, for a test.

``python run_documents.py FILE [quick]``: FILE holds a JSON list, of a command its words, of code its text.
``quick`` leaves out the figures that every run draws.
"""

import io
import json
import sys
import time
import traceback
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from dymu.commands import ui
from dymu.reports import figures


def interrupt(*_: object) -> None:
    """In place of waiting for the server of ``dymu ui``, which never ends; tests of that command wait."""
    raise KeyboardInterrupt


def ignore(*_: object) -> None:
    """In place of refusing a port that something else has."""


def do(what: Any) -> tuple[int, str]:
    """Exit code and output of a command or of code."""
    from dymu import cli  # noqa: PLC0415 - after the folder is on the path

    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        try:
            if isinstance(what, str):
                exec(compile(what, "document", "exec"), {})
                return 0, out.getvalue()
            sys.argv = list(what)
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
        except Exception:  # noqa: BLE001 - told like the failure of a command
            return 1, out.getvalue() + traceback.format_exc()
        return 1, out.getvalue()


def main() -> None:
    """Do everything, and say on standard output how each ended; stop at the first that failed."""
    sys.path.insert(0, str(Path.cwd()))
    vars(ui).update(_wait_for=interrupt, _refuse_a_taken_port=ignore)
    if sys.argv[2:] == ["quick"]:
        no_figures: Any = lambda *_: ()  # noqa: E731 - a value to put in place
        figures.for_run = no_figures
    for what in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        start = time.perf_counter()
        code, said = do(what)
        seconds = time.perf_counter() - start
        sys.stdout.write(json.dumps({"what": what, "code": code, "said": said, "seconds": seconds}) + "\n")
        sys.stdout.flush()
        if code:
            return


if __name__ == "__main__":
    main()
