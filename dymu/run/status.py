"""What the store says about the arms of a study, without the study's code."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.run.work import read_failure, read_progress

# Files keep stages by name; people read them in run order. Stages that are not listed stand before the last.
RUN_ORDER = ("anchor", "affinity", "path_losses", "shared", "edge", "weight")
LAST = "evaluate"


@dataclass(frozen=True, kw_only=True)
class StageStatus:
    """One stage of one arm at one seed.

    Attributes:
        manifest: Name of the study or question.
        arm: Name of the arm.
        seed: Study seed.
        stage: Name of the stage.
        address: Address of the step.
        state: ``done``, ``running``, ``interrupted``, ``failed`` or ``waiting``.
        step: Training steps done, if the step has not ended.
        total: Training steps in all.
        error: What went wrong, if it failed.
        log: Where to read on, if it failed.
    """

    manifest: str
    arm: str
    seed: int
    stage: str
    address: str
    state: str
    step: int = 0
    total: int = 0
    error: str = ""
    log: str = ""

    def form(self) -> dict[str, Any]:
        """As a JSON value."""
        return asdict(self)


def study_status(store: Store, manifests: Iterable[Manifest]) -> list[StageStatus]:
    """State of every stage, in the order of the manifests; each step is looked up once.

    Takes up to 8 s if a step was left without a word on another machine.
    """
    manifests = list(manifests)
    cells = [steps for manifest in manifests for arm in manifest.arms for steps in arm.steps.values()]
    known = _look(store, {address for steps in cells for address in steps.values()})
    found = []
    for manifest in manifests:
        for arm in manifest.arms:
            for seed, stages in sorted(arm.steps.items(), key=lambda item: int(item[0])):
                for stage, address in sorted(stages.items(), key=lambda item: _position(item[0])):
                    found.append(
                        StageStatus(
                            manifest=manifest.name,
                            arm=arm.name,
                            seed=int(seed),
                            stage=stage,
                            address=address,
                            **known[address],
                        )
                    )
    return found


def users_of(manifests: Iterable[Manifest]) -> dict[str, list[str]]:
    """Names of the manifests that list an address, by address."""
    users: dict[str, list[str]] = {}
    for manifest in manifests:
        stages = (steps for arm in manifest.arms for steps in arm.steps.values())
        for address in {address for steps in stages for address in steps.values()}:
            users.setdefault(address, []).append(manifest.name)
    return users


def _position(stage: str) -> tuple[int, str]:
    base = stage.partition("#")[0]
    if base in RUN_ORDER:
        return RUN_ORDER.index(base), stage
    return len(RUN_ORDER) + (base == LAST), stage


def _look(store: Store, addresses: Iterable[str]) -> dict[str, dict[str, Any]]:
    """State of each step."""
    states: dict[str, dict[str, Any]] = {}
    missing = []
    for address in addresses:
        if store.has(address):
            states[address] = {"state": "done"}
        else:
            missing.append(address)
    held = store.holders(missing)
    states |= {address: _look_at(store, address, held=address in held) for address in missing}
    return states


def _look_at(store: Store, address: str, *, held: bool) -> dict[str, Any]:
    progress = read_progress(store, address)
    reached = {"step": progress.step, "total": progress.total}
    if held:
        return {"state": "running", **reached}
    failure = read_failure(store, address)
    if failure is not None:
        return {
            "state": "failed",
            **reached,
            "error": f"{failure.kind}: {failure.message}",
            "log": failure.log,
        }
    # A step that says it runs, but that nobody holds, was killed.
    return {"state": "waiting" if progress.state == "waiting" else "interrupted", **reached}
