"""What to run for the records that a claim of the paper lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dymu.reports.checks import RETRAINED, Check
from dymu.reports.claims import LEAST_SEEDS
from dymu.reports.evidence import COUNTERPARTS, OURS, Evidence, attribute_of, common_seeds, leaf_of, target_of
from dymu.reports.pairs import question_for

# Generated images that each question is about unless its name says otherwise.
_STAND_IN = "digits"
# The second of two settings, if the store has none: generated images, and not those that the first is about.
_ELSEWHERE = {True: "ablations.baselines_scenes", False: "ablations.baselines"}


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


def runs(evidence: Evidence, check: Check) -> tuple[Run, ...]:
    """What to run for the records that a check needs; nothing if no run makes them.

    A question that the store knows is run as it was. A counterpart that it does not know is a study of its
    own, and other arms come from the check's question about this study.
    """
    if not check.question:
        return ()
    if check.between is not None:
        return _runs_of_two(evidence, replace(check, between=None))
    if check.own_evaluation:
        own = [manifest for manifest in evidence.manifests if manifest.study == evidence.study]
        target, study = question_for(
            max(own, key=lambda m: leaf_of(m).startswith(("trade_off", "baselines")))
        )
        return (Run(target=target, study=study, arms=check.arms),)
    for manifest in evidence.manifests:
        if set(check.arms) <= {arm.name for arm in manifest.arms} and manifest.name != manifest.study:
            target, _, study = manifest.target.partition(" --study ")
            return (Run(target=target, study=study, arms=check.arms),)
    alone = _run_alone(evidence.target, check.arms)
    if len(alone) > 1:
        return alone
    module = evidence.target.partition(":")[0]
    if check.method == RETRAINED:
        # These questions are about studies that are retrained, one for each setting.
        setting = module.rpartition(".")[2]
        return (Run(target=check.question if setting == _STAND_IN else f"{check.question}_{setting}"),)
    return (Run(target=check.question, study=evidence.target, arms=check.arms),)


def _run_alone(target: str, arms: Sequence[str]) -> tuple[Run, ...]:
    """A study, and those of some arms that are studies beside it."""
    module, _, attribute = target.partition(":")
    prefix = "" if attribute == OURS else f"{attribute}_"
    counterparts = (arm for arm in arms if arm in COUNTERPARTS)
    return (
        Run(target=target),
        *(Run(target=f"{module}:{prefix}{attribute_of(arm)}") for arm in counterparts),
    )


def _runs_of_two(evidence: Evidence, check: Check) -> tuple[Run, ...]:
    """What to run for two settings: of each what has too few seeds, or both where few seeds are common."""
    own = evidence.case(check)
    most = max(evidence.others, key=lambda case: len(common_seeds(case, check)), default=None)
    if most is None:
        target = _ELSEWHERE[evidence.study.startswith(_STAND_IN)]
        theirs: tuple[Run, ...] = (Run(target=target, arms=check.arms),)
    elif leaf_of(most.results.manifest):
        target, _, study = most.results.manifest.target.partition(" --study ")
        theirs = (Run(target=target, study=study, arms=check.arms),)
    else:
        theirs = _run_alone(target_of(most.results.manifest.study), check.arms)
    sides = ((own, runs(evidence, check)), (most, theirs))
    few = [made for case, made in sides if case is None or len(common_seeds(case, check)) < LEAST_SEEDS]
    return tuple(run for made in few or [made for _, made in sides] for run in made)
