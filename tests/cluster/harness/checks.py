"""What must hold after a study, whatever happened while it ran. A check returns what is wrong, in words."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dymu.tracking.naming import metric_keys

if TYPE_CHECKING:
    from tests.cluster.harness.tracking import Told

_ABOUT_THE_RUN = ("provenance.json",)  # how a result came about; all other files are the result
_TIMES = "seconds/"  # metrics of the same kind

Files = Mapping[str, Mapping[str, str]]
"""Address to file name to SHA-256."""


def contents(store: Path, manifest: str) -> dict[str, dict[str, str]]:
    """SHA-256 of every file of a study that is part of its result, computed from the bytes on the disk."""
    return {
        address: {
            path.relative_to(attempt).as_posix(): contents_of(path)
            for path in sorted(attempt.rglob("*"))
            if path.is_file() and path.name not in _ABOUT_THE_RUN
        }
        for address, attempt in published(store).items()
        if address in _listed(store, manifest)
    }


def contents_of(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(store: Path) -> dict[str, Path]:
    """Address to the folder of its published attempt."""
    return {
        f"{done.parents[1].name}/{done.parent.name}": done.parent / json.loads(done.read_text())["attempt"]
        for done in sorted(store.glob("artifacts/*/*/DONE.json"))
    }


def differences(found: Files, reference: Files) -> list[str]:
    """Addresses and files that are not those of an undisturbed run."""
    wrong = [f"{address} is missing" for address in sorted(reference.keys() - found.keys())]
    wrong += [f"{address} is not of this study" for address in sorted(found.keys() - reference.keys())]
    for address in sorted(found.keys() & reference.keys()):
        names = found[address].keys() | reference[address].keys()
        changed = [name for name in sorted(names) if found[address].get(name) != reference[address].get(name)]
        wrong += [f"{address}: {name} differs" for name in changed]
    return wrong


def checksums(store: Path) -> list[str]:
    """Files that are not what ``DONE.json`` lists."""
    wrong = []
    for address, attempt in published(store).items():
        listed = json.loads((attempt.parent / "DONE.json").read_text())["files"]
        for name, entry in listed.items():
            path = attempt / name
            if not path.is_file() or contents_of(path) != entry["sha256"]:
                wrong.append(f"{address}: {name} is not what was published")
    return wrong


def remains(store: Path) -> list[str]:
    """Work folders that are left although their step was published."""
    done = published(store)
    left = [
        f"{path.parent.name}/{path.name}" for path in sorted(store.glob("work/*/*")) if any(path.iterdir())
    ]
    return [f"work/{address} is left behind" for address in left if address in done]


def accounts(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Address to the attempts at its training that its provenance tells of."""
    told = {
        address: json.loads((folder / "provenance.json").read_text()).get("attempts", [])
        for address, folder in published(store).items()
    }
    return {address: account for address, account in told.items() if account}


def repetitions(attempts: Mapping[str, list[dict[str, Any]]], cadence: int) -> list[str]:
    """Attempts that trained more steps again than there are between two checkpoints."""
    return [
        f"{address}: attempt {number} resumed at step {attempt['resumed_at']} although {attempt['reached']} "
        f"steps were done and a checkpoint is written every {cadence}"
        for address, account in attempts.items()
        for number, attempt in enumerate(account, start=1)
        if attempt["redone"] > cadence
    ]


def tracking(told: "Told", store: Path, manifest: str) -> list[str]:
    """Compare MLflow with the metrics files and records of a store: each value exactly once, runs closed."""
    wrong = [f"the run {name} is still RUNNING" for name in told.open_runs()]
    arms = json.loads((store / "manifests" / f"{manifest}.json").read_text())["arms"]
    for arm in arms:
        for seed, steps in arm["steps"].items():
            run = told.run(arm["name"], int(seed))
            if run.info.status != "FINISHED":
                wrong.append(f"the run of {arm['name']} s{seed} is {run.info.status}")
            history = told.history(run)
            wrong += twice(history)
            wrong += compared(history, expected_history(store, steps))
    return wrong


def expected_history(store: Path, steps: Mapping[str, str]) -> dict[str, list[tuple[int, float]]]:
    """Every metric that MLflow should have of one arm and seed, as (step, value)."""
    folders = published(store)
    history: dict[str, list[tuple[int, float]]] = {}
    for stage, address in steps.items():
        if stage == "evaluate":
            values = json.loads((folders[address] / "record.json").read_text())["values"]
            keys = metric_keys(values)
            history |= {keys[name]: [(0, float(value["value"]))] for name, value in values.items()}
            continue
        lines = list(_lines(folders[address] / "metrics.jsonl"))
        keys = metric_keys({f"{stage}/{name}" for line in lines for name in line["metrics"]})
        for line in lines:
            for name, value in line["metrics"].items():
                history.setdefault(keys[f"{stage}/{name}"], []).append((line["step"], float(value)))
    return history


def twice(history: Mapping[str, list[tuple[int, float]]]) -> list[str]:
    """Steps that a metric has more than once."""
    return [
        f"{name} has step {step} {count} times"
        for name, entries in history.items()
        for step, count in Counter(step for step, _ in entries).items()
        if count > 1
    ]


def _listed(store: Path, manifest: str) -> set[str]:
    form = json.loads((store / "manifests" / f"{manifest}.json").read_text())
    return {address for arm in form["arms"] for steps in arm["steps"].values() for address in steps.values()}


def compared(
    found: Mapping[str, list[tuple[int, float]]], expected: Mapping[str, list[tuple[int, float]]]
) -> list[str]:
    """Differences between the metrics that MLflow has and those that it should have."""
    wrong = [f"MLflow has no {name}" for name in sorted(expected.keys() - found.keys())]
    unknown = [name for name in sorted(found.keys() - expected.keys()) if not name.startswith(_TIMES)]
    wrong += [f"MLflow has {name}, which nobody logged" for name in unknown]
    for name in sorted(found.keys() & expected.keys()):
        if dict(found[name]) != dict(expected[name]):
            lost = sorted({step for step, _ in expected[name]} - {step for step, _ in found[name]})
            what = f"lacks steps {lost[:5]}" if lost else "has other values or steps"
            wrong.append(f"{name} {what}")
    return wrong


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
