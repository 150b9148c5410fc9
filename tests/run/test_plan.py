from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.plan import Plan, Use, _chains, make_plan, stage_addresses
from dymu.run.target import Request, resolve

Planner = Callable[..., Plan]


def stages(plan: Plan) -> list[list[str]]:
    return sorted([step.stage for step in chain.steps] for chain in plan.chains)


def nothing(step: Step, context: object) -> None:
    raise NotImplementedError


def step(name: str, *inputs: Step) -> Step:
    return Step(
        stage=name,
        revision=1,
        config=None,
        run=nothing,
        inputs={str(i): below for i, below in enumerate(inputs)},
    )


def test_steps_that_arms_share_are_one_step(planner: Planner) -> None:
    plan = planner("toy_question")
    count = {
        stage: sum(s.stage == stage for s in plan.steps) for stage in ("anchor", "affinity", "edge", "weight")
    }
    assert count == {"anchor": 1, "affinity": 1, "edge": 2, "weight": 3}


def test_a_study_by_itself_is_one_chain(planner: Planner) -> None:
    assert stages(planner("toy_studies:ours")) == [["anchor", "affinity", "edge", "weight", "evaluate"]]


def test_chains_end_where_other_arms_part(planner: Planner) -> None:
    assert stages(planner("toy_question")) == [
        ["anchor", "affinity"],
        ["edge"],
        ["edge", "weight", "evaluate"],
        ["weight", "evaluate"],
        ["weight", "evaluate"],
    ]


def test_seeds_share_nothing_but_what_draws_nothing(planner: Planner) -> None:
    one, two = planner("toy_question"), planner("toy_question", seeds=(0, 1))
    assert len(two.steps) == 2 * len(one.steps)
    assert all(len({use.seed for use in users}) == 1 for users in two.users.values())


def test_states_tell_cached_shared_and_new(planner: Planner, store: Store) -> None:
    plan = planner("toy_question")
    anchor = next(s for s in plan.steps if s.stage == "anchor")
    attempt = store.new_attempt(anchor.address)
    (attempt / "result.json").write_text("[]")
    store.publish(anchor.address, attempt, info={})
    plan = planner("toy_question")
    told = {s.stage: plan.state(s) for s in plan.steps}
    assert told["anchor"] == "cached"
    assert told["affinity"] == "shared"
    assert told["evaluate"] == "new"
    assert all(s.stage != "anchor" for s in plan.missing)


def test_nothing_is_run_for_an_input_of_something_finished(planner: Planner) -> None:
    plan = planner("toy_studies:ours")
    final = next(iter(plan.finals.values()))
    again = make_plan(plan.targets, plan.seeds, has=lambda address: address == final.address)
    assert again.missing == ()
    assert again.chains == ()


def test_all_wrong_arms_are_told_at_once(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = resolve(Request(text="toy_question"), folder=toys)

    def refuse(_study: object, _seed: int) -> Step:
        raise SpecError("the method does not fit the data")

    monkeypatch.setattr(type(targets[0].arms[0].study), "evaluation_step", refuse)
    with pytest.raises(SpecError) as error:
        make_plan(targets, (0,), has=lambda _: False)
    for arm in ("baseline", "double", "broken"):
        assert f"arm {arm}: the method does not fit" in str(error.value)


def test_a_manifest_says_what_is_expected(planner: Planner) -> None:
    plan = planner("toy_question", seeds=(0, 4))
    manifest = plan.manifest(plan.targets[0])
    assert manifest.name == "toy_studies-ours.toy_question"
    assert manifest.tasks == ("left", "right", "parity")
    assert manifest.seeds == (0, 4)
    baseline, double, _ = manifest.arms
    assert dict(double.changes) == {"method.edge.scale": 2.0}
    assert double.claims[0]["metric"] == "active_parameters/c=0"
    assert dict(baseline.paper) == {"hypervolume/c=0": 13.43}
    assert double.steps["4"]["anchor"] == baseline.steps["4"]["anchor"]
    assert double.steps["4"]["edge"] != baseline.steps["4"]["edge"]
    assert baseline.steps["0"]["evaluate"] == plan.finals[Use(manifest.name, "baseline", 0)].address


def test_an_arm_has_the_same_identity_whatever_seeds_are_run(planner: Planner) -> None:
    first, second = planner("toy_question"), planner("toy_question", seeds=(5,))
    assert first.identities == second.identities
    assert first.manifest(first.targets[0]).arms[1].identity.startswith("evaluate/")


def test_arms_that_are_not_run_stay_in_the_manifest_without_steps(planner: Planner) -> None:
    plan = planner("toy_question", arms=("double",))
    steps = {arm.name: len(arm.steps) for arm in plan.manifest(plan.targets[0]).arms}
    assert steps == {"baseline": 0, "double": 1, "broken": 0}


def test_arms_of_several_studies_are_called_by_their_study(planner: Planner) -> None:
    one = planner("toy_question")
    assert [one.name_of(use) for use in one.finals] == ["baseline", "double", "broken"]
    several = planner("toy_studies")
    assert [several.name_of(use) for use in several.finals] == [target.name for target in several.targets]


def test_stages_that_repeat_get_numbers() -> None:
    first, second = step("single"), step("single", step("data"))
    final = step("evaluate", first, second)
    assert stage_addresses(final) == {
        "single": first.address,
        "data": second.inputs["0"].address,
        "single#2": second.address,
        "evaluate": final.address,
    }


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Step], list[Step]]:
    """Steps, inputs first, and some of them as the final steps of arms."""
    made: list[Step] = []
    for number in range(draw(st.integers(1, 9))):
        below = draw(st.lists(st.sampled_from(made), max_size=3, unique=True)) if made else []
        made.append(step(f"s{number}", *below))
    finals = draw(st.lists(st.sampled_from(made), min_size=1, max_size=4))
    return made, finals


@given(graphs())
def test_chains_hold_every_step_once_and_can_run(graph: tuple[list[Step], list[Step]]) -> None:
    _, finals = graph
    wanted = {s.address: s for final in finals for s in final.closure()}
    users = {
        address: frozenset(
            Use("t", str(i), 0) for i, final in enumerate(finals) if wanted[address] in set(final.closure())
        )
        for address in wanted
    }
    chains = _chains(tuple(wanted.values()), users)
    assert sorted(s.address for chain in chains for s in chain.steps) == sorted(wanted)
    finished: set[str] = set()
    published: set[str] = set()
    waiting = list(chains)
    while waiting:
        ready = [chain for chain in waiting if chain.needs <= finished]
        assert ready, "chains wait for each other"
        for chain in ready:
            for s in chain.steps:
                assert users[s.address] == chain.users
                assert all(below.address in published for below in s.inputs.values())
                published.add(s.address)
            finished.add(chain.name)
            waiting.remove(chain)


def test_reading_an_older_input_too_does_not_break_a_chain() -> None:
    line = [step("a")]
    for name in "bcd":
        line.append(step(name, line[-1], *line[:-1]))
    (chain,) = _chains(line, dict.fromkeys((s.address for s in line), frozenset({Use("t", "x", 0)})))
    assert [s.stage for s in chain.steps] == ["a", "b", "c", "d"]


def test_branches_of_one_arm_may_run_side_by_side() -> None:
    root = step("root")
    left, right = step("left", root), step("right", root)
    final = step("final", left, right)
    steps = (root, left, right, final)
    chains = _chains(steps, dict.fromkeys((s.address for s in steps), frozenset({Use("t", "x", 0)})))
    assert [[s.stage for s in chain.steps] for chain in chains] == [["root"], ["left"], ["right"], ["final"]]
