"""One search and its Optuna study: proposals go out, answers come in, the file of trials is kept."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.artifacts.trials import Goal, SearchResult, Trial, address_of, save_result
from dymu.errors import SpecError, StoreError
from dymu.run.search.importance import importances
from dymu.run.search.samplers import fixed_params, make_pruner, make_sampler
from dymu.run.search.steps import final_step, key_of
from dymu.run.search.storage import open_storage, shown
from dymu.spec.search import Search
from dymu.spec.space import Choice, Float, active, proposed

if TYPE_CHECKING:
    import optuna

ADDRESSES, ERROR, MEANS, BY_SEED, ANSWERED = ("addresses", "error", "means", "by_seed", "answered")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A trial that was handed out.

    Attributes:
        number: Of the trial.
        params: What the sampler drew.
        finals: Seed to the step that measures it; empty if the study refuses the values.
        error: Why it does.
    """

    number: int
    params: Mapping[str, Any]
    finals: Mapping[int, Step]
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was measured for a trial.

    Attributes:
        objectives: Means over seeds.
        by_seed: Seed to objectives.
        means: Record value name to mean over seeds.
        answered: Whether nothing had to be computed.
    """

    objectives: tuple[float, ...]
    by_seed: Mapping[int, tuple[float, ...]]
    means: Mapping[str, float]
    answered: bool


class Desk:
    """Hands out the trials of one search and takes their answers.

    One process at a time sits at the desk: it holds the lease of the search. Trials that an earlier one had
    handed out and not answered are handed out again first, with their numbers and values.

    Args:
        search: The search, with its budget.
        store: Where the journal, the lease and the file of trials are.
        target: What the user typed.
        url: Of a database instead of the journal.

    Raises:
        StoreError: If another process runs this search.
        SpecError: If the store cannot hold the trials.
        BackendError: If the database cannot be used.
    """

    def __init__(self, search: Search, store: Store, *, target: str, url: str | None = None) -> None:
        import optuna

        self.search = search
        self.key = key_of(search)
        self._store = store
        self._target = target
        self._url = url
        self._lease = store.lease(address_of(self.key))
        if not self._lease.try_acquire():
            holder = self._lease.holder()
            who = "another process" if holder is None else holder.text
            raise StoreError(
                f"search {search.name} is run by {who}. One process proposes the trials of a search; give it "
                "more concurrency, or stop it: the same command then goes on with its trials."
            )
        try:
            store.pull_work(address_of(self.key))
            logging.getLogger("optuna").setLevel(logging.ERROR)  # one line a trial otherwise
            self._optuna = optuna
            goals = [objective.direction for objective in search.objectives]
            self._study = optuna.create_study(
                study_name=self.key,
                storage=open_storage(store, self.key, url),
                sampler=make_sampler(search.sampler, 0),
                pruner=make_pruner(search.pruner, len(search.seeds)),
                directions=goals,
                load_if_exists=True,
            )
            self._handed: dict[int, optuna.Trial] = {}
            self._orphans = [t for t in self._trials() if t.state == optuna.trial.TrialState.RUNNING]
        except BaseException:
            self._lease.release()
            raise

    def close(self) -> None:
        """Leave the desk: the file of trials is written and the lease given back."""
        try:
            if not self._lease.lost:
                self.save(final=True)
        finally:
            self._lease.release()

    @property
    def left(self) -> int:
        """Trials that are still to be answered: of the budget, and those that were put back."""
        return max(0, self.search.trials - self.asked) + len(self._orphans)

    @property
    def asked(self) -> int:
        """Trials that exist, also those that failed and those that are to be handed out again."""
        waiting = self._optuna.trial.TrialState.WAITING
        return sum(trial.state != waiting for trial in self._trials())

    @property
    def open(self) -> tuple[int, ...]:
        """Numbers of trials that were handed out and not answered."""
        return tuple(self._handed)

    def next(self) -> Proposal | None:
        """The next trial; ``None`` when the budget is spent.

        Raises:
            StoreError: If another process has taken over the search.
        """
        self._must_hold()
        study = self._study
        if self._orphans:
            orphan = self._orphans.pop(0)
            study.sampler = make_sampler(self.search.sampler, orphan.number)
            return self._hand_out(self._optuna.Trial(study, orphan._trial_id))
        if self.asked >= self.search.trials:
            return None
        number = len(self._trials())
        # Trials wait if somebody has put them into the storage, for instance with Optuna's dashboard.
        fixed = None if self._waiting() else fixed_params(self.search, number)
        if fixed is not None:
            study.enqueue_trial(fixed)
        study.sampler = make_sampler(self.search.sampler, number)
        return self._hand_out(study.ask())

    def judge(self, number: int, value: float, num_seeds: int) -> bool:
        """Report the mean over the first seeds of a trial; whether it ends here."""
        trial = self._handed[number]
        if num_seeds not in self._frozen(trial).intermediate_values:
            trial.report(value, num_seeds)
        return bool(trial.should_prune())

    def complete(self, number: int, answer: Answer) -> None:
        """Take the answer of a trial; one that is not finite fails it."""
        wrong = [
            f"{objective.value} is {value}"
            for objective, value in zip(self.search.objectives, answer.objectives, strict=True)
            if not math.isfinite(value)
        ]
        if wrong:
            self.fail(number, "; ".join(wrong))
            return
        trial = self._handed[number]
        trial.set_user_attr(MEANS, dict(answer.means))
        trial.set_user_attr(BY_SEED, {str(seed): list(values) for seed, values in answer.by_seed.items()})
        trial.set_user_attr(ANSWERED, answer.answered)
        self._tell(number, self._optuna.trial.TrialState.COMPLETE, answer.objectives)

    def prune(self, number: int) -> None:
        """End a trial early."""
        self._tell(number, self._optuna.trial.TrialState.PRUNED)

    def fail(self, number: int, error: str) -> None:
        """Take note that a trial has no answer."""
        self._handed[number].set_user_attr(ERROR, error)
        self._tell(number, self._optuna.trial.TrialState.FAIL)

    def leave(self, number: int) -> None:
        """Put a trial back: it is handed out again by the next command."""
        self._handed.pop(number, None)

    def result(self, *, final: bool = False) -> SearchResult:
        """What is known; with ``final`` also how much each entry matters."""
        search = self.search
        shares, reason = importances(self._study, search) if final else ({}, "the search has not ended")
        return SearchResult(
            name=search.name,
            identity=self.key.rpartition("-")[2],
            target=self._target,
            study=search.baseline.name,
            goals=tuple(Goal(value=o.value, maximize=o.direction == "maximize") for o in search.objectives),
            space={entry.path: entry.text for entry in search.space},
            sampler=f"{search.sampler.kind}, seed {search.sampler.seed}",
            pruner=_in_words(search),
            seeds=search.seeds,
            budget=search.trials,
            storage=shown(self._url),
            trials=tuple(_trial(trial) for trial in self._trials()),
            importances=shares,
            without_importances=reason,
        )

    def save(self, *, final: bool = False) -> None:
        """Write the file of trials."""
        save_result(self._store, self.result(final=final))

    # --- inside ------------------------------------------------------------------------------------------

    def _hand_out(self, trial: "optuna.Trial") -> Proposal:
        params: dict[str, Any] = {}
        for entry in self.search.space:
            if not active(entry, params):
                continue
            if isinstance(entry, Choice):
                params[entry.path] = trial.suggest_categorical(entry.path, list(entry.options))
            elif isinstance(entry, Float):
                params[entry.path] = trial.suggest_float(
                    entry.path, entry.low, entry.high, step=entry.step, log=entry.log
                )
            else:
                params[entry.path] = trial.suggest_int(
                    entry.path, entry.low, entry.high, step=entry.step, log=entry.log
                )
        self._handed[trial.number] = trial
        try:
            study = proposed(self.search.baseline, self.search.space, params)
            finals = {seed: final_step(study, seed) for seed in self.search.seeds}
        except SpecError as error:
            return Proposal(number=trial.number, params=params, finals={}, error=str(error))
        trial.set_user_attr(ADDRESSES, {str(seed): step.address for seed, step in finals.items()})
        return Proposal(number=trial.number, params=params, finals=finals)

    def _tell(
        self, number: int, state: "optuna.trial.TrialState", values: Sequence[float] | None = None
    ) -> None:
        self._must_hold()
        self._study.tell(self._handed.pop(number), values=values, state=state)
        self.save()

    def _must_hold(self) -> None:
        if self._lease.lost:
            raise StoreError(
                f"search {self.search.name} was taken over by another process, which goes on with its trials."
            )

    def _trials(self) -> "list[optuna.trial.FrozenTrial]":
        return self._study.get_trials(deepcopy=False)

    def _waiting(self) -> bool:
        waiting = self._optuna.trial.TrialState.WAITING
        return any(trial.state == waiting for trial in self._trials())

    def _frozen(self, trial: "optuna.Trial") -> "optuna.trial.FrozenTrial":
        return next(frozen for frozen in self._trials() if frozen.number == trial.number)


def _in_words(search: Search) -> str:
    pruner = search.pruner
    if pruner is None:
        return ""
    rungs = ", ".join(str(rung) for rung in pruner.rungs(len(search.seeds)))
    return f"{pruner.kind}, judged after {rungs} seeds, one of {pruner.reduction} goes on"


def _trial(trial: "optuna.trial.FrozenTrial") -> Trial:
    from optuna.trial import TrialState

    states: dict[TrialState, Any] = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    notes = trial.user_attrs
    complete = trial.state == TrialState.COMPLETE
    began, ended = trial.datetime_start, trial.datetime_complete
    return Trial(
        number=trial.number,
        state=states.get(trial.state, "running"),
        params=dict(trial.params),
        objectives=tuple(trial.values) if complete else (),
        by_seed={seed: tuple(values) for seed, values in notes.get(BY_SEED, {}).items()},
        means=notes.get(MEANS, {}),
        addresses=notes.get(ADDRESSES, {}),
        answered=notes.get(ANSWERED, False),
        error=notes.get(ERROR, ""),
        seconds=(ended - began).total_seconds() if began is not None and ended is not None else None,
    )
