"""Finds the records of a question in a store, and refuses to put side by side what cannot be compared."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.record import PROVENANCE, Record, Value, read_record
from dymu.artifacts.store import Store
from dymu.errors import ReportError

Kind = Literal["table", "figure"]
Cell = tuple[str, int]
"""(Arm, seed)."""

EVALUATE = "evaluate"

_PROTOCOL_TYPE = "dymu.spec.evaluation.EvaluationConfig"
# What compares methods, not ablations of one.
_COMPARE_METHODS = {"table": (1, 2, 3, 4), "figure": (6, 13, 14)}
# Figures that the paper draws of the arms of its Table 6, or of a single study.
_OF_TABLE_6 = (5, 7, 9, 10, 11, 12, 15, 16, 17, 18, 19)
# Trade-offs beside other methods, which the question with the static nets holds too.
_OF_FIGURE_6 = (13, 14)
_TARGETS = {
    ("table", 1): "studies.digits",
    ("table", 2): "studies.digits",
    ("table", 3): "ablations.adaptation",
    ("table", 4): "studies.digits",
    ("table", 6): "ablations.branching_regularizer",
    ("table", 8): "ablations.preference_sampling",
    ("figure", 6): "ablations.baselines",
    ("figure", 8): "ablations.active_threshold",
    **{("figure", number): "ablations.baselines" for number in _OF_FIGURE_6},
    **{("figure", number): "ablations.branching_regularizer" for number in _OF_TABLE_6},
}


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A result that the manifest expects and the store lacks.

    Attributes:
        arm: Name of the arm.
        seed: Study seed.
        address: Of the evaluation; empty if the arm was not run at this seed.
    """

    arm: str
    seed: int
    address: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """All records of a manifest.

    Attributes:
        manifest: What was expected.
        records: What was found.
        provenance: How each record came about.
        missing: What was expected and not found.
        excluded: Ad hoc arms, which no table shows.
    """

    manifest: Manifest
    records: Mapping[Cell, Record]
    provenance: Mapping[Cell, Mapping[str, Any]]
    missing: tuple[Missing, ...]
    excluded: tuple[ManifestArm, ...] = ()

    @cached_property
    def arms(self) -> tuple[ManifestArm, ...]:
        """Arms that may be shown, baseline first."""
        return tuple(arm for arm in self.manifest.arms if not arm.ad_hoc)

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Task names, in order."""
        return self.manifest.tasks

    @cached_property
    def infos(self) -> Mapping[str, Value]:
        """Record value name to one example, for its direction, range and unit."""
        return {name: value for record in self.records.values() for name, value in record.values.items()}

    def arm(self, name: str) -> ManifestArm:
        """An arm by name."""
        return next(arm for arm in self.arms if arm.name == name)

    def of(self, arm: str) -> dict[int, Record]:
        """Seed to record of an arm, by seed."""
        return {seed: self.records[arm, seed] for name, seed in sorted(self.records) if name == arm}

    def values(self, arm: str, name: str) -> dict[int, float]:
        """Seed to value; a seed without a record or without this value is left out."""
        records = self.of(arm)
        return {seed: r.values[name].value for seed, r in records.items() if name in r.values}

    def resource_preferences(self, arm: str) -> tuple[float, ...]:
        """Values of c at which an arm was measured; none for a method that has no c."""
        found = {point.resource_preference for record in self.of(arm).values() for point in record.points}
        return tuple(sorted(c for c in found if c is not None))


def find_results(
    store: Store, *, number: int | None, kind: Kind, study: str | None, question: str | None
) -> Results:
    """The records behind a table or figure.

    Args:
        store: Where records are.
        number: Of the paper's table or figure; ``None`` to go by study and question alone.
        kind: What the number counts.
        study: ``studies.digits:ours``, ``digits-ours``, or ``studies.digits`` for all studies of the module.
        question: ``ablations.branching_regularizer``, or its last part.

    Raises:
        ReportError: If nothing or more than one thing fits; lists what there is and how to make what is not.
    """
    known = store.manifests()
    pool = [manifest for manifest in known if not any(arm.ad_hoc for arm in manifest.arms)]
    fitting = _narrow(pool, number=number, kind=kind, study=study, question=question)
    compares = number is None or number in _COMPARE_METHODS[kind]
    if not fitting and question is None and compares:
        together = _of_module(pool, study)
        if together:
            return _results(store, _combined(together), together)
    if len(fitting) == 1:
        return results_of(store, fitting[0])
    wanted = _in_words(number, kind, study, question)
    if fitting:
        raise ReportError(
            f"{wanted} could be any of {_listed(fitting)}. Say which with --study STUDY or --question "
            "QUESTION."
        )
    there = f"there is {_listed(known)}" if known else "it is empty"
    target = question or _TARGETS.get((kind, number or 0)) or study or "ablations.branching_regularizer"
    about = f" --study {study}" if study and ":" in study and target != study else ""
    raise ReportError(
        f"the store has no results for {wanted}: {there}. Make them: `dymu run {target}{about}`."
    )


def results_of(store: Store, manifest: Manifest) -> Results:
    """The records of a manifest.

    Raises:
        ReportError: If all arms are ad hoc, or if records were measured in ways that cannot be compared.
    """
    return _results(store, manifest, [manifest])


def _results(store: Store, manifest: Manifest, origins: Sequence[Manifest]) -> Results:
    excluded = tuple(arm for arm in manifest.arms if arm.ad_hoc)
    if len(excluded) == len(manifest.arms):
        raise ReportError(
            f"{manifest.name} was run with overrides from the command line ({_overrides(excluded[0])}); such "
            "results are never put in a table. Write the change into a study or an ablation and run that."
        )
    records, provenance, missing = {}, {}, []
    seeds = sorted({seed for origin in origins for seed in origin.seeds})
    for arm in manifest.arms:
        for seed in seeds if not arm.ad_hoc else ():
            address = arm.steps.get(str(seed), {}).get(EVALUATE, "")
            if not address or not store.has(address):
                missing.append(Missing(arm=arm.name, seed=seed, address=address))
                continue
            folder = store.path(address)
            records[arm.name, seed] = read_record(folder)
            path = folder / PROVENANCE
            provenance[arm.name, seed] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    results = Results(
        manifest=manifest,
        records=records,
        provenance=provenance,
        missing=tuple(missing),
        excluded=excluded,
    )
    _check_comparable(results)
    return results


def _check_comparable(results: Results) -> None:
    cells = sorted(results.records)
    for cell in cells[1:]:
        for what, first, other in _conflicts(results, cells[0], cell):
            raise ReportError(
                f"{results.manifest.name}: arm {cells[0][0]} at seed {cells[0][1]} and arm {cell[0]} at seed "
                f"{cell[1]} were judged differently and cannot stand in one table: {what} is {first!r} and "
                f"{other!r}. Run both again with one version of the study."
            )


def _conflicts(results: Results, first: Cell, other: Cell) -> Iterator[tuple[str, Any, Any]]:
    one, two = results.records[first], results.records[other]
    if one.data_digest != two.data_digest:
        yield "the digest of the data", one.data_digest, two.data_digest
    if one.tasks != two.tasks:
        yield "the list of tasks", one.tasks, two.tasks
    protocol, compared = protocol_of(one), protocol_of(two)
    declared = {*results.arm(first[0]).changes, *results.arm(other[0]).changes}
    for name in sorted({*protocol, *compared}):
        if f"evaluation.{name}" not in declared and protocol.get(name) != compared.get(name):
            yield f"evaluation.{name}", protocol.get(name), compared.get(name)
    if one.reference_point != two.reference_point and "evaluation.reference_point" not in declared:
        yield "the reference point", one.reference_point, two.reference_point


def protocol_of(record: Record) -> Mapping[str, Any]:
    """The evaluation protocol in a record's config, as canonical form."""

    def search(form: Any) -> Iterator[Mapping[str, Any]]:
        if isinstance(form, Mapping):
            if form.get("type") == _PROTOCOL_TYPE:
                yield form
            for below in form.values():
                yield from search(below)
        elif isinstance(form, list):
            for below in form:
                yield from search(below)

    return next(search(record.config.get(record.address)), {})


def _narrow(
    pool: Sequence[Manifest], *, number: int | None, kind: Kind, study: str | None, question: str | None
) -> list[Manifest]:
    fitting = list(pool)
    if study is not None:
        fitting = [manifest for manifest in fitting if _plain(manifest.study) == _study_name(study)]
    if question is not None:
        leaf = question.rpartition(".")[2]
        fitting = [manifest for manifest in fitting if manifest.name.partition(".")[2] == leaf]
    elif number is not None:
        fitting = _by_number(fitting, number, kind)
    plain = [manifest for manifest in fitting if manifest.name == manifest.study]
    if study is not None and question is None and number is None and plain:
        return plain
    return fitting


def _by_number(pool: Sequence[Manifest], number: int, kind: Kind) -> list[Manifest]:
    source = f"{kind.capitalize()} {number}"
    wanted = [_sourced(pool, source)]
    if kind == "figure":  # a figure may be about one row of a question
        wanted.append(_with_arm(pool, source))
    if kind == "figure" and number in _OF_FIGURE_6:
        wanted.append(_with_arm(pool, "Figure 6"))
    if kind == "figure" and number in _OF_TABLE_6:
        wanted.append(_sourced(pool, "Table 6"))
        wanted.append([manifest for manifest in pool if manifest.name == manifest.study])
        wanted.append(list(pool))
    return next((found for found in wanted if found), [])


def _sourced(pool: Sequence[Manifest], source: str) -> list[Manifest]:
    return [manifest for manifest in pool if _from(source, manifest.source)]


def _with_arm(pool: Sequence[Manifest], source: str) -> list[Manifest]:
    return [manifest for manifest in pool if any(_from(source, arm.source) for arm in manifest.arms)]


def _from(source: str, text: str) -> bool:
    """Whether a text names a table or figure first: "Table 6, row 2" is from Table 6, "Table 61" is not."""
    return re.match(re.escape(source) + r"(?!\d)", text) is not None


def _study_name(text: str) -> str:
    module, colon, attribute = text.partition(":")
    return _plain(f"{module.rpartition('.')[2]}-{attribute}" if colon else text)


def _plain(name: str) -> str:
    return name.replace("_", "-")


def _of_module(pool: Sequence[Manifest], study: str | None) -> list[Manifest]:
    """Manifests of single studies of one module, if ``study`` names a module or there is only one."""
    alone = [manifest for manifest in pool if manifest.name == manifest.study]
    if study is None:
        modules = {_plain(manifest.study).partition("-")[0] for manifest in alone}
        return alone if len(modules) == 1 and len(alone) > 1 else []
    if ":" in study or any(manifest.study == study for manifest in pool):
        return []
    module = _plain(study.rpartition(".")[2])
    return [manifest for manifest in alone if _plain(manifest.study).startswith(f"{module}-")]


def _combined(manifests: Sequence[Manifest]) -> Manifest:
    """One manifest with an arm for each study."""
    arms = tuple(replace(m.arms[0], name=m.study, label=m.arms[0].label or m.study) for m in manifests)
    name = _plain(manifests[0].study).partition("-")[0]
    target = f"studies.{name}"
    return replace(
        manifests[0], name=name, study=name, target=target, title=f"Studies of {name}", source="", arms=arms
    )


def _in_words(number: int | None, kind: Kind, study: str | None, question: str | None) -> str:
    parts = [f"{kind} {number}"] if number is not None else [f"a {kind}"]
    if question is not None:
        parts.append(f"question {question}")
    if study is not None:
        parts.append(f"study {study}")
    return ", ".join(parts)


def _listed(manifests: Sequence[Manifest]) -> str:
    names = [f"{m.name} ({m.source})" if m.source else m.name for m in manifests]
    return ", ".join(names)


def _overrides(arm: ManifestArm) -> str:
    return ", ".join(f"{path}={value}" for path, value in arm.ad_hoc.items())
