"""Which records of a store speak about a study: its questions, and studies of the same data beside it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.checks import RETRAINED, Case, Check
from dymu.reports.collect import results_of
from dymu.reports.pairs import question_for
from dymu.spec.ablation import BASELINE

_OURS = "ours"
# Generated images that each question is about unless its name says otherwise.
_STAND_IN = "digits"
# Arms that are also studies of their own, named after the study that they stand beside.
COUNTERPARTS = ("single-task", "static-grid", "phn", "phn-bn", "phn-bn-frozen", "constant")
_RELATIVES = (*COUNTERPARTS, "retrained", "ltb", "bmtas")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that makes records.

    Attributes:
        target: A study or a question.
        study: The study that a question is asked about, if it is not its own.
        arms: Which arms; all if empty.
    """

    target: str
    study: str = ""
    arms: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The target with its study and arms, as ``dymu run`` and ``dymu plan`` take them."""
        study = f" --study {self.study}" if self.study else ""
        return f"{self.target}{study}{''.join(f' --arm {arm}' for arm in self.arms)}"

    def command(self, seeds: int) -> str:
        """What to type."""
        return f"dymu run {self.text} --seeds {seeds}"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a store holds about a study.

    Attributes:
        study: Its name.
        target: What runs it, as in ``studies.digits:ours``.
        cases: Questions about it and about its relatives; last its counterparts put side by side.
        manifests: Of the same, for the commands that make what is missing.
        num_tasks: How many tasks it has.
        left_out: What could not be put side by side, and why.
    """

    study: str
    target: str
    cases: tuple[Case, ...]
    manifests: tuple[Manifest, ...]
    num_tasks: int = 0
    left_out: tuple[str, ...] = ()

    def case(self, check: Check) -> Case | None:
        """Where a check has most seeds, in doubt in its own question; ``None`` if nothing holds its arms.

        A check that needs an evaluation of its own goes by its own question wherever that has a seed.
        """
        leaf = check.question.rpartition(".")[2]

        def rank(case: Case) -> tuple[bool, int, bool]:
            seeds, asked = len(common_seeds(case, check)), _leaf(case.results.manifest)
            own = check.own_evaluation and (asked == leaf or asked.startswith(f"{leaf}_"))
            return own and seeds > 0, seeds, asked == leaf

        return max((case for case in self.cases if _holds(case, check)), key=rank, default=None)


def gather(store: Store, study: str, *, allow_mixed: bool = False) -> Evidence:
    """Find what speaks about a study.

    Args:
        store: Where records are.
        study: ``studies.digits:ours``, ``digits-ours``, or ``studies.digits`` for ``digits-ours``.
        allow_mixed: Whether to take records of other revisions, protocols or step budgets together.

    Raises:
        ReportError: If the store knows nothing of this study; lists what there is.
    """
    name, own, beside = _around(store, study)
    alone = any(manifest.name == manifest.study for manifest in beside)
    together = [_side_by_side(store, name, own, beside)] if alone and _baselines(own) else []
    cases, left_out = [], []
    for manifest in [*own, *beside, *together]:
        try:
            cases.append(Case(results=results_of(store, manifest, allow_mixed=allow_mixed), store=store))
        except ReportError as error:
            left_out.append(str(error))
    return Evidence(
        study=name,
        target=study if ":" in study else _target(name, own),
        cases=tuple(cases),
        manifests=(*own, *beside),
        num_tasks=len(own[0].tasks),
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
    if _known_as(study, _sound(store)) is None:
        return None
    name, own, beside = _around(store, study)
    if len(own) == 1 or any(manifest.name == name for manifest in own) or not _baselines(own):
        return None
    found = _side_by_side(store, name, own, beside)
    # The module, because it also makes the counterparts.
    module, _, _ = _target(name, own).partition(":")
    return replace(found, name=name, target=module, title=f"{name} beside its counterparts")


def common_seeds(case: Case, check: Check) -> tuple[int, ...]:
    """Seeds at which all arms of a check have a record."""
    seeds = [set(case.results.of(arm)) for arm in check.arms]
    return tuple(sorted(set.intersection(*seeds)))


def runs(evidence: Evidence, check: Check) -> tuple[Run, ...]:
    """What to run for the records that a check needs; nothing if no run makes them.

    A question that the store knows is run as it was. A counterpart that it does not know is a study of its
    own, and other arms come from the check's question about this study.
    """
    if not check.question:
        return ()
    if check.own_evaluation:
        own = [manifest for manifest in evidence.manifests if manifest.study == evidence.study]
        target, study = question_for(max(own, key=lambda m: _leaf(m).startswith(("trade_off", "baselines"))))
        return (Run(target=target, study=study, arms=check.arms),)
    for manifest in evidence.manifests:
        if set(check.arms) <= {arm.name for arm in manifest.arms} and manifest.name != manifest.study:
            target, _, study = manifest.target.partition(" --study ")
            return (Run(target=target, study=study, arms=check.arms),)
    module, _, attribute = evidence.target.partition(":")
    counterparts = [arm for arm in check.arms if arm in COUNTERPARTS]
    if counterparts:
        prefix = "" if attribute == _OURS else f"{attribute}_"
        others = (Run(target=f"{module}:{prefix}{_attribute(arm)}") for arm in counterparts)
        return (Run(target=evidence.target), *others)
    if check.method == RETRAINED:
        # These questions are about studies that are retrained, one for each setting.
        setting = module.rpartition(".")[2]
        return (Run(target=check.question if setting == _STAND_IN else f"{check.question}_{setting}"),)
    return (Run(target=check.question, study=evidence.target, arms=check.arms),)


def _leaf(manifest: Manifest) -> str:
    """Last part of the question's name; empty for a single study."""
    return manifest.name.partition(".")[2]


def plain(name: str) -> str:
    """A study's name as the store spells it."""
    return name.replace("_", "-")


def _attribute(name: str) -> str:
    return name.replace("-", "_")


def _holds(case: Case, check: Check) -> bool:
    names = {arm.name for arm in case.results.arms}
    methods = {record.method for record in case.results.of(BASELINE).values()}
    return set(check.arms) <= names and methods <= {check.method}


def _study_named(text: str, known: Sequence[Manifest]) -> str:
    name = _known_as(text, known)
    if name is not None:
        return name
    there = ", ".join(sorted({plain(manifest.study) for manifest in known})) or "nothing"
    example = text if ":" in text else f"{text}:{_OURS}"
    raise ReportError(
        f"the store knows no study {text!r}; it knows {there}. Run it first, for instance with "
        f"`dymu run ablations.branching_regularizer --study {example}`."
    )


def _known_as(text: str, known: Sequence[Manifest]) -> str | None:
    module, colon, attribute = text.partition(":")
    stem = plain(module.rpartition(".")[2])
    wanted = [f"{stem}-{plain(attribute)}"] if colon else [stem, f"{stem}-{_OURS}"]
    names = {plain(manifest.study): manifest.study for manifest in known}
    return next((names[name] for name in wanted if name in names), None)


def _target(name: str, own: Sequence[Manifest]) -> str:
    """What runs a study: what ran it, or where a study of its name is expected."""
    ran = (manifest.target for manifest in own if manifest.name == manifest.study)
    module, _, attribute = name.partition("-")
    return next(ran, f"studies.{module}:{_attribute(attribute)}")


def _stem(study: str) -> str:
    return study.removesuffix(f"-{_OURS}")


def _sound(store: Store) -> list[Manifest]:
    """All manifests without arms that were changed on the command line."""
    return [m for m in store.manifests() if not any(arm.ad_hoc for arm in m.arms)]


def _around(store: Store, study: str) -> tuple[str, list[Manifest], list[Manifest]]:
    """A study's name, the manifests about it, and those about its relatives."""
    known = _sound(store)
    name = _study_named(study, known)
    relatives = {f"{_stem(plain(name))}-{role}" for role in _RELATIVES}
    own = [m for m in known if m.study == name]
    return name, own, [m for m in known if plain(m.study) in relatives - {plain(name)}]


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


def _num_records(store: Store, arm: ManifestArm) -> int:
    return sum(store.has(steps.get("evaluate", "")) for steps in arm.steps.values() if steps.get("evaluate"))
