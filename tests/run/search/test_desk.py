"""The desk of a search: what Optuna is asked and told, and what is left when a process dies."""

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from dymu.artifacts.config import changed
from dymu.artifacts.store import Store
from dymu.artifacts.trials import read_result
from dymu.errors import SpecError, StoreError
from dymu.run.search import desk as module
from dymu.run.search.desk import Answer, Desk, Proposal
from dymu.run.search.storage import journal_of
from dymu.spec.search import Objective, Sampler, Search
from dymu.spec.space import Choice, Float, Int, When

Make = Callable[..., Search]
Open = Callable[..., Desk]
ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "run" / "toys"

X = Float(path="method.edge.x", low=0.0, high=1.0)
Z = Int(path="method.weight.z", low=1, high=5)
MODE = Choice(path="method.edge.mode", options={"straight": "plain", "bent": "bent"})
BEND = Float(path="method.edge.bend", low=0.1, high=1.0, only_when=When(path=MODE.path, equals=("bent",)))


def answer(*objectives: float) -> Answer:
    return Answer(
        objectives=objectives,
        by_seed={0: objectives},
        means={"hypervolume/c=0": objectives[0]},
        answered=False,
    )


def taken(desk: Desk) -> Proposal:
    proposal = desk.next()
    assert proposal is not None
    return proposal


def spend(desk: Desk, num_objectives: int = 1) -> list[dict[str, object]]:
    """Answer every trial that is left with the sum of its numbers."""
    found = []
    while (proposal := desk.next()) is not None:
        value = sum(float(v) for v in proposal.params.values() if not isinstance(v, str))
        desk.complete(proposal.number, answer(*(value + index for index in range(num_objectives))))
        found.append(dict(proposal.params))
    return found


def test_the_first_trial_is_the_baseline(make_search: Make, open_desk: Open) -> None:
    assert taken(open_desk(make_search())).params == {"method.edge.x": 0.5, "method.edge.y": 0.5}


def test_unless_the_space_does_not_hold_it_or_the_search_says_so(make_search: Make, open_desk: Open) -> None:
    elsewhere = Float(path="method.edge.x", low=0.6, high=1.0)
    assert taken(open_desk(make_search(space=(elsewhere,)))).params["method.edge.x"] >= 0.6
    drawn = open_desk(make_search(name="curve_search-two", start_at_baseline=False))
    assert taken(drawn).params["method.edge.x"] != 0.5


@pytest.mark.parametrize(
    ("kind", "space", "several"),
    [
        ("tpe", (X, Z), False),
        ("tpe", (X, Z), True),
        ("tpe", (MODE, BEND, Z), False),
        ("tpe", (MODE, BEND, Z), True),
        ("nsgaii", (X, Z), True),
        ("gp", (X, Z), False),
        pytest.param("gp", (X, Z), True, marks=pytest.mark.slow),
        ("random", (MODE, BEND, Z), True),
        ("grid", (MODE, Z), False),
        ("grid", (MODE, Z), True),
    ],
)
def test_every_sampler_gives_the_same_trials_again_whenever_it_is_interrupted(
    kind: str,
    space: tuple[object, ...],
    several: bool,
    make_search: Make,
    objectives: tuple[Objective, ...],
    tmp_path: Path,
) -> None:
    sampler = Sampler(kind=kind, startup_trials=3, population=3)  # type: ignore[arg-type]
    goals = objectives[: 1 + several]
    search = make_search(space=space, objectives=goals, sampler=sampler, trials=6)
    whole = Desk(search, Store(tmp_path / "whole"), target="t")
    expected = spend(whole, len(goals))
    whole.close()
    parts: list[dict[str, object]] = []
    for trials in (4, 6):
        desk = Desk(search.with_trials(trials), Store(tmp_path / "parts"), target="t")
        parts += spend(desk, len(goals))
        desk.close()
    assert parts == expected
    assert len(expected) == 6


def test_a_grid_is_every_point_once(make_search: Make, open_desk: Open) -> None:
    found = spend(open_desk(make_search(space=(MODE, Z), sampler=Sampler(kind="grid"), trials=10)))
    assert len({tuple(params.items()) for params in found}) == 10


def test_seeds_differ(make_search: Make, open_desk: Open) -> None:
    first = spend(open_desk(make_search(sampler=Sampler(kind="random", seed=0))))
    other = spend(open_desk(make_search(sampler=Sampler(kind="random", seed=1))))
    assert first[0] == other[0]
    assert all(a != b for a, b in zip(first[1:], other[1:], strict=True))


def test_a_study_that_refuses_the_values_makes_no_steps(
    make_search: Make, open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> object:
        raise SpecError("these do not go together")

    desk = open_desk(make_search())
    monkeypatch.setattr(module, "final_step", refuse)
    proposal = taken(desk)
    assert proposal.finals == {}
    assert proposal.error == "these do not go together"


def test_steps_are_those_of_the_proposed_study(make_search: Make, open_desk: Open) -> None:
    search = make_search(seeds=(0, 4))
    desk = open_desk(search)
    taken(desk)
    proposal = taken(desk)
    assert set(proposal.finals) == {0, 4}
    edge = proposal.finals[4].inputs["weight"].inputs["edge"]
    assert edge.config.x == proposal.params["method.edge.x"]
    assert edge.seed == 4


# --- who sits there ------------------------------------------------------------------------------------


def test_a_second_process_is_refused_with_the_name_of_the_first(
    make_search: Make, open_desk: Open, store: Store
) -> None:
    open_desk(make_search())
    with pytest.raises(StoreError, match=rf"search curve_search-one is run by process {os.getpid()}"):
        Desk(make_search(), Store(store.root), target="t")


def test_the_lease_is_given_back_when_opening_fails(make_search: Make, store: Store) -> None:
    for _ in range(2):
        with pytest.raises(Exception, match="cannot be used"):
            Desk(make_search(), store, target="t", url="nonsense://x")


def test_another_definition_is_another_search(make_search: Make, open_desk: Open) -> None:
    one = open_desk(make_search())
    keys = {one.key}
    for fields in ({"seeds": (1,)}, {"space": (X,)}, {"sampler": Sampler(seed=1)}):
        keys.add(open_desk(make_search(**fields)).key)
    method = changed(make_search().baseline.method, {"depth": 2})
    baseline = changed(make_search().baseline, {"method": method})
    keys.add(open_desk(make_search(baseline=baseline)).key)
    assert len(keys) == 5


def test_another_budget_is_not(make_search: Make, open_desk: Open) -> None:
    one = open_desk(make_search())
    one.close()
    assert open_desk(make_search(trials=50)).key == one.key


PROGRAM = """
import os, signal, sys
sys.path.insert(0, {toys!r})
from pathlib import Path
import toy_search
from dymu.artifacts.store import Store
from dymu.run.search.desk import Answer, Desk
desk = Desk(toy_search.one, Store(Path({store!r})), target="t")
first = desk.next()
desk.complete(first.number, Answer(objectives=(1.0,), by_seed={{}}, means={{}}, answered=False))
for _ in range(2):
    print(dict(desk.next().params), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_trials_of_a_killed_process_are_handed_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = PROGRAM.format(toys=str(TOYS), store=str(tmp_path / "store"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=TOYS,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    monkeypatch.setattr(sys, "path", [str(TOYS), *sys.path])
    one = importlib.import_module("toy_search").one
    desk = Desk(one, Store(tmp_path / "store"), target="t")
    assert desk.left == 4
    proposals = [taken(desk) for _ in range(2)]
    assert [proposal.number for proposal in proposals] == [1, 2]
    assert [str(dict(proposal.params)) for proposal in proposals] == done.stdout.splitlines()
    spend(desk)
    for proposal in proposals:
        desk.complete(proposal.number, answer(2.0))
    desk.close()
    assert [t.state for t in desk.result().trials] == ["complete"] * 5


# --- what is left --------------------------------------------------------------------------------------


def test_the_file_of_trials_follows_every_answer(make_search: Make, open_desk: Open, store: Store) -> None:
    desk = open_desk(make_search())
    first, second = taken(desk), taken(desk)
    desk.complete(first.number, answer(1.5))
    states = [trial.state for trial in read_result(store, desk.key).trials]
    assert states == ["complete", "running"]
    desk.fail(second.number, "TrainingError: not finite")
    trials = read_result(store, desk.key).trials
    assert (trials[1].state, trials[1].error) == ("failed", "TrainingError: not finite")
    assert trials[0].objectives == (1.5,)
    assert trials[0].addresses == {"0": first.finals[0].address}


def test_importances_are_there_at_the_end(make_search: Make, store: Store) -> None:
    desk = Desk(make_search(trials=12), store, target="t")
    spend(desk)
    assert read_result(store, desk.key).without_importances == "the search has not ended"
    desk.close()
    found = read_result(store, desk.key).importances["hypervolume/c=0"]
    assert set(found) == {"method.edge.x", "method.edge.y"}


def test_optuna_reads_the_journal(make_search: Make, open_desk: Open, store: Store) -> None:
    desk = open_desk(make_search())
    spend(desk)
    backend = optuna.storages.journal.JournalFileBackend(str(journal_of(store, desk.key)))
    study = optuna.load_study(study_name=desk.key, storage=optuna.storages.JournalStorage(backend))
    assert len(study.trials) == 6
    assert study.best_trial.params == desk.result().ranked()[0].params


def test_the_pareto_set_is_the_one_of_optuna(
    make_search: Make, open_desk: Open, objectives: tuple[Objective, ...], store: Store
) -> None:
    desk = open_desk(make_search(objectives=objectives, trials=15))
    while (proposal := desk.next()) is not None:
        x, y = proposal.params["method.edge.x"], proposal.params["method.edge.y"]
        desk.complete(proposal.number, answer(x * (1 - y), x + y))
    backend = optuna.storages.journal.JournalFileBackend(str(journal_of(store, desk.key)))
    study = optuna.load_study(study_name=desk.key, storage=optuna.storages.JournalStorage(backend))
    assert {t.number for t in desk.result().pareto()} == {t.number for t in study.best_trials}


def test_a_trial_that_somebody_put_into_the_storage_is_taken_first(
    make_search: Make, open_desk: Open, store: Store
) -> None:
    desk = open_desk(make_search())
    spend(desk)
    desk.close()
    backend = optuna.storages.journal.JournalFileBackend(str(journal_of(store, desk.key)))
    study = optuna.load_study(study_name=desk.key, storage=optuna.storages.JournalStorage(backend))
    study.enqueue_trial({"method.edge.x": 0.123, "method.edge.y": 0.1})
    longer = open_desk(make_search(trials=8))
    assert taken(longer).params["method.edge.x"] == 0.123


@pytest.mark.slow
def test_a_database_keeps_the_trials_too(make_search: Make, open_desk: Open, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'optuna.db'}"
    desk = open_desk(make_search(trials=3), url=url)
    first = spend(desk)
    desk.close()
    longer = open_desk(make_search(trials=4), url=url)
    assert len(spend(longer)) == 1
    assert [trial.params for trial in longer.result().trials[:3]] == first
    assert longer.result().storage == url
