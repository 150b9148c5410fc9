"""What a search has found so far, as JSON and CSV: reports, trackers and garbage collection read only these.

A search has an address like a step, ``search/<name>-<identity>``, under which its lease and its work folder
are; it never publishes anything. The identity is that of everything but the number of trials.
"""

import csv
import io
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dymu.artifacts.files import disk_errors, write_whole
from dymu.artifacts.store import Store
from dymu.errors import ReportError, StoreError

STAGE = "search"
TRIALS = "trials.json"
TABLE = "trials.csv"
FORMAT = 1

State = Literal["running", "complete", "pruned", "failed"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial.

    Attributes:
        number: From 0, in the order in which trials were proposed.
        state: What became of it.
        params: Path of an entry to a number or the key of an option.
        objectives: Means over seeds, in the order of the search's objectives; empty unless complete.
        by_seed: Seed (as text) to objectives.
        means: Record value name to mean over seeds; empty unless complete.
        addresses: Seed (as text) to the address of the measurement.
        answered: Whether nothing had to be computed for it.
        error: Why it failed; empty otherwise.
        seconds: From the proposal to the answer; ``None`` while it runs.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    objectives: tuple[float, ...] = ()
    by_seed: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    answered: bool = False
    error: str = ""
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Goal:
    """An objective: a record value and which way is better.

    Attributes:
        value: Name of the record value.
        maximize: Whether larger is better.
    """

    value: str
    maximize: bool


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """Everything that is known about a search.

    Attributes:
        name: Name of the search.
        identity: Digest of what makes trials comparable.
        target: What the user typed.
        study: Name of the baseline study.
        goals: Objectives.
        space: Path of each entry to its values in words.
        sampler: How proposals are made, in words.
        pruner: How trials are ended early, in words; empty for never.
        seeds: Study seeds of each trial.
        budget: Trials that were asked for last.
        storage: Where Optuna keeps the study, without a password.
        trials: By number.
        importances: Objective to path to share of the variance that the entry explains.
        without_importances: Why there are none; empty if there are.
        saved_at: When this was written, seconds since 1970.
    """

    name: str
    identity: str
    target: str
    study: str
    goals: tuple[Goal, ...]
    space: Mapping[str, str]
    sampler: str
    pruner: str
    seeds: tuple[int, ...]
    budget: int
    storage: str
    trials: tuple[Trial, ...] = ()
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    without_importances: str = ""
    saved_at: float = 0.0

    @property
    def key(self) -> str:
        """Name and identity in one."""
        return f"{self.name}-{self.identity}"

    def in_state(self, state: State) -> tuple[Trial, ...]:
        """Trials of one state, by number."""
        return tuple(trial for trial in self.trials if trial.state == state)

    def pareto(self) -> tuple[Trial, ...]:
        """Complete trials that no other one beats in all objectives; with one objective the best ones."""
        complete = self.in_state("complete")
        return tuple(trial for trial in complete if not any(self._beats(o, trial) for o in complete))

    def ranked(self) -> tuple[Trial, ...]:
        """Complete trials, best in the first objective first."""
        sign = -1 if self.goals[0].maximize else 1
        return tuple(sorted(self.in_state("complete"), key=lambda t: (sign * t.objectives[0], t.number)))

    def _beats(self, one: Trial, other: Trial) -> bool:
        signed = [
            (a if goal.maximize else -a, b if goal.maximize else -b)
            for goal, a, b in zip(self.goals, one.objectives, other.objectives, strict=True)
        ]
        return all(a >= b for a, b in signed) and any(a > b for a, b in signed)


def address_of(key: str) -> str:
    """The address of a search by name and identity."""
    return f"{STAGE}/{key}"


def save_result(store: Store, result: SearchResult) -> Path:
    """Write what is known, whole or not at all; the JSON file."""
    address = address_of(result.key)
    folder = store.work_dir(address)
    result = replace(result, saved_at=time.time())
    with disk_errors(folder, doing="write"):
        # Not flushed: after a power cut the next command writes both anew from what Optuna keeps.
        form = {"format": FORMAT, **asdict(result)}
        write_whole(folder / TRIALS, json.dumps(form, indent=1) + "\n", flush=False)
        write_whole(folder / TABLE, comma_separated(result), flush=False)
    store.push_work(address)
    return folder / TRIALS


def read_result(store: Store, key: str) -> SearchResult:
    """What is known about a search.

    Raises:
        StoreError: If there is nothing, or it cannot be read.
    """
    address = address_of(key)
    path = store.look_work(address) / TRIALS
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        written = form.pop("format")
        if written == FORMAT:
            return _result(form)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} holds no readable trials: {error}. Run the search again; it writes the file anew."
        ) from error
    raise StoreError(
        f"{path} has format {written}; this dymu reads format {FORMAT}. Install the one that wrote it."
    )


def search_keys(store: Store) -> list[str]:
    """Names with identities of all searches of a store, sorted."""
    prefix = f"{STAGE}/"
    keys = [address.removeprefix(prefix) for address in store.works() if address.startswith(prefix)]
    return [key for key in keys if (store.look_work(address_of(key)) / TRIALS).exists()]


def find_result(store: Store, name: str) -> SearchResult:
    """A search by name; of several with different definitions, the one whose trials were written last.

    Args:
        store: The store.
        name: The name, the name with its identity, or ``module:attribute`` as on the command line.

    Raises:
        ReportError: If there is none; lists those that exist.
    """
    module, colon, attribute = name.partition(":")
    wanted = f"{module.rpartition('.')[2]}-{attribute.replace('_', '-')}" if colon else name
    keys = search_keys(store)
    fitting = [key for key in keys if key == wanted or key.rpartition("-")[0] == wanted]
    if not fitting:
        there = f"it has {', '.join(keys)}" if keys else "it has none"
        raise ReportError(f"the store has no search {name!r}; {there}. Run it: `dymu run MODULE:NAME`.")
    return max((read_result(store, key) for key in fitting), key=lambda result: result.saved_at)


def searched_addresses(store: Store) -> set[str]:
    """Addresses that the trials of all searches measured; what the searches still need of a store."""
    found: set[str] = set()
    for key in search_keys(store):
        for trial in read_result(store, key).trials:
            found |= set(trial.addresses.values())
    return found


def comma_separated(result: SearchResult) -> str:
    """All trials as CSV: number, state, parameters, objectives."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    goals = [goal.value for goal in result.goals]
    writer.writerow(["trial", "state", *result.space, *goals, "seconds", "error"])
    for trial in result.trials:
        params = [_text(trial.params.get(path)) for path in result.space]
        values = [repr(value) for value in trial.objectives] or [""] * len(goals)
        seconds = "" if trial.seconds is None else f"{trial.seconds:.2f}"
        writer.writerow([trial.number, trial.state, *params, *values, seconds, trial.error])
    return out.getvalue()


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)


def _result(form: dict[str, Any]) -> SearchResult:
    trials = (
        Trial(
            **{
                **trial,
                "objectives": tuple(trial["objectives"]),
                "by_seed": {seed: tuple(values) for seed, values in trial["by_seed"].items()},
            }
        )
        for trial in form.pop("trials")
    )
    goals = tuple(Goal(**goal) for goal in form.pop("goals"))
    return SearchResult(**{**form, "goals": goals, "seeds": tuple(form["seeds"]), "trials": tuple(trials)})


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Path to the shortest of its endings that no other path has, for headings and axes."""
    listed = [path.split(".") for path in paths]
    found = {}
    for parts in listed:
        others = [other for other in listed if other != parts]
        length = next(
            (n for n in range(1, len(parts)) if all(o[-n:] != parts[-n:] for o in others)), len(parts)
        )
        found[".".join(parts)] = ".".join(parts[-length:])
    return found
