from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.artifacts.manifest import read_manifest, save_manifest
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.plan import Plan, Use, chains_of, make_plan, stage_addresses
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


def test_an_arm_that_was_not_asked_for_keeps_its_place_if_the_store_has_its_record(planner: Planner) -> None:
    plan = planner("toy_question", seeds=(0, 1))
    known = {
        plan.finals[Use(plan.targets[0].name, arm, seed)].address
        for arm, seed in (("baseline", 1), ("double", 0))
    }
    target = resolve(Request(text="toy_question", arms=("double",)), folder=Path.cwd())
    again = make_plan(target, (0, 1), has=known.__contains__)
    steps = {arm.name: sorted(arm.steps) for arm in again.manifest(target[0]).arms}
    assert steps == {"baseline": ["1"], "double": ["0", "1"], "broken": []}
    assert {use.arm for use in again.finals} == {"double"}
    assert all(use.arm == "double" for uses in again.users.values() for use in uses)


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
    chains = chains_of(tuple(wanted.values()), users)
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
    (chain,) = chains_of(line, dict.fromkeys((s.address for s in line), frozenset({Use("t", "x", 0)})))
    assert [s.stage for s in chain.steps] == ["a", "b", "c", "d"]


def test_branches_of_one_arm_may_run_side_by_side() -> None:
    root = step("root")
    left, right = step("left", root), step("right", root)
    final = step("final", left, right)
    steps = (root, left, right, final)
    chains = chains_of(steps, dict.fromkeys((s.address for s in steps), frozenset({Use("t", "x", 0)})))
    assert [[s.stage for s in chain.steps] for chain in chains] == [["root"], ["left"], ["right"], ["final"]]


# Adding seeds later costs the added ones only, whatever is planned.
TARGETS = [
    "toy_studies:ours",
    "toy_studies",
    "toy_question",
    "ablations.baselines",
    "studies.digits:static_grid",
]


class Known(set[str]):
    """A store as far as planning asks it: addresses that exist."""

    def finish(self, plan: Plan) -> None:
        """Publish all that a plan still needs."""
        self |= {step.address for step in plan.missing}


def at(text: str, seeds: int, known: Known, folder: Path) -> Plan:
    return make_plan(resolve(Request(text=text), folder=folder), range(seeds), has=known.__contains__)


@pytest.mark.parametrize("text", TARGETS)
def test_added_seeds_are_all_that_is_planned(text: str, toys: Path) -> None:
    known = Known()
    first = at(text, 3, known, toys)
    known.finish(first)
    assert at(text, 3, known, toys).missing == ()
    more = at(text, 6, known, toys)
    assert {use.seed for step in more.missing for use in more.users[step.address]} == {3, 4, 5}
    assert len(more.missing) == len(first.missing)  # as many again
    assert {step.address for step in more.missing}.isdisjoint(step.address for step in first.steps)


@pytest.mark.parametrize("text", TARGETS)
def test_a_seed_that_was_listed_alone_joins_the_others(text: str, toys: Path, tmp_path: Path) -> None:
    targets, known = resolve(Request(text=text), folder=toys), Known()
    for seeds in ((0, 1, 2), (4,), (3, 5)):
        plan = make_plan(targets, seeds, has=known.__contains__)
        known.finish(plan)
        for target in targets:
            save_manifest(tmp_path, plan.manifest(target))
    all_of_them = make_plan(targets, range(6), has=known.__contains__)
    assert all_of_them.missing == ()
    for target in targets:
        kept = read_manifest(tmp_path, target.name)
        assert kept.seeds == (0, 1, 2, 3, 4, 5)
        assert kept == all_of_them.manifest(target)


def test_a_larger_static_grid_plans_its_further_nets_only(toys: Path) -> None:
    def of(nets: int) -> Plan:
        request = Request(text="studies.digits:static_grid", overrides=(f"method.num_preferences={nets}",))
        return make_plan(resolve(request, folder=toys), range(2), has=known.__contains__)

    known = Known()
    known.finish(of(5))
    assert Counter(step.stage for step in of(8).missing) == {"shared": 2 * 3, "evaluate": 2}


def apart(known: Known, folder: Path, text: str = "studies.digits:ours") -> Plan:
    targets = resolve(Request(text=text), folder=folder)
    return make_plan(targets, (0,), has=known.__contains__, apart=True)


def test_the_parts_of_a_missing_step_are_chains_before_it(toys: Path) -> None:
    plan = apart(Known(), toys)
    anchor = next(step for step in plan.steps if step.stage == "anchor")
    parts = {part.address for part in anchor.parts}
    assert len(parts) == len(anchor.config.dataset.tasks)
    before = [chain for chain in plan.chains if chain.name in parts]
    assert [len(chain.steps) for chain in before] == [1] * len(parts)
    assert all(not chain.needs for chain in before)
    after = next(chain for chain in plan.chains if anchor in chain.steps)
    assert after.needs == parts
    order = [step.address for step in plan.missing]
    assert max(order.index(part) for part in parts) < order.index(anchor.address)


def test_parts_have_the_users_of_their_step(toys: Path) -> None:
    plan = apart(Known(), toys)
    anchor = next(step for step in plan.steps if step.stage == "anchor")
    assert {plan.users[part.address] for part in anchor.parts} == {plan.users[anchor.address]}


def test_only_the_parts_that_are_missing_are_planned(toys: Path) -> None:
    known = Known()
    anchor = next(step for step in apart(known, toys).steps if step.stage == "anchor")
    known.add(anchor.parts[0].address)
    plan = apart(known, toys)
    assert plan.state(anchor.parts[0]) == "cached"
    assert [step for step in plan.missing if step.stage == "anchor_stream"] == list(anchor.parts[1:])


def test_a_step_that_exists_needs_no_parts(toys: Path) -> None:
    known = Known()
    anchor = next(step for step in apart(known, toys).steps if step.stage == "anchor")
    known.add(anchor.address)
    assert all(step.stage != "anchor_stream" for step in apart(known, toys).steps)


def test_parts_are_in_no_manifest_and_in_no_plan_that_wants_none(toys: Path) -> None:
    split, whole = apart(Known(), toys), at("studies.digits:ours", 1, Known(), toys)
    assert split.manifest(split.targets[0]) == whole.manifest(whole.targets[0])
    assert {step.stage for step in split.missing} - {step.stage for step in whole.missing} == {
        "anchor_stream"
    }
