"""A report in a real Chromium, and the synthetic study that it is about."""

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.preference_grid import RESOURCES, PreferenceGrid, lattice
from dymu.artifacts.record import Point, Record, Value
from dymu.artifacts.store import Store
from dymu.reports.collect import results_of
from dymu.reports.html.document import report_page
from dymu.tracking.spool import Spool

HOSTILE = '<img src=x onerror="window.harmed=1">\'&amp;`${1}`</script>'
LABELS = {"baseline": "Ours", "other": HOSTILE}
SEEDS = (0, 1)
_KEYS = {
    "ArrowUp": 38,
    "ArrowDown": 40,
    "ArrowLeft": 37,
    "ArrowRight": 39,
    "Home": 36,
    "End": 35,
    "Escape": 27,
    "Enter": 13,
}
_WATCH = """
window.complaints = [];
addEventListener("error", (event) => complaints.push("error: " + event.message));
addEventListener("securitypolicyviolation", (event) => complaints.push("policy: " + event.violatedDirective));
"""


@dataclass(frozen=True)
class Expected:
    """What a controller of the synthetic study says."""

    grid: PreferenceGrid

    def parameters(self, preference: Sequence[float], resource: float) -> float:
        """At the nearest point of the grid."""
        rows = np.array(self.grid.preferences) / self.grid.unit
        nearest = int(((rows - np.array(preference)) ** 2).sum(axis=1).argmin())
        row = int(np.abs(np.array(self.grid.resources) - resource).argmin())
        return self.grid.parameters[self.grid.index[row][nearest]]


class Page:
    """A page, and what people do with it."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def call(self, method: str, **arguments: Any) -> Any:
        return self.browser._call(method, **arguments)

    def open(self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> "Page":
        value = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])
        self.browser.resize(width, height)
        self.browser.complaints.clear()
        self.browser.open(path.as_uri())
        self.browser.wait("document.documentElement.dataset.ready")
        return self

    def run(self, script: str) -> Any:
        return self.browser.run(script)

    def text(self, selector: str) -> str:
        return str(self.run(f"document.querySelector({selector!r}).textContent"))

    def complaints(self) -> list[str]:
        return [*self.browser.complaints, *self.run("window.complaints")]

    def focus(self, selector: str) -> None:
        assert self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); e.focus(); "
            "return document.activeElement === e; })()"
        )

    def press(self, key: str, times: int = 1) -> None:
        about = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        for _ in range(times):
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **about, **text)
            self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def at(self, script: str) -> tuple[float, float]:
        """Where the middle of an element is on the screen, once it is scrolled there."""
        x, y = self.run(
            f"(() => {{ const e = {script}; e.scrollIntoView({{block: 'center', behavior: 'instant'}}); "
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        return float(x), float(y)

    def mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **({} if kind == "move" else pressed))

    def hover(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, script: str) -> None:
        x, y = self.at(script)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mousePressed", *start)
        for step in range(1, 6):
            part = step / 5
            self.mouse(
                "mouseMoved",
                start[0] + part * (end[0] - start[0]),
                start[1] + part * (end[1] - start[1]),
            )
        self.mouse("mouseReleased", *end)


@pytest.fixture(scope="session")
def browser(root: Path) -> Iterator[Any]:
    """One Chromium for all tests."""
    spec = importlib.util.spec_from_file_location("chromium", root / "docs" / "images" / "chromium.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.Chromium(1200, 900) as browser:
        browser._call("Page.addScriptToEvaluateOnNewDocument", source=_WATCH)
        yield browser


@pytest.fixture
def page(browser: Any) -> Page:
    return Page(browser)


@pytest.fixture(scope="session")
def expected() -> Expected:
    """What the controllers of three tasks say."""
    return Expected(_grid("evaluate/baseline-0", ("left", "right", "parity")))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of three tasks; the first arm's controllers are there, the second's are not."""
    return _make_report(tmp_path_factory.mktemp("report"), ("left", "right", "parity"))


@pytest.fixture(scope="session")
def report_of_five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of five tasks with long names."""
    tasks = ("semantic_segmentation", "human_parts", "saliency", "surface_normals", "edges")
    return _make_report(tmp_path_factory.mktemp("report"), tasks)


@pytest.fixture(scope="session")
def report_of_twenty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of twenty tasks, as many as anyone trains."""
    return _make_report(tmp_path_factory.mktemp("report"), tuple(f"superclass_{n}" for n in range(20)))


def _make_report(folder: Path, tasks: tuple[str, ...]) -> Path:
    store = Store(folder / "store")
    manifest = _manifest(tasks)
    for arm in manifest.arms:
        for seed in SEEDS:
            address = arm.steps[str(seed)]["evaluate"]
            _publish(store, address, _record(address, seed, tasks).write)
            _publish(store, arm.steps[str(seed)]["edge"], _logs(arm.steps[str(seed)]["edge"]))
    store.save_manifest(manifest)
    results = results_of(store, manifest)
    grids = {("baseline", seed): _grid(f"evaluate/baseline-{seed}", tasks) for seed in SEEDS}
    path = folder / "report.html"
    path.write_text(report_page(results, store, grids), encoding="utf-8")
    return path


def _manifest(tasks: tuple[str, ...]) -> Manifest:
    arms = tuple(
        ManifestArm(
            name=name,
            label=label,
            steps={
                str(seed): {"edge": f"edge/{name}-{seed}", "evaluate": f"evaluate/{name}-{seed}"}
                for seed in SEEDS
            },
        )
        for name, label in LABELS.items()
    )
    return Manifest(
        name="toy.question",
        study="toy",
        target="ablations.question",
        title=f"What matters? {HOSTILE}",
        source="Table 6",
        tasks=tasks,
        arms=arms,
    )


def _publish(store: Store, address: str, write: Callable[[Path], None]) -> None:
    attempt = store.new_attempt(address)
    write(attempt)
    (attempt / "provenance.json").write_text('{"wall_s": 61.5, "cpu_s": 50.0, "device": "cpu"}')
    store.publish(address, attempt, info={})


def _logs(address: str) -> Callable[[Path], None]:
    def write(attempt: Path) -> None:
        spool = Spool(attempt, address=address)
        for step in range(0, 100, 10):
            spool.log(step, {"objective": 1.0 / (1 + step), "temperature": 5.0})

    return write


def _record(address: str, seed: int, tasks: tuple[str, ...]) -> Record:
    count = len(tasks)
    few = np.random.default_rng(20).dirichlet(np.ones(count), size=20)
    points = tuple(
        Point(
            resource_preference=c,
            preferences=few.tolist(),
            losses=(1.5 - few + 0.1 * seed + 0.2 * c).tolist(),
            task_metrics={f"{task}/accuracy": few[:, i].tolist() for i, task in enumerate(tasks)},
            parents=[[list(range(count))] * 2] * 20,
            parameters=[900.0 - 100 * c] * 20,
            macs=[9000.0] * 20,
            cost_preferences=few.tolist(),
            cost_parameters=[900.0 - 100 * c] * 20,
            cost_macs=[9000.0] * 20,
        )
        for c in (0.0, 1.0)
    )
    values = {"anchor_parameters": Value(value=1000.0, unit="parameters")}
    for c in (0, 1):
        values |= {
            f"hypervolume/c={c}": Value(value=10.0 + seed - c, higher_is_better=True),
            f"uniformity/c={c}": Value(value=0.7 + 0.1 * c, higher_is_better=True),
            f"active_parameters/c={c}": Value(value=900.0 - 100 * c, higher_is_better=False),
            f"active_parameter_fraction/c={c}": Value(value=0.9 - 0.1 * c, higher_is_better=False),
        }
    edge = address.replace("evaluate", "edge")
    return Record(
        address=address,
        seed=seed,
        method="controllable",
        tasks=tasks,
        values=values,
        points=points,
        reference_point=(3.0,) * count,
        anchor_parameters=1000.0,
        data_digest="digest",
        config={
            edge: {"stage": "edge", "config": {}, "inputs": {}, "revision": 1},
            address: {"stage": "evaluate", "config": {}, "inputs": {"edge": edge}, "revision": 1},
        },
    )


def _grid(address: str, tasks: tuple[str, ...]) -> PreferenceGrid:
    """Nothing is shared while no task dominates; the tree of the first that does is its own."""
    count = len(tasks)
    unit, rows = lattice(count)
    apart = tuple((task, task) for task in range(count))
    trees = (apart, *(tuple((stream, stream) for _ in tasks) for stream in range(count)))
    index = tuple(
        tuple(1 + row.index(max(row)) if max(row) > (0.7 - 0.4 * resource) * unit else 0 for row in rows)
        for resource in RESOURCES
    )
    return PreferenceGrid(
        address=address,
        tasks=tasks,
        unit=unit,
        preferences=tuple(rows),
        resources=RESOURCES,
        trees=trees,
        parameters=(1000.0, *(300.0 + 10 * stream for stream in range(count))),
        macs=(10_000.0, *(3000.0 + 100 * stream for stream in range(count))),
        index=index,
        anchor_parameters=1000.0,
    )
