"""The last stage: one protocol for every method, and the same bytes however often it runs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dymu.artifacts.config import changed
from dymu.artifacts.record import RECORD, Record, read_record
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.scenes import Scenes
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, DataError, SpecError
from dymu.metrics.relative_drop import relative_drop
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import separate_streams
from dymu.spec.evaluation import Statistics
from dymu.spec.study import Study, override
from dymu.stages.anchor import WEIGHTS, load_anchor
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.evaluate import _number, phn_bn_evaluation, run_evaluate, static_grid_evaluation
from dymu.stages.losses import batch_losses
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
RecordOf = Callable[[Study], Record]
Runner = Callable[..., Path]

METHODS = ["controllable", "unadapted", "single_task", "static_grid", "phn_bn", "frozen_phn_bn"]


@pytest.mark.parametrize("method", METHODS)
def test_everything_from_nothing_gives_the_same_record_twice(
    method: str, study_of: Callable[[str], Study], published: Runner, run_steps: Runner, tmp_path: Path
) -> None:
    step = study_of(method).evaluation_step(0)
    one, other = published(step), run_steps(step, tmp_path)
    assert (one / RECORD).read_bytes() == (other / RECORD).read_bytes()
    assert (one / METRICS).read_bytes() == (other / METRICS).read_bytes()


@pytest.mark.parametrize("statistics", ["running", "recalibrated"])
def test_evaluating_again_gives_the_same_record(
    statistics: Statistics, study: Study, published: Runner, context_of: MakeContext, tmp_path: Path
) -> None:
    step = override(study, "evaluation.statistics", statistics).evaluation_step(0)
    context = context_of(step, tmp_path)
    step.run(step, context)
    assert (context.out_dir / RECORD).read_bytes() == (published(step) / RECORD).read_bytes()


@pytest.mark.parametrize("method", ["controllable", "unadapted", "single_task", "frozen_phn_bn"])
def test_statistics_matter(method: str, study_of: Callable[[str], Study], record_of: RecordOf) -> None:
    study = study_of(method)
    others: list[Statistics] = ["running", "recalibrated"]
    records = [record_of(study)] + [
        record_of(override(study, "evaluation.statistics", statistics)) for statistics in others
    ]
    losses = [record.points[0].losses for record in records]
    assert losses[0] != losses[1]
    assert losses[0] != losses[2]
    assert losses[1] != losses[2]


@pytest.mark.parametrize("kind", ["own_images", "pretrained"])
def test_statistics_matter_with_images_of_ones_own_and_behind_a_stem(
    kind: str, steps: Mapping[str, Step], published: Runner
) -> None:
    batch = steps[f"{kind}_evaluate"]
    others: list[Statistics] = ["running", "recalibrated"]
    records = [read_record(published(batch))]
    for statistics in others:
        protocol = changed(batch.config.protocol, {"statistics": statistics})
        records.append(
            read_record(published(replace(batch, config=changed(batch.config, {"protocol": protocol}))))
        )
    losses = [record.points[0].losses for record in records]
    assert losses[0] != losses[1]
    assert losses[0] != losses[2]
    assert losses[1] != losses[2]
    for name in ("active_parameters/c=0", "active_macs/c=0"):
        assert len({record.values[name].value for record in records}) == 1, "statistics cost nothing"


def test_single_task_losses_are_those_of_the_test_split(
    study: Study,
    steps: Mapping[str, Step],
    study_of: Callable[[str], Study],
    context_of: MakeContext,
    record_of: RecordOf,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    running = override(study_of("single_task"), "evaluation.statistics", "running")
    net = load_anchor(steps["anchor"], context_of(running.evaluation_step(0), tmp_path))
    test: Examples = study.dataset.load(Split.TEST, place)
    with torch.no_grad():
        predictions = tree_forward(net, test.images, separate_streams(3, 3), Conditions("running"))
    expected = batch_losses(study.dataset.tasks, predictions, test.targets)[0]
    (point,) = record_of(running).points
    assert point.losses[0] == pytest.approx(expected.tolist(), rel=1e-5)


def test_only_the_evaluation_opens_the_test_split(
    study: Study, run_steps: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Split] = []
    load = Digits.load

    def note(self: Digits, split: Split, place: DataPlace) -> Examples:
        opened.append(split)
        return load(self, split, place)

    monkeypatch.setattr(Digits, "load", note)
    step = study.evaluation_step(0)
    for below in step.inputs.values():
        run_steps(below, tmp_path)
    assert opened
    assert Split.TEST not in opened
    run_steps(step, tmp_path)
    assert opened.count(Split.TEST) == 1


def test_methods_and_seeds_are_judged_at_the_same_preferences(
    study_of: Callable[[str], Study], record_of: RecordOf, published: Runner
) -> None:
    first = record_of(study_of("single_task"))
    other_seed = read_record(published(study_of("single_task").evaluation_step(1)))
    assert other_seed.seed == 1
    assert other_seed.points[0].losses != first.points[0].losses
    for record in (other_seed, *(record_of(study_of(method)) for method in METHODS)):
        for point in record.points:
            assert point.preferences == first.points[0].preferences
            assert point.cost_preferences == first.points[0].cost_preferences


def test_without_adaptation_trees_are_the_same_and_losses_are_not(
    study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    adapted, plain = record_of(study_of("controllable")), record_of(study_of("unadapted"))
    assert plain.method == adapted.method == "controllable"
    for one, other in zip(adapted.points, plain.points, strict=True):
        assert one.parents == other.parents
        assert one.cost_parameters == other.cost_parameters
        assert one.losses != other.losses


def test_a_tree_of_single_nets_costs_the_whole_anchor(
    study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    record = record_of(study_of("single_task"))
    assert record.values["active_parameters"].value == record.anchor_parameters
    assert record.values["active_parameter_fraction"].value == 1.0


def test_a_shared_tree_costs_what_phn_bn_costs(study_of: Callable[[str], Study], record_of: RecordOf) -> None:
    shared = record_of(study_of("phn_bn")).values["active_parameters"].value
    points = record_of(study_of("unadapted")).points
    costs = [cost for point in points for cost in point.parameters]
    assert min(costs) >= shared


def test_losses_do_not_depend_on_the_reference_point(study: Study, record_of: RecordOf) -> None:
    other = override(study, "evaluation.reference_point", (5.0, 5.0, 5.0))
    assert record_of(other).points == record_of(study).points
    assert record_of(other).values["hypervolume/c=0"] != record_of(study).values["hypervolume/c=0"]


def test_a_last_batch_of_one_is_no_trouble(study_of: Callable[[str], Study], record_of: RecordOf) -> None:
    study = study_of("single_task")
    record = record_of(override(study, "evaluation.batch_size", 8))  # 41 = 5 * 8 + 1
    assert all(loss > 0 for row in record.points[0].losses for loss in row)


@pytest.mark.parametrize("objective", ["minibatch", "tabulated"])
def test_dense_tasks_whose_heads_read_an_early_layer_go_through_every_stage(
    objective: str, study: Study, record_of: RecordOf
) -> None:
    backbone = SmallBackbone(
        channels=(2, 3, 3), resolutions=("halve", "halve", "double"), skip_layer=1, head_channels=2
    )
    dense = override(study, "dataset", Scenes(num_train=20, num_val=4, num_test=21, size=16))
    dense = override(dense, "method.anchor.backbone", backbone)
    record = record_of(
        override(dense, "method.edge.objective", objective) if objective != "minibatch" else dense
    )
    for c in ("0", "1"):
        for metric in ("segmentation/mean_iou", "normals/mean_angle_error", "depth/depth_rmse"):
            assert f"task/{metric}/c={c}" in record.values


def test_values_are_logged_once(study: Study, published: Runner, record_of: RecordOf) -> None:
    (line,) = (published(study.evaluation_step(0)) / METRICS).read_text().splitlines()
    values = {name: value.value for name, value in record_of(study).values.items()}
    assert json.loads(line) == {"step": 0, "metrics": values}


def test_an_attempt_killed_before_publication_leaves_no_second_line(
    study: Study, context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    step = study.evaluation_step(0)
    for attempt in ("killed", "again"):
        context = context_of(step, tmp_path, attempt=attempt)
        step.run(step, context)
    assert (tmp_path / "work" / METRICS).read_bytes() == (published(step) / METRICS).read_bytes()


def test_it_stops_when_asked_and_publishes_nothing(
    study: Study, context_of: MakeContext, tmp_path: Path
) -> None:
    step = study.evaluation_step(0)
    answers = iter([False, True])
    context = context_of(step, tmp_path, stop_requested=lambda: next(answers))
    with pytest.raises(Interrupted, match=step.address):
        step.run(step, context)
    assert list(context.out_dir.iterdir()) == []


def test_a_missing_target_is_named(
    study: Study, context_of: MakeContext, lose_target: Callable[..., None], tmp_path: Path
) -> None:
    step = study.evaluation_step(0)
    context = context_of(step, tmp_path)
    lose_target("parity", Split.TEST)
    with pytest.raises(
        DataError, match="no targets for task 'parity'; the data has targets for: left, right"
    ):
        step.run(step, context)
    assert list(context.out_dir.iterdir()) == []


def test_weights_of_another_net_are_refused(
    steps: Mapping[str, Step], study: Study, context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    step = study.evaluation_step(0)
    context = context_of(step, tmp_path)
    folder = tmp_path / "spoilt"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes((published(steps["edge"]) / "edge.safetensors").read_bytes())
    context.input_dirs = {**context.input_dirs, "anchor": folder}
    with pytest.raises(
        CorruptArtifactError, match=r"(?s)does not hold the weights of AnchorNet.*cache verify"
    ):
        step.run(step, context)


def test_a_joint_phn_bn_has_no_running_statistics(study: Study, steps: Mapping[str, Step]) -> None:
    protocol = changed(study.evaluation, {"statistics": "running"})
    with pytest.raises(SpecError, match="keeps no running statistics; use 'batch' or 'recalibrated'"):
        phn_bn_evaluation(protocol, phn_bn=steps["phn_bn"])
    assert phn_bn_evaluation(protocol, phn_bn=steps["frozen_phn_bn"]).stage == "evaluate"


def test_a_joint_phn_bn_can_be_recalibrated(study_of: Callable[[str], Study], record_of: RecordOf) -> None:
    study = study_of("phn_bn")
    recalibrated = override(study, "evaluation.statistics", "recalibrated")
    assert record_of(recalibrated).points[0].losses != record_of(study).points[0].losses


def test_a_static_grid_keeps_the_order_of_its_preferences(study: Study, steps: Mapping[str, Step]) -> None:
    shared = steps["shared"]
    nets = [
        Step(stage="shared", revision=1, config=shared.config, run=shared.run, seed=seed)
        for seed in range(12)
    ]
    step = static_grid_evaluation(study.evaluation, nets=nets)
    assert [net for _, net in sorted(step.inputs.items())] == nets


def test_the_protocol_changes_the_evaluation_and_nothing_before_it(study: Study) -> None:
    other = override(study, "evaluation.num_preferences", 6)
    one, two = (
        {below.stage: below.address for below in s.evaluation_step(0).closure()} for s in (study, other)
    )
    assert {stage for stage in one if one[stage] != two[stage]} == {"evaluate"}


def test_static_nets_stand_in_the_order_of_their_preferences() -> None:
    roles = [f"net_{number:03d}" for number in (999, 1000, 101, 2)]
    net = Step(stage="shared", revision=1, config=None, run=run_evaluate)
    assert [role for role, _ in sorted(((role, net) for role in roles), key=_number)] == [
        "net_002",
        "net_101",
        "net_999",
        "net_1000",
    ]


@pytest.mark.parametrize("method", ["retrained", "retrained_initial", "ltb", "bmtas"])
def test_a_tree_trained_by_itself_has_one_tree_and_its_delta_t(
    method: str, study_of: Callable[[str], Study], record_of: RecordOf
) -> None:
    record, single = record_of(study_of(method)), record_of(study_of("single_task"))
    names = [f"task/{task}/accuracy" for task in record.tasks]
    expected = relative_drop(
        [record.values[name].value for name in names],
        baselines_N=[single.values[name].value for name in names],
        higher_is_better_N=[True] * 3,
    )
    assert record.values["relative_drop"].value == pytest.approx(expected)
    assert record.values["distinct_trees"].value == 1
    assert record.values["active_parameters"].value == record.values["anchor_parameters"].value
    assert "relative_drop" not in single.values
