"""Makes the pictures of README.md and docs/ from a store in which a question was run with MLflow.

    python docs/images/make.py STORE [QUESTION]

QUESTION is a name such as ``digits-ours.branching_regularizer``, which is the default. Needs a Chromium on
PATH, reads the store and writes PNGs beside this file. ``dymu ui`` is started on a free port and ended again.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from docs.images.chromium import Chromium  # noqa: E402 - found from the root
from dymu.artifacts.location import open_store  # noqa: E402
from dymu.artifacts.store import Store  # noqa: E402
from dymu.reports.collect import results_of  # noqa: E402
from dymu.reports.figures import draw  # noqa: E402
from dymu.reports.grid import only  # noqa: E402
from dymu.tracking.told import told_to_mlflow  # noqa: E402

MOST_BYTES = 120_000
# The page greets a first visitor with a panel.
_VISITED = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
# What floats above a corner of the page, what charts show under a pointer, and the machine that made a run.
_HIDE = r"""[...document.querySelectorAll('body *')].filter(e => e.matches('.modebar')
    || /^dymu\.(driver_host|git)/.test(e.innerText?.trim())
    || getComputedStyle(e).position === 'fixed' && e.getBoundingClientRect().x > innerWidth - 120
    ).forEach(e => e.style.display = 'none')"""


def main() -> None:
    """Make all pictures."""
    store = Path(sys.argv[1])
    name = sys.argv[2] if len(sys.argv) > 2 else "digits-ours.branching_regularizer"
    opened = open_store(str(store))
    draw_map(opened, name)
    told = told_to_mlflow(opened, name)
    with serving(store) as (root, views), Chromium(1280, 760) as page:
        page.open(root)
        page.run(_VISITED)
        take_arms(page, views[name])
        take_curves(page, views[name])
        take_parent(page, f"{root}#/experiments/{told.experiment_id}/runs/{told.run_id}")
        if page.complaints:
            raise RuntimeError("the pages complained: " + "; ".join(page.complaints))


def draw_map(store: Store, name: str) -> None:
    """Where on the simplex of preferences how much network runs, for the baseline."""
    results = results_of(store, store.manifest(name))
    with TemporaryDirectory() as folder:
        baseline = only(results, results.arms[:1])
        (drawn,) = draw("resource_map", baseline, store, Path(folder), formats=("png",))
        keep(drawn, HERE / "resource-map.png", width=860)


def take_arms(page: Chromium, view: str) -> None:
    """The table of runs, grouped by arm."""
    page.resize(1280, 580)
    page.open("about:blank")
    page.open(view)
    page.wait("document.body.innerText.includes('Group: baseline')")
    shoot(page, "mlflow-arms.png")


def take_curves(page: Chromium, view: str) -> None:
    """Training curves of all arms over the same steps."""
    page.resize(1280, 740)
    page.open("about:blank")
    page.open(view + "&compareRunsMode=CHART")
    page.wait("document.querySelector('input[placeholder=\"Search metric charts\"]')")
    page.type("input[placeholder='Search metric charts']", "edge/(objective|inactive_loss)")
    page.wait("document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length > 1")
    shoot(page, "mlflow-curves.png")


def take_parent(page: Chromium, run: str) -> None:
    """The run of the question: its tables and figures in the description."""
    page.resize(1280, 940)
    page.open("about:blank")
    page.open(run + "?workflowType=machine_learning")
    page.click("Show more")
    page.wait(
        "(own => own.length && own.every(e => e.naturalWidth > 0))"
        "([...document.images].filter(e => e.src.includes('get-artifact')))"
    )
    shoot(page, "mlflow-parent.png")


def shoot(page: Chromium, name: str) -> None:
    """Keep what the page shows."""
    time.sleep(1.5)  # what moves has arrived
    page.run(_HIDE)
    path = HERE / name
    page.picture(path)
    keep(path, path)


def keep(source: Path, path: Path, width: int = 1280) -> None:
    """Write an image in few colours, no wider than ``width``.

    Raises:
        RuntimeError: If it is too large for a repository.
    """
    with Image.open(source) as picture:
        drawn = picture.convert("RGB")
    if drawn.width > width:
        drawn = drawn.resize((width, round(drawn.height * width / drawn.width)), Image.Resampling.LANCZOS)
    drawn.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise RuntimeError(f"{path} has {size} bytes; expected at most {MOST_BYTES}")
    sys.stdout.write(f"{path}: {size} bytes\n")


@contextmanager
def serving(store: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """``dymu ui`` on a free port: its address, and that of the view of each question."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [sys.executable, "-m", "dymu", "ui", "--port", str(port), "--store", str(store)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    root = f"http://127.0.0.1:{port}/"
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        try:
            assert server.stdout is not None  # it says addresses once it answers
            told = len(list((store / "mlflow" / "cursors").glob("*.json")))
            lines = (re.match(r"  (\S+): (http\S+)$", line) for line in server.stdout)
            found = islice((line for line in lines if line), told)
            yield root, {line.group(1): line.group(2) for line in found}
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
