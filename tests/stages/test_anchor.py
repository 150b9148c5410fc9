"""Stage 0: single-task nets that do not know of each other."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.norm import NormCall
from dymu.objectives.task_losses import task_loss
from dymu.spec.study import Study, override
from dymu.stages.anchor import WEIGHTS, AnchorRecipe, anchor_step, load_anchor
from dymu.stages.context import RunContext
from dymu.stages.inputs import dataset_of
from dymu.stages.optimisation import Optimisation
from dymu.stages.shared import WEIGHTS as SHARED_WEIGHTS
from dymu.stages.shared import SharedConfig
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]

SHORT = Optimisation(num_steps=1)


def anchor_of(study: Study, *, seed: int = 0) -> Step:
    return next(below for below in study.evaluation_step(seed).closure() if below.stage == "anchor")


@pytest.fixture
def net(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> AnchorNet:
    """The trained anchor, as a later stage reads it."""
    return load_anchor(steps["anchor"], context_of(steps["affinity"], tmp_path))


def test_an_anchor_that_was_read_is_frozen(net: AnchorNet) -> None:
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not net.training


def test_an_anchor_that_was_read_is_the_one_that_was_published(
    net: AnchorNet, steps: Mapping[str, Step], published: Runner
) -> None:
    saved = load_file(published(steps["anchor"]) / WEIGHTS)
    assert set(saved) == set(net.state_dict())
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in saved.items())


def test_streams_leave_their_common_start(net: AnchorNet) -> None:
    first = [next(net.streams[stream].parameters()) for stream in range(3)]
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[1], first[2])


def test_running_statistics_are_gathered_in_training(net: AnchorNet) -> None:
    norms = [norm for node in net.nodes() for norm in node.norms()]
    assert all(norm.running_mean.any() for norm in norms)
    # Six updates of momentum 0.1 leave 0.9^6 of the initial variance 1; the rest is of the data.
    assert all((norm.running_var > 0.9**6 - 1e-6).all() for norm in norms)


def test_a_stream_does_not_know_of_the_other_tasks(study: Study, published: Runner) -> None:
    heavier = override(study, "dataset.parity_weight", 30.0)
    one = load_file(published(anchor_of(study)) / WEIGHTS)
    other = load_file(published(anchor_of(heavier)) / WEIGHTS)
    changed = {name for name in one if not torch.equal(one[name], other[name])}
    assert changed
    assert {name.split(".")[1] for name in changed} == {"2"}, "only stream and head of the parity change"


def test_seeds_differ(study: Study, published: Runner) -> None:
    one = load_file(published(anchor_of(study)) / WEIGHTS)
    other = load_file(published(anchor_of(study, seed=1)) / WEIGHTS)
    assert not torch.equal(one["streams.0.0.conv1.weight"], other["streams.0.0.conv1.weight"])


def test_independent_streams_start_apart(
    study: Study, context_of: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(
        "dymu.stages.anchor.train", lambda training, _context: started.append(training.modules["anchor"])
    )
    for initialisation in ("common", "independent"):
        recipe = AnchorRecipe(
            backbone=SmallBackbone(channels=(2,), resolutions=("keep",)),
            optimisation=Optimisation(num_steps=1),
            initialisation=initialisation,
        )
        step = anchor_of(override(study, "method.anchor", recipe))
        step.run(step, context_of(step, tmp_path / initialisation))
    same = [torch.equal(net.block(0, 0).conv1.weight, net.block(0, 1).conv1.weight) for net in started]
    assert same == [True, False]


def test_the_validation_loss_of_each_task_is_logged_last(
    steps: Mapping[str, Step], net: AnchorNet, study: Study, place: DataPlace, published: Runner
) -> None:
    last = json.loads((published(steps["anchor"]) / METRICS).read_text().splitlines()[-1])
    examples: Examples = study.dataset.load(Split.VAL, place)
    expected = {}
    for number, task in enumerate(study.dataset.tasks):
        features = examples.images.unsqueeze(1)
        for layer in range(net.num_layers):
            features = net.block(layer, number)(features, NormCall("running"))
        prediction = net.head(number)(features, None, NormCall("running"))[:, 0]
        loss = task.loss_weight * task_loss(task, prediction, examples.targets[task.name])
        expected[f"validation_loss/{task.name}"] = loss.item()
    assert last["step"] == 6
    assert last["metrics"] == pytest.approx(expected, rel=1e-5)


def test_validation_does_not_reach_the_weights(
    study: Study, steps: Mapping[str, Step], published: Runner
) -> None:
    other = anchor_of(override(study, "dataset.num_val", 7))
    one, two = (load_file(published(step) / WEIGHTS) for step in (steps["anchor"], other))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("lacking", [Split.TRAIN, Split.VAL])
def test_a_missing_target_is_named_before_any_training(
    lacking: Split,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    lose_target: Callable[..., None],
    tmp_path: Path,
) -> None:
    step = steps["anchor"]
    context = context_of(step, tmp_path)
    lose_target("parity", lacking)
    with pytest.raises(
        DataError, match="no targets for task 'parity'; the data has targets for: left, right"
    ):
        step.run(step, context)
    assert list(context.out_dir.iterdir()) == []
    assert list(context.work_dir.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 1},
        {"initialisation": "imagenet"},
        {"backbone": Digits()},
        {"pretraining": SHORT},
        {"pretraining": SHORT, "initialisation": "independent"},
        {"pretraining": None, "initialisation": "shared"},
        {"pretraining_batch_size": 8},
        {"pretraining_batch_size": 1, "pretraining": SHORT, "initialisation": "shared"},
    ],
    ids=str,
)
def test_a_recipe_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"backbone": SmallBackbone(), "optimisation": SHORT}
    with pytest.raises(SpecError, match=rf"AnchorRecipe\.{next(iter(wrong))} is"):
        AnchorRecipe(**good | wrong)


def test_fields_that_are_not_used_are_no_part_of_the_address(study: Study) -> None:
    form = canonical(study.method)["anchor"]
    assert "pretraining" not in form
    assert "pretraining_batch_size" not in form


def test_a_shared_start_is_a_static_net_for_the_uniform_preference(shared_start: Step) -> None:
    recipe, start = shared_start.config.recipe, shared_start.inputs["start"]
    assert start.config == SharedConfig(
        dataset=shared_start.config.dataset,
        backbone=recipe.backbone,
        optimisation=recipe.pretraining,
        batch_size=5,
        preference=None,
    )
    assert start.seed == shared_start.seed
    assert {part.inputs["start"].address for part in shared_start.parts} == {start.address}


def test_the_batch_size_of_a_shared_start_is_the_anchors_unless_told(shared_start: Step) -> None:
    recipe = changed(shared_start.config.recipe, {"pretraining_batch_size": None})
    step = anchor_step(recipe, dataset=shared_start.config.dataset, seed=0)
    assert step.inputs["start"].config.batch_size == recipe.batch_size == 8


def test_every_stream_and_head_starts_from_the_shared_net(
    shared_start: Step,
    context_of: MakeContext,
    published: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[AnchorNet] = []
    monkeypatch.setattr(
        "dymu.stages.anchor.train", lambda training, _context: started.append(training.modules["anchor"])
    )
    shared_start.run(shared_start, context_of(shared_start, tmp_path))
    shared = load_file(published(shared_start.inputs["start"]) / SHARED_WEIGHTS)
    for name, tensor in started[0].state_dict().items():
        kind, number, rest = name.split(".", 2)
        source = f"streams.0.{rest}" if kind == "streams" else f"{kind}.{number}.{rest}"
        assert torch.equal(tensor, shared[source]), name


def test_all_stages_after_a_shared_start_know_one_dataset(study: Study, shared_start: Step) -> None:
    recipe = shared_start.config.recipe
    final = override(study, "method.anchor", recipe).evaluation_step(0)
    assert [step.stage for step in final.closure()][:2] == ["shared", "anchor"]
    assert dataset_of(final) == study.dataset
