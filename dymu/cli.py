"""The command line: puts the verbs together.

Libraries that take seconds to load are imported by the commands that need them.
"""

import codecs
import io
import os
import sys
import warnings

import typer

from dymu.commands import (
    cluster,
    data,
    logs,
    manifest,
    planning,
    questions,
    register,
    report,
    results,
    retry,
    run,
    search,
    status,
    stop,
    store,
    submit,
    tools,
    ui,
)
from dymu.commands.console import complain
from dymu.errors import DymuError

INTERRUPTED = 130

app = typer.Typer(
    name="dymu",
    help="Train controllable multi-task networks, take them apart in ablations, compare and report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verbs in (planning, run, submit, status, logs, stop, retry, results, report, questions, register, ui):
    app.add_typer(verbs.app)
app.add_typer(tools.app)
app.add_typer(store.cache, name="cache")
app.add_typer(manifest.app, name="manifest")
app.add_typer(cluster.app, name="cluster")
app.add_typer(search.search, name="search")
app.add_typer(data.app, name="data")


def main() -> None:
    """Entry point; an error that a user can act upon is one message, without a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # for developers: `python -W default -m dymu`
    _say_all_characters()
    try:
        app()
    except DymuError as error:
        if os.environ.get("DYMU_DEBUG"):
            raise
        complain(str(error))
        if error.at_once:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(error.exit_code)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _say_all_characters() -> None:
    """What tables have and a locale may lack, such as arrows, is ``?`` in a terminal and UTF-8 in a file."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")
