from typing import Any

import pytest

from dymu.artifacts.config import changed
from dymu.errors import SpecError
from dymu.spec.ablation import Ablation, Question
from dymu.spec.search import ArmSearch, Objective, Pruner, Sampler, Search
from dymu.spec.space import Choice, Float, Int, When
from dymu.spec.study import Study

HV = Objective(value="hypervolume/c=0", direction="maximize")
SIZE = Objective(value="active_parameters/c=0", direction="minimize")
TAU = Float(path="method.edge.active_threshold", low=0.1, high=0.5)
STEPS = Int(path="method.edge.steps", low=50, high=150, step=50)
MODE = Choice(path="method.edge.mode", options={"mini": "minibatch", "table": "tabulated"})
LIMIT = Float(path="method.edge.limit", low=0.5, high=1.0, only_when=When(path=MODE.path, equals=("table",)))


@pytest.fixture
def search(study: Study) -> Search:
    return Search(name="pairs_search-one", baseline=study, space=(TAU,), objectives=(HV,))


def test_a_typo_in_the_space_is_refused_with_the_name_of_the_search(search: Search) -> None:
    typo = Float(path="method.edge.active_treshold", low=0.1, high=0.5)
    with pytest.raises(SpecError, match=r"search pairs_search-one: space entry .*no field 'active_treshold'"):
        changed(search, {"space": (typo,)})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "a.b"}, r"Search\.name"),
        ({"space": ()}, r"Search\.space is \(\); expected at least one entry"),
        ({"objectives": ()}, r"Search\.objectives is \(\); expected at least one"),
        ({"objectives": (HV, HV)}, "expected different record values"),
        ({"trials": 0}, r"Search\.trials is 0"),
        ({"seeds": ()}, r"Search\.seeds"),
        ({"seeds": (1, 1)}, r"Search\.seeds"),
        ({"sampler": Sampler(kind="nsgaii")}, "for one objective use tpe"),
        (
            {"sampler": Sampler(kind="nsgaii", population=40), "objectives": (HV, SIZE)},
            "first 40 trials at random, and there are 30",
        ),
        ({"sampler": Sampler(kind="gp"), "space": (MODE, LIMIT)}, "would draw conditional entries"),
        (
            {"sampler": Sampler(kind="nsgaii"), "space": (MODE, LIMIT), "objectives": (HV, SIZE)},
            r"conditional entries \(method.edge.limit\) at random; use tpe, random or grid",
        ),
        ({"sampler": Sampler(kind="grid")}, "active_threshold is a continuum"),
        (
            {"sampler": Sampler(kind="grid"), "space": (STEPS, MODE)},
            "the grid has 6 points, but trials is 30",
        ),
        ({"pruner": Pruner(), "objectives": (HV, SIZE), "seeds": (0, 1)}, "but there are several objectives"),
        ({"pruner": Pruner()}, r"ends trials between seeds, but seeds are \(0,\)"),
        ({"pruner": Pruner(min_seeds=2), "seeds": (0, 1)}, "the first judgement is after 2"),
    ],
)
def test_what_makes_no_sense_is_refused(search: Search, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        changed(search, fields)


def test_a_grid_takes_a_conditional_space(search: Search) -> None:
    steps = Int(path=STEPS.path, low=50, high=100, step=50, only_when=When(path=MODE.path, equals=("table",)))
    grid = changed(search, {"sampler": Sampler(kind="grid"), "space": (MODE, steps), "trials": 3})
    assert grid.trials == 3


@pytest.mark.parametrize(
    ("pruner", "num_seeds", "rungs"),
    [
        (Pruner(), 2, (1, 2)),
        (Pruner(), 4, (1, 2, 4)),
        (Pruner(), 6, (1, 2, 4, 6)),
        (Pruner(reduction=3), 6, (1, 3, 6)),
        (Pruner(min_seeds=2, reduction=3), 5, (2, 5)),
    ],
)
def test_rungs_are_numbers_of_seeds(pruner: Pruner, num_seeds: int, rungs: tuple[int, ...]) -> None:
    assert pruner.rungs(num_seeds) == rungs


def test_more_trials_are_the_same_search(search: Search) -> None:
    assert search.with_trials(None) is search
    assert search.with_trials(50) == changed(search, {"trials": 50})


def question(study: Study) -> Question:
    return Question(
        title="What?",
        source="Table 6",
        baseline=study,
        ablations=(
            Ablation(name="high", label="high", starts_at="edge", changes={TAU.path: 0.4}),
            Ablation(name="table", label="table", starts_at="edge", changes={MODE.path: "tabulated"}),
        ),
    )


def arm_search(**fields: Any) -> ArmSearch:
    return ArmSearch(
        **{
            "name": "pairs_search-arms",
            "question": "ablations.toy",
            "space": (TAU, STEPS),
            "objective": HV,
            **fields,
        }
    )


def test_every_arm_is_searched_with_the_same_budget(study: Study) -> None:
    found = {arm.name: s for arm, s in arm_search(trials=7).of_arms(question(study))}
    assert [search.name for search in found.values()] == [
        "pairs_search-arms--baseline",
        "pairs_search-arms--high",
        "pairs_search-arms--table",
    ]
    assert {(s.trials, s.sampler, s.seeds, s.pruner) for s in found.values()} == {
        (7, Sampler(), (100,), None)
    }
    assert found["table"].baseline.method.edge.mode == "tabulated"  # type: ignore[attr-defined]


def test_an_arm_does_not_search_what_it_changes(study: Study) -> None:
    found = {arm.name: search.space for arm, search in arm_search().of_arms(question(study))}
    assert found == {"baseline": (TAU, STEPS), "high": (STEPS,), "table": (TAU, STEPS)}


def test_nor_what_hangs_on_it(study: Study) -> None:
    found = {arm.name: s.space for arm, s in arm_search(space=(MODE, LIMIT, TAU)).of_arms(question(study))}
    assert found["table"] == (TAU,)


def test_an_arm_with_nothing_to_search_is_refused(study: Study) -> None:
    with pytest.raises(SpecError, match="arm high changes all that could be searched"):
        arm_search(space=(TAU,)).of_arms(question(study))
