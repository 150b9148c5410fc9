"""From targets to steps: which exist, which are shared, what must run and in which portions.

Pure: no torch, no Ray, and the store is asked only whether an address exists.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.artifacts.step import Step
from dymu.errors import SpecError
from dymu.run.target import Target
from dymu.spec.ablation import BASELINE, Arm

FINAL = "evaluate"  # under this key a manifest lists the step that publishes the record

State = Literal["cached", "shared", "new"]


class Use(NamedTuple):
    """An arm of a target at one seed: what a step is needed for."""

    target: str
    arm: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Consecutive steps that the same arms and seeds need; one process runs them one after another.

    Attributes:
        steps: In order; each but the first reads the one before it.
        users: Who needs them.
        needs: Names of the chains that must be finished before.
    """

    steps: tuple[Step, ...]
    users: frozenset[Use]
    needs: frozenset[str]

    @property
    def name(self) -> str:
        """Address of the first step; unique, because a step is in one chain."""
        return self.steps[0].address


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All steps of some targets at some seeds.

    Attributes:
        targets: What is run.
        seeds: At which seeds.
        finals: The last step of each use.
        identities: Address of the evaluation at seed 0 of every arm, also of those that are not run.
        steps: Every step once, after its inputs and after the parts that are to do its work.
        cached: Addresses that the store already has.
        beside: The last step of each use that was not asked for and has its record in the store.
    """

    targets: tuple[Target, ...]
    seeds: tuple[int, ...]
    finals: Mapping[Use, Step]
    identities: Mapping[tuple[str, str], str]
    steps: tuple[Step, ...]
    cached: frozenset[str]
    beside: Mapping[Use, Step] = field(default_factory=dict)

    @cached_property
    def users(self) -> Mapping[str, frozenset[Use]]:
        """Who needs a step, by address."""
        found: dict[str, set[Use]] = {step.address: set() for step in self.steps}
        for use, final in self.finals.items():
            for step in self.closure(final):
                found[step.address].add(use)
        return {address: frozenset(uses) for address, uses in found.items()}

    def closure(self, final: Step) -> Iterator[Step]:
        """A step and all that it depends on in this plan, parts included, each after what it waits for."""
        for step in final.closure():
            yield from self._planned_parts(step)
            yield step

    @cached_property
    def missing(self) -> tuple[Step, ...]:
        """Steps that must run, inputs first.

        A step whose results all exist is not run for the sake of an input that was removed.
        """
        wanted: set[str] = set()

        def visit(step: Step) -> None:
            if step.address in self.cached or step.address in wanted:
                return
            wanted.add(step.address)
            for below in (*step.inputs.values(), *self._planned_parts(step)):
                visit(below)

        for final in self.finals.values():
            visit(final)
        return tuple(step for step in self.steps if step.address in wanted)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """The missing steps as chains; ``needs`` says in which order they can run."""
        return chains_of(self.missing, self.users)

    def state(self, step: Step) -> State:
        """Whether a step exists, serves several arms, or belongs to one arm alone."""
        if step.address in self.cached:
            return "cached"
        arms = {(use.target, use.arm) for use in self.users[step.address]}
        return "shared" if len(arms) > 1 else "new"

    def name_of(self, use: Use) -> str:
        """The arm as people call it: with its study, where there are several."""
        if len(self.targets) == 1:
            return use.arm
        return use.target if use.arm == BASELINE else f"{use.target} {use.arm}"

    def manifest(self, target: Target) -> Manifest:
        """What this plan expects of the store for one target."""
        arms = (self._manifest_arm(target, arm) for arm in target.arms)
        return Manifest(
            name=target.name,
            study=target.study,
            target=target.text,
            title=target.title,
            source=target.source,
            tasks=tuple(task.name for task in target.arms[0].study.dataset.tasks),
            arms=tuple(arms),
        )

    def _planned_parts(self, step: Step) -> tuple[Step, ...]:
        return tuple(part for part in step.parts if part.address in self._addresses)

    @cached_property
    def _addresses(self) -> frozenset[str]:
        return frozenset(step.address for step in self.steps)

    def _manifest_arm(self, target: Target, arm: Arm) -> ManifestArm:
        steps = {
            str(use.seed): stage_addresses(final)
            for use, final in (*self.finals.items(), *self.beside.items())
            if (use.target, use.arm) == (target.name, arm.name)
        }
        return ManifestArm(
            name=arm.name,
            label=arm.label,
            source=arm.source,
            paper=dict(arm.paper),
            changes={path: canonical(value) for path, value in arm.changes.items()},
            claims=tuple(canonical(claim) for claim in arm.claims),
            ad_hoc={path: canonical(value) for path, value in arm.ad_hoc.items()},
            steps=steps,
            identity=self.identities[target.name, arm.name],
        )


def make_plan(
    targets: Sequence[Target],
    seeds: Sequence[int],
    *,
    has: Callable[[str], bool],
    apart: bool = False,
) -> Plan:
    """Expand targets into steps.

    Args:
        targets: What to run.
        seeds: At which seeds.
        has: Whether the store has an address.
        apart: Whether missing steps that have parts wait for these to do their work.

    Raises:
        SpecError: If any arm cannot be built; lists every such arm, so that nothing starts before all are
            right.
    """
    finals: dict[Use, Step] = {}
    beside: dict[Use, Step] = {}
    identities: dict[tuple[str, str], str] = {}
    wrong: dict[str, str] = {}
    for target in targets:
        for arm in target.arms:
            try:
                identities[target.name, arm.name] = arm.study.evaluation_step(0).address
                for seed in seeds:
                    final = arm.study.evaluation_step(seed)
                    if arm.name in target.selected:
                        finals[Use(target.name, arm.name, seed)] = final
                    elif has(final.address):
                        beside[Use(target.name, arm.name, seed)] = final
            except SpecError as error:
                wrong[f"{target.name}, arm {arm.name}"] = str(error)
    if wrong:
        raise SpecError("\n".join(f"{where}: {message}" for where, message in wrong.items()))
    finals = dict(sorted(finals.items(), key=lambda item: item[0].seed))  # all arms of a seed, then the next
    steps = _steps_of(finals.values(), split=(lambda address: not has(address)) if apart else None)
    return Plan(
        targets=tuple(targets),
        seeds=tuple(seeds),
        finals=finals,
        identities=identities,
        steps=tuple(steps.values()),
        cached=frozenset(address for address in steps if has(address)),
        beside=beside,
    )


def _steps_of(finals: Iterable[Step], *, split: Callable[[str], bool] | None) -> dict[str, Step]:
    """Every step once by address, inputs first; ``split`` says at which addresses parts go before."""
    steps: dict[str, Step] = {}
    for final in finals:
        for step in final.closure():
            if step.address not in steps and split is not None and split(step.address):
                steps |= {part.address: part for part in step.parts}
            steps.setdefault(step.address, step)
    return steps


def stage_addresses(final: Step) -> dict[str, str]:
    """Stage name to address for a step and all its inputs, in run order.

    The step itself stands under ``evaluate``. A stage that occurs more than once gets a number.
    """
    found: dict[str, str] = {}
    for step in final.closure():
        name = FINAL if step is final else step.stage
        count = sum(1 for key in found if key.partition("#")[0] == name)
        found[f"{name}#{count + 1}" if count else name] = step.address
    return found


def chains_of(steps: Sequence[Step], users: Mapping[str, frozenset[Use]]) -> tuple[Chain, ...]:
    """Steps that are to run, inputs first, as chains; ``users`` says who needs each, by address."""
    parents = {
        step.address: [below.address for below in (*step.inputs.values(), *step.parts)] for step in steps
    }
    links = _direct_links(parents, users)
    followers: dict[str, list[str]] = {address: [] for address in parents}
    for address, above in links.items():
        for parent in above:
            followers[parent].append(address)
    members: dict[str, list[Step]] = {}  # by address of the chain's first step
    head: dict[str, str] = {}
    for step in steps:
        above = links[step.address]
        joins = len(above) == 1 and len(followers[above[0]]) == 1
        head[step.address] = head[above[0]] if joins else step.address
        members.setdefault(head[step.address], []).append(step)
    return tuple(
        Chain(
            steps=tuple(listed),
            users=users[name],
            needs=frozenset(
                head[parent] for step in listed for parent in parents[step.address] if parent in head
            )
            - {name},
        )
        for name, listed in members.items()
    )


def _direct_links(
    parents: Mapping[str, Sequence[str]], users: Mapping[str, frozenset[Use]]
) -> dict[str, list[str]]:
    """Per step its inputs of the same users, without those that are also reached through another one."""
    reach: dict[str, set[str]] = {}  # everything of the same users that a step depends on
    links: dict[str, list[str]] = {}
    for address, above in parents.items():
        alike = [p for p in dict.fromkeys(above) if p in reach and users[p] == users[address]]
        reach[address] = {*alike}.union(*(reach[p] for p in alike))
        links[address] = [p for p in alike if not any(p in reach[other] for other in alike if other != p)]
    return links
