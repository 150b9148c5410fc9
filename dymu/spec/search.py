"""A search as data: which fields of a study may change, what is to become best, how and for how long.

A search looks at the validation split only. What it finds is evaluated on the test split like any other
study, once it has been chosen.
"""

import re
from typing import Literal

from dymu.artifacts.config import changed, check, config
from dymu.errors import SpecError
from dymu.spec.ablation import Arm, Question
from dymu.spec.space import Space, check_space, points
from dymu.spec.study import Study

Direction = Literal["maximize", "minimize"]
SamplerKind = Literal["tpe", "nsgaii", "gp", "random", "grid"]

_NAME = re.compile(r"[A-Za-z0-9_-]+")


@config
class Objective:
    """A record value that is to become large or small.

    Attributes:
        value: Name of a record value, for instance ``hypervolume/c=0``.
        direction: Which way is better.
    """

    value: str
    direction: Direction


@config
class Sampler:
    """How proposals are made. Draws of a trial depend on the seed, its number and the trials before it alone.

    Attributes:
        kind: ``tpe``: tree-structured Parzen estimators over all entries together, for one or several
            objectives and conditional spaces; ``nsgaii``: a genetic algorithm for several objectives;
            ``gp``: Gaussian processes, for few trials; ``random``; ``grid``: every point of a finite space,
            in an order that the seed decides.
        seed: Of all draws.
        startup_trials: Random trials before ``tpe`` and ``gp`` begin to model.
        population: Of ``nsgaii``; its first generation is random.
    """

    kind: SamplerKind = "tpe"
    seed: int = 0
    startup_trials: int = 10
    population: int = 12

    def __post_init__(self) -> None:
        check(self.seed >= 0, self, "seed", "a number that is not negative")
        check(self.startup_trials >= 1, self, "startup_trials", "at least 1")
        check(self.population >= 2, self, "population", "at least 2")


@config
class Pruner:
    """Ends trials early. The resource is the number of seeds: see ADR 0013.

    A trial is judged by its mean over its first ``min_seeds`` seeds, then over ``reduction`` times as many,
    and so on; what a trial that is ended has cost are the seeds that it had.

    Attributes:
        kind: ``asha``: successive halving without waiting; ``hyperband``: several of them side by side, which
            begin at different numbers of seeds.
        reduction: One of this many trials goes on at each rung.
        min_seeds: Seeds before the first judgement.
    """

    kind: Literal["asha", "hyperband"] = "asha"
    reduction: int = 2
    min_seeds: int = 1

    def __post_init__(self) -> None:
        check(self.reduction >= 2, self, "reduction", "at least 2")
        check(self.min_seeds >= 1, self, "min_seeds", "at least 1")

    def rungs(self, num_seeds: int) -> tuple[int, ...]:
        """Numbers of seeds after which a trial is judged, ascending; at the last it is complete."""
        found = [self.min_seeds]
        while found[-1] * self.reduction < num_seeds:
            found.append(found[-1] * self.reduction)
        return (*found, num_seeds)


@config
class Search:
    """A search over fields of a study.

    Attributes:
        name: ``<module>-<attribute>``, like a study's.
        baseline: Study whose fields change.
        space: What may change.
        objectives: What is to become best; several make a Pareto set. A trial's objective is the mean over
            the seeds, on the validation split.
        sampler: How proposals are made.
        trials: Budget, failed and pruned trials included.
        seeds: Study seeds of each trial.
        pruner: Ends trials early; ``None`` for never.
        start_at_baseline: Whether the first trial is the baseline as it is, if the space holds it.
    """

    name: str
    baseline: Study
    space: Space
    objectives: tuple[Objective, ...]
    sampler: Sampler = Sampler()
    trials: int = 30
    seeds: tuple[int, ...] = (0,)
    pruner: Pruner | None = None
    start_at_baseline: bool = True

    def __post_init__(self) -> None:
        is_name = _NAME.fullmatch(self.name) is not None
        check(is_name, self, "name", "letters, digits, '-' and '_': files are named after it")
        check(len(self.space) > 0, self, "space", "at least one entry")
        check(len(self.objectives) > 0, self, "objectives", "at least one")
        named = [objective.value for objective in self.objectives]
        check(len(set(named)) == len(named), self, "objectives", "different record values")
        check(self.trials >= 1, self, "trials", "at least 1")
        fitting = len(self.seeds) > 0 and len(set(self.seeds)) == len(self.seeds) and min(self.seeds) >= 0
        check(fitting, self, "seeds", "at least one, different, none negative")
        try:
            check_space(self.baseline, self.space)
            self._check_sampler()
            self._check_pruner()
        except SpecError as error:
            raise SpecError(f"search {self.name}: {error}") from None

    def with_trials(self, trials: int | None) -> "Search":
        """The same search with another budget."""
        return self if trials is None or trials == self.trials else changed(self, {"trials": trials})

    def _check_sampler(self) -> None:
        kind = self.sampler.kind
        conditional = [entry.path for entry in self.space if entry.only_when is not None]
        if kind in ("nsgaii", "gp") and conditional:
            raise SpecError(
                f"sampler {kind} would draw conditional entries ({', '.join(conditional)}) at random; use "
                "tpe, random or grid."
            )
        if kind == "nsgaii" and len(self.objectives) < 2:
            raise SpecError("sampler nsgaii sorts trade-offs between objectives; for one objective use tpe.")
        if kind == "nsgaii" and self.trials <= self.sampler.population:
            raise SpecError(
                f"sampler nsgaii draws its first {self.sampler.population} trials at random, and there are "
                f"{self.trials}; give more trials or a smaller population."
            )
        if kind == "grid":
            size = len(points(self.space))
            if self.trials > size:
                raise SpecError(
                    f"the grid has {size} points, but trials is {self.trials}; give at most {size}."
                )

    def _check_pruner(self) -> None:
        if self.pruner is None:
            return
        if len(self.objectives) > 1:
            raise SpecError(
                "a pruner compares trials by one number, but there are several objectives; use pruner=None."
            )
        if self.pruner.min_seeds >= len(self.seeds):
            raise SpecError(
                f"a pruner ends trials between seeds, but seeds are {self.seeds} and the first judgement is "
                f"after {self.pruner.min_seeds}; give more seeds, or pruner=None."
            )


@config
class ArmSearch:
    """A search for every arm of a question, with equal budgets; then the arms at their own best settings.

    An arm does not search what it changes. There is no pruner: it would end arms that start slowly.

    Attributes:
        name: ``<module>-<attribute>``, like a study's.
        question: Text that names the question, as on the command line.
        space: What may change in every arm.
        objective: What is to become best.
        sampler: How proposals are made, with the same seed in every arm.
        trials: Budget of each arm.
        seeds: Study seeds of each trial; the comparison on the test split takes others.
    """

    name: str
    question: str
    space: Space
    objective: Objective
    sampler: Sampler = Sampler()
    trials: int = 20
    seeds: tuple[int, ...] = (100,)

    def __post_init__(self) -> None:
        is_name = _NAME.fullmatch(self.name) is not None
        check(is_name, self, "name", "letters, digits, '-' and '_': files are named after it")

    def with_trials(self, trials: int | None) -> "ArmSearch":
        """The same search with another budget for each arm."""
        return self if trials is None or trials == self.trials else changed(self, {"trials": trials})

    def of_arm(self, arm: Arm) -> Search:
        """The search of one arm.

        Raises:
            SpecError: If nothing is left to search, or the space does not fit; names the arm.
        """
        space = tuple(entry for entry in self.space if not _touches(entry.path, arm))
        gone = {entry.path for entry in self.space} - {entry.path for entry in space}
        space = tuple(e for e in space if e.only_when is None or e.only_when.path not in gone)
        if not space:
            raise SpecError(f"search {self.name}: arm {arm.name} changes all that could be searched.")
        return Search(
            name=f"{self.name}--{arm.name}",
            baseline=arm.study,
            space=space,
            objectives=(self.objective,),
            sampler=self.sampler,
            trials=self.trials,
            seeds=self.seeds,
        )

    def of_arms(self, question: Question) -> tuple[tuple[Arm, Search], ...]:
        """Every arm of the question with its search, baseline first."""
        return tuple((arm, self.of_arm(arm)) for arm in question.arms())


def _touches(path: str, arm: Arm) -> bool:
    return any(
        path == own or f"{own}.".startswith(f"{path}.") or path.startswith(f"{own}.") for own in arm.changes
    )
