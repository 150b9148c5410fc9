"""Which records of a store speak about a study: its questions, and studies of the same data beside it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import Store
from dymu.errors import ReportError, did_you_mean
from dymu.reports.checks import Case, Check
from dymu.reports.collect import results_of
from dymu.reports.measures_settings import ARMS as SETTING
from dymu.spec.ablation import BASELINE

OURS = "ours"
# Arms that are also studies of their own, named after the study that they stand beside.
COUNTERPARTS = ("single-task", "static-grid", "phn", "phn-bn", "phn-bn-frozen", "constant")
_RELATIVES = (*COUNTERPARTS, "retrained", "ltb", "bmtas")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a store holds about a study.

    Attributes:
        study: Its name.
        target: What runs it, as in ``studies.digits:ours``.
        cases: Questions about it and about its relatives; last its counterparts put side by side.
        manifests: Of the same, for the commands that make what is missing.
        num_tasks: How many tasks it has.
        others: Other settings: the controller of each other study beside its single-task nets.
        left_out: What could not be put side by side, and why.
    """

    study: str
    target: str
    cases: tuple[Case, ...]
    manifests: tuple[Manifest, ...]
    num_tasks: int = 0
    others: tuple[Case, ...] = ()
    left_out: tuple[str, ...] = ()

    def case(self, check: Check) -> Case | None:
        """Where a check has most seeds, in doubt in its own question; ``None`` if nothing holds its arms.

        A check that needs an evaluation of its own goes by its own question wherever that has a seed.
        """
        leaf = check.question.rpartition(".")[2]

        def rank(case: Case) -> tuple[bool, int, bool]:
            seeds, asked = len(common_seeds(case, check)), leaf_of(case.results.manifest)
            own = check.own_evaluation and (asked == leaf or asked.startswith(f"{leaf}_"))
            return own and seeds > 0, seeds, asked == leaf

        return max((case for case in self.cases if _holds(case, check)), key=rank, default=None)


def gather(store: Store, study: str, *, allow_mixed: bool = False, against: str | None = None) -> Evidence:
    """Find what speaks about a study.

    Args:
        store: Where records are.
        study: ``studies.digits:ours``, ``digits-ours``, or ``studies.digits`` for ``digits-ours``.
        allow_mixed: Whether to take records of other revisions, protocols or step budgets together.
        against: The study of the other setting, for claims that compare two; by default all of the store.

    Raises:
        ReportError: If the store knows nothing of this study, or of the other; lists what there is.
    """
    known = _sound(store)
    name, own, beside = _around(known, study)
    alone = any(manifest.name == manifest.study for manifest in beside)
    together = [_side_by_side(store, name, own, beside)] if alone and _baselines(own) else []
    elsewhere = list(_elsewhere(store, known, name, against))
    cases: dict[str, Case] = {}
    left_out = []
    for manifest in [*own, *beside, *together, *elsewhere]:
        try:
            results = results_of(store, manifest, allow_mixed=allow_mixed)
        except ReportError as error:
            left_out.append(str(error))
        else:
            cases[manifest.name] = Case(results=results, store=store)
    others = [cases.pop(manifest.name) for manifest in elsewhere if manifest.name in cases]
    data = _data(cases.values())
    return Evidence(
        study=name,
        target=study if ":" in study else target_of(name, own),
        cases=tuple(cases.values()),
        manifests=(*own, *beside),
        num_tasks=len(own[0].tasks),
        others=tuple(other for other in others if data.isdisjoint(_data([other]))),
        left_out=tuple(left_out),
    )


def study_itself(store: Store, study: str) -> Manifest | None:
    """A study beside its counterparts, where the store knows it from several questions alone.

    Args:
        store: Where manifests are.
        study: As for :func:`gather`.

    Returns:
        A manifest that no run made; ``None`` where one manifest speaks for the study, that of its own run or
        that of the only question about it, and where the store does not know it.
    """
    known = _sound(store)
    if _known_as(study, known) is None:
        return None
    name, own, beside = _around(known, study)
    if len(own) == 1 or any(manifest.name == name for manifest in own) or not _baselines(own):
        return None
    found = _side_by_side(store, name, own, beside)
    # The module, because it also makes the counterparts.
    module, _, _ = target_of(name, own).partition(":")
    return replace(found, name=name, target=module, title=f"{name} beside its counterparts")


def common_seeds(case: Case, check: Check) -> tuple[int, ...]:
    """Seeds at which all arms of a check have a record."""
    seeds = [set(case.results.of(arm)) for arm in check.arms]
    return tuple(sorted(set.intersection(*seeds)))


def leaf_of(manifest: Manifest) -> str:
    """Last part of the question's name; empty for a single study."""
    return manifest.name.partition(".")[2]


def plain(name: str) -> str:
    """A study's name as the store spells it."""
    return name.replace("_", "-")


def attribute_of(name: str) -> str:
    """A name as a module spells it."""
    return name.replace("-", "_")


def _holds(case: Case, check: Check) -> bool:
    names = {arm.name for arm in case.results.arms}
    methods = {record.method for record in case.results.of(BASELINE).values()}
    return set(check.arms) <= names and methods <= {check.method}


def _study_named(text: str, known: Sequence[Manifest]) -> str:
    name = _known_as(text, known)
    if name is not None:
        return name
    names = sorted({plain(manifest.study) for manifest in known})
    near = did_you_mean(plain(text.rpartition(".")[2].replace(":", "-")), names)
    there = ", ".join(names) or "nothing"
    example = text if ":" in text else f"{text}:{OURS}"
    raise ReportError(
        f"the store knows no study {text!r}{near}; it knows {there}. Run it first, for instance with "
        f"`dymu run ablations.branching_regularizer --study {example}`."
    )


def _known_as(text: str, known: Sequence[Manifest]) -> str | None:
    module, colon, attribute = text.partition(":")
    stem = plain(module.rpartition(".")[2])
    wanted = [f"{stem}-{plain(attribute)}"] if colon else [stem, f"{stem}-{OURS}"]
    names = {plain(manifest.study): manifest.study for manifest in known}
    return next((names[name] for name in wanted if name in names), None)


def target_of(name: str, own: Sequence[Manifest] = ()) -> str:
    """What runs a study: what ran it, or where a study of its name is expected."""
    ran = (manifest.target for manifest in own if manifest.name == manifest.study)
    module, _, attribute = name.partition("-")
    return next(ran, f"studies.{module}:{attribute_of(attribute)}")


def _stem(study: str) -> str:
    return study.removesuffix(f"-{OURS}")


def _sound(store: Store) -> list[Manifest]:
    """All manifests without arms that were changed on the command line."""
    return [m for m in store.manifests() if not any(arm.ad_hoc for arm in m.arms)]


def _around(known: Sequence[Manifest], study: str) -> tuple[str, list[Manifest], list[Manifest]]:
    """A study's name, the manifests about it, and those about its relatives."""
    name = _study_named(study, known)
    relatives = {f"{_stem(plain(name))}-{role}" for role in _RELATIVES}
    own = [m for m in known if m.study == name]
    return name, own, [m for m in known if plain(m.study) in relatives - {plain(name)}]


def _elsewhere(store: Store, known: Sequence[Manifest], name: str, against: str | None) -> Iterator[Manifest]:
    """Of each other study the baseline beside its single-task nets, where the store knows both."""
    _, own, beside = _around(known, name)
    near = {manifest.study for manifest in (*own, *beside)}
    studies = sorted({m.study for m in known} - near) if against is None else [_study_named(against, known)]
    if not near.isdisjoint(studies):
        raise ReportError(f"{against} is no other setting than {name}; name a study of other data.")
    for study in studies:
        _, theirs, relatives = _around(known, study)
        together = [_side_by_side(store, study, theirs, relatives)] if _baselines(theirs) else []
        both = [m for m in (*theirs, *together) if set(SETTING) <= {arm.name for arm in m.arms}]
        yield from (replace(m, arms=tuple(arm for arm in m.arms if arm.name in SETTING)) for m in both)


def _baselines(own: Sequence[Manifest]) -> list[tuple[Manifest, ManifestArm]]:
    return [(manifest, arm) for manifest in own for arm in manifest.arms if arm.name == BASELINE]


def _side_by_side(store: Store, name: str, own: Sequence[Manifest], beside: Sequence[Manifest]) -> Manifest:
    """The study and all counterparts that were run by themselves, as the arms of one manifest."""
    printed = {arm.name: arm for manifest in own for arm in manifest.arms if arm.paper}
    alone = [manifest for manifest in beside if manifest.name == manifest.study]
    manifest, baseline = max(_baselines(own), key=lambda pair: _num_records(store, pair[1]))
    arms = [replace(baseline, paper=printed[BASELINE].paper if BASELINE in printed else {})]
    for other in alone:
        role = plain(other.study).removeprefix(f"{_stem(plain(name))}-")
        if role in COUNTERPARTS:
            paper = printed[role].paper if role in printed else {}
            label = other.arms[0].label or other.study
            arms.append(replace(other.arms[0], name=role, label=label, paper=paper))
    return replace(manifest, name=f"{name} and its counterparts", title="", source="", arms=tuple(arms))


def _data(cases: Iterable[Case]) -> set[str]:
    """Digests of the data behind records."""
    return {record.data_digest for case in cases for record in case.results.records.values()}


def _num_records(store: Store, arm: ManifestArm) -> int:
    return sum(store.has(steps.get("evaluate", "")) for steps in arm.steps.values() if steps.get("evaluate"))
