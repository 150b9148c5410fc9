"""What stands below a table: seeds, protocol, the paper's numbers, what is missing or not committed."""

from collections.abc import Iterable, Iterator, Sequence

from dymu.artifacts.manifest import ManifestArm
from dymu.metrics import cost
from dymu.reports.collect import Cell, Results
from dymu.reports.comparable import Mixture, budgets
from dymu.reports.shares import anchor_of
from dymu.reports.table import count, seed_list

ANCHOR = "anchor_parameters"
_SINGLE_TASK = "single-task"
_MOST_COORDINATES = 5
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def paper_anchor(results: Results, arm: ManifestArm) -> float | None:
    """Size of the paper's anchor net: said with the arm or the baseline, else its single-task nets'."""
    found = arm.paper.get(ANCHOR, results.manifest.arms[0].paper.get(ANCHOR))
    if not found:
        single = (other for other in results.manifest.arms if other.name == _SINGLE_TASK)
        found = next((other.paper.get(cost.ACTIVE_PARAMETERS.name) for other in single), None)
    return float(found) if found else None


class Notes:
    """Footnotes, and the letters that point to them.

    Args:
        results: What the table shows.
        parameters: Whether the table has active parameters and the paper's values.
        volumes: Whether the table has hypervolumes and uniformities.
    """

    def __init__(self, results: Results, *, parameters: bool = True, volumes: bool = True) -> None:
        self._results = results
        self._parameters = parameters
        self._volumes = volumes
        self._texts: list[str] = []
        self._letters: dict[str, list[str]] = {}
        for arm in results.arms:
            for text in _arm_notes(results, arm):
                letter = _letter(len(self._texts))
                self._letters.setdefault(arm.name, []).append(letter)
                self._texts.append(f"({letter}) {arm.label}: {text}")

    def label(self, arm: ManifestArm) -> str:
        """An arm's label with the letters of its notes."""
        letters = ", ".join(self._letters.get(arm.name, ()))
        return f"{arm.label} ({letters})" if letters else arm.label

    def lines(self, provenance: bool, about: Iterable[str] = ()) -> Iterator[str]:
        """All footnotes.

        Args:
            provenance: Whether to list the address and the code of each record.
            about: Notes on further columns.
        """
        results = self._results
        if results.note:
            yield results.note
        for mixture in results.mixed:
            yield about_mixture(results, mixture)
        yield _about_seeds(results)
        if self._volumes:
            yield from _about_volumes(results, uniformity=self._parameters)
        if self._parameters:
            yield from _about_parameters(results)
            yield from _about_paper(results)
        yield from about
        if _all_dirty(results):
            yield "All rows were made by code with changes that are in no commit."
        yield from self._texts
        for arm in results.excluded:
            changes = ", ".join(f"{path}={value}" for path, value in arm.ad_hoc.items())
            yield f"Left out: {arm.label}, which was run with overrides from the command line ({changes})."
        if provenance:
            for arm in results.arms:
                for seed, record in results.of(arm.name).items():
                    revision = results.provenance[arm.name, seed].get("git_revision")
                    code = f"code {revision}" if revision else "code of unknown revision"
                    yield f"{arm.label}, seed {seed}: {record.address}, {code}."


def _arm_notes(results: Results, arm: ManifestArm) -> Iterator[str]:
    missing = [entry for entry in results.missing if entry.arm == arm.name]
    if missing:
        seeds = _seeds([entry.seed for entry in missing])
        addresses = [entry.address for entry in missing if entry.address]
        which = f" ({', '.join(addresses)})" if addresses else ""
        listed = ",".join(str(entry.seed) for entry in missing)
        chosen = f" --arm {arm.name}" if results.manifest.name != results.manifest.study else ""
        command = f"dymu run {results.manifest.target}{chosen} --seed-list {listed}"
        yield f"missing at {seeds}{which}; `{command}` makes it."
    dirty = [seed for seed in results.of(arm.name) if _is_dirty(results, (arm.name, seed))]
    if dirty and not _all_dirty(results):
        yield f"made by code with changes that are in no commit, at {_seeds(dirty)}."
    steps = _other_budgets(results, arm)
    if steps:
        yield f"trained for another number of steps, {steps}."
    protocol = [path for path in arm.changes if path.startswith("evaluation.")]
    if protocol:
        changes = ", ".join(f"{path} = {arm.changes[path]}" for path in protocol)
        yield f"judged by a protocol of its own, {changes}."


def _is_dirty(results: Results, cell: Cell) -> bool:
    return bool(results.provenance[cell].get("git_dirty"))


def _all_dirty(results: Results) -> bool:
    return bool(results.records) and all(_is_dirty(results, cell) for cell in results.records)


def _about_seeds(results: Results) -> str:
    counts = {len(results.of(arm.name)) for arm in results.arms} - {0}
    seeds = sorted({seed for _, seed in results.records})
    if not seeds:
        return "Nothing was measured yet."
    if counts == {1}:
        return f"One seed ({seeds[0]}): no interval." if len(seeds) == 1 else "One seed a row: no interval."
    number = f"n = {len(seeds)}"
    if len(counts) > 1:
        number = f"n = {min(counts)} to {max(counts)}; rows of fewer seeds than others are not marked"
    return f"Mean ± half of the 95 % t-interval over {_seeds(seeds)}, {number}."


def about_mixture(results: Results, mixture: Mixture) -> str:
    """What was let through: who has which value."""
    sides = []
    for value, cells in mixture.sides:
        seeds: dict[str, list[int]] = {}
        for arm, seed in cells:
            seeds.setdefault(results.arm(arm).label, []).append(seed)
        who = "; ".join(f"{label} at {_seeds(found)}" for label, found in seeds.items())
        sides.append(f"{value} ({who})")
    return f"Not made alike: {mixture.what} is {', '.join(sides)}. Compare these rows with care."


def _about_volumes(results: Results, *, uniformity: bool) -> Iterator[str]:
    if not results.records:
        return
    record = next(iter(results.records.values()))
    floor = results.infos.get("uniformity_floor")
    note = f"HV: hypervolume of scaled test losses below {_corner(record.reference_point)}."
    if floor is not None and uniformity:
        note += f" Unif.: a model that ignores the preference has about {floor.value:.3f}."
    yield note


def _corner(point: Sequence[float]) -> str:
    if len(point) > _MOST_COORDINATES and len(set(point)) == 1:
        return f"{point[0]:g} in each of {len(point)} dimensions"
    return f"({', '.join(f'{x:g}' for x in point)})"


def _about_parameters(results: Results) -> Iterator[str]:
    sizes = {
        arm.name: anchor_of(results, record)
        for arm in results.arms
        for record in results.of(arm.name).values()
    }
    if len(set(sizes.values())) == 1:
        yield f"Params: active parameters as part of the anchor net's {count(next(iter(sizes.values())))}."
    elif sizes:
        each = ", ".join(f"{results.arm(name).label} {count(size)}" for name, size in sizes.items())
        yield f"Params: active parameters as part of the anchor net's: {each}."


def _about_paper(results: Results) -> Iterator[str]:
    if any(arm.paper for arm in results.arms):
        anchor = paper_anchor(results, results.arms[0])
        size = f", parameters as part of its anchor net's {count(anchor)}" if anchor else ""
        source = f"the paper's {results.manifest.source}" if results.manifest.source else "the paper"
        yield (
            f"In brackets: {source}{size}. Data, networks and recipes differ as docs/protocol.md says: "
            "compare the order of rows before the numbers."
        )


def _other_budgets(results: Results, arm: ManifestArm) -> str:
    """Stages that an arm trains for another number of steps than the baseline does."""
    baseline = next(iter(results.of(results.manifest.arms[0].name).values()), None)
    record = next(iter(results.of(arm.name).values()), None)
    if baseline is None or record is None:
        return ""
    usual = budgets(baseline)
    other = {
        stage.partition(":")[0]: (steps, usual[stage])
        for stage, steps in budgets(record).items()
        if usual.get(stage, steps) != steps
    }
    return ", ".join(f"{stage} {steps} (not {expected})" for stage, (steps, expected) in other.items())


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seed_list(seeds)}"


def _letter(index: int) -> str:
    """A to z, then aa, ab and so on."""
    text = _ALPHABET[index % len(_ALPHABET)]
    return text if index < len(_ALPHABET) else _letter(index // len(_ALPHABET) - 1) + text
