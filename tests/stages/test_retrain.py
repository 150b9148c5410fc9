"""A tree trained by itself: what exists, how it starts, and that the loss is the sum of the scaled losses."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.artifacts.record import read_record
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.coarse import Coarse
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import nodes_on_paths, paths, refined_tree
from dymu.spec.study import Study, override
from dymu.stages.anchor import AnchorRecipe, anchor_step, load_anchor
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.randomness import Randomness
from dymu.stages.retrain import WEIGHTS, load_retrained, nodes_of, retrain_step
from dymu.stages.tree import TREE, load_tree
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


def initial(step: Step) -> AnchorNet:
    recipe, dataset = step.config.recipe, step.config.dataset
    generator = Randomness(0, "anchor").torch("initialisation")
    return single_task_nets(recipe.backbone, dataset.tasks, dataset.input_shape, generator)


def first_losses(net: AnchorNet, parents_LN: Tensor, step: Step, place: DataPlace) -> Tensor:
    """(N,) losses of a net on the batch of step 0."""
    settings = step.config
    examples: Examples = settings.dataset.load(Split.TRAIN, place)
    generator = Randomness(0, "retrain").torch("batch", 0)
    batch = examples.batch(draw_batch(len(examples), settings.recipe.batch_size, generator))
    predictions = tree_forward(net, batch.images, parents_LN.unsqueeze(0), Conditions("batch"))
    return batch_losses(net.tasks, predictions, batch.targets)[0].detach()


@pytest.mark.parametrize("name", ["retrain", "initial_retrain"])
def test_it_starts_as_its_config_says_and_minimises_the_sum_of_the_scaled_losses(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    published: Runner,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    step = steps[name]
    context = context_of(step, tmp_path)
    net = load_anchor(step.inputs["anchor"], context) if name == "retrain" else initial(step)
    losses = first_losses(net, load_tree(context)[0], step, place)
    line: dict[str, Any] = json.loads((published(step) / METRICS).read_text().splitlines()[0])
    assert line["metrics"]["objective"] == pytest.approx(losses.sum().item(), rel=1e-5)
    found = [line["metrics"][f"loss/{task.name}"] for task in net.tasks]
    assert found == pytest.approx(losses.tolist(), rel=1e-5)


@pytest.mark.parametrize("name", ["retrain", "initial_retrain", "ltb", "bmtas"])
def test_only_nodes_on_paths_exist_and_all_of_them_are_trained(
    name: str, steps: Mapping[str, Step], published: Runner
) -> None:
    step = steps[name]
    if name in ("ltb", "bmtas"):
        settings = steps["initial_retrain"].config
        step = retrain_step(settings, tree=step, anchor=None, seed=0)
    folder = published(step)
    parents_LN, found = load_file(folder / TREE)["parents_LN"], load_file(folder / WEIGHTS)
    used = nodes_on_paths(paths(parents_LN.unsqueeze(0)))[0].nonzero().tolist()
    expected = {f"block_{layer}_{stream}" for layer, stream in used} | {f"head_{task}" for task in range(3)}
    assert {key.split(".")[0] for key in found} == expected
    start = nodes_of(initial(step), parents_LN)
    assert all(not torch.equal(found[key], value) for key, value in start.named_parameters())
    assert all(not torch.equal(found[key], value) for key, value in start.named_buffers())


def test_a_net_that_was_read_is_the_one_that_was_published(
    steps: Mapping[str, Step],
    study_of: Callable[[str], Any],
    context_of: MakeContext,
    published: Runner,
    tmp_path: Path,
) -> None:
    evaluation = study_of("retrained").evaluation_step(0)
    net, parents_LN = load_retrained(steps["retrain"], context_of(evaluation, tmp_path))
    folder = published(steps["retrain"])
    saved = load_file(folder / WEIGHTS)
    assert torch.equal(parents_LN, load_file(folder / TREE)["parents_LN"])
    state = nodes_of(net, parents_LN).state_dict()
    assert state.keys() == saved.keys()
    assert all(torch.equal(saved[key], value) for key, value in state.items())
    assert not any(parameter.requires_grad for parameter in net.parameters())


def test_separate_streams_are_trained_as_the_anchor_is(
    steps: Mapping[str, Step], published: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing shared, retraining from the start on the anchor's batches is the anchor's training."""
    anchor, step = steps["anchor"], steps["initial_retrain"]
    apart = refined_tree(torch.arange(3).expand(3, 3))
    monkeypatch.setattr("dymu.stages.retrain.load_tree", lambda _context: (apart, torch.zeros(3, 3, 3)))
    monkeypatch.setattr(RunContext, "random", property(lambda _self: Randomness(0, "anchor")))
    inputs = {"tree": tmp_path}
    out = tmp_path / "out"
    out.mkdir()
    context = RunContext(
        step=step, out_dir=out, work_dir=tmp_path, input_dirs=inputs, data=DataPlace(cache_dir=tmp_path)
    )
    step.run(step, context)
    found = load_file(out / WEIGHTS)
    expected = load_file(published(anchor) / "anchor.safetensors")
    for key, value in found.items():
        node, _, rest = key.partition(".")
        kind, *numbers = node.split("_")
        of_anchor = f"heads.{numbers[0]}" if kind == "head" else f"streams.{numbers[1]}.{numbers[0]}"
        torch.testing.assert_close(value, expected[f"{of_anchor}.{rest}"])


def test_a_start_from_a_shared_net_is_that_of_the_anchor(
    steps: Mapping[str, Step], shared_start: Step, published: Runner
) -> None:
    settings = changed(steps["initial_retrain"].config, {"recipe": shared_start.config.recipe})
    step = retrain_step(settings, tree=steps["tree"], anchor=None, seed=0)
    assert dict(step.inputs) == {"tree": steps["tree"], **shared_start.inputs}
    assert (published(step) / WEIGHTS).exists()


def test_the_start_and_the_inputs_must_fit(steps: Mapping[str, Step]) -> None:
    settings = steps["retrain"].config
    with pytest.raises(SpecError, match="start='anchor' needs an anchor"):
        retrain_step(settings, tree=steps["tree"], anchor=None, seed=0)
    with pytest.raises(SpecError, match="'initial' takes none"):
        retrain_step(
            changed(settings, {"start": "initial"}), tree=steps["tree"], anchor=steps["anchor"], seed=0
        )


def test_an_anchor_of_another_backbone_is_refused(steps: Mapping[str, Step]) -> None:
    settings = steps["retrain"].config
    recipe: AnchorRecipe = settings.recipe
    other = changed(recipe, {"backbone": changed(recipe.backbone, {"channels": (2, 2, 3)})})
    anchor = anchor_step(other, dataset=settings.dataset, seed=0)
    with pytest.raises(SpecError, match="between equal backbones"):
        retrain_step(settings, tree=steps["tree"], anchor=anchor, seed=0)


def test_a_missing_target_is_named(
    steps: Mapping[str, Step],
    context_of: MakeContext,
    lose_target: Callable[..., None],
    tmp_path: Path,
) -> None:
    context = context_of(steps["retrain"], tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        steps["retrain"].run(steps["retrain"], context)


@pytest.mark.parametrize("method", ["retrained", "retrained_initial", "ltb", "bmtas"])
def test_a_stem_stays_as_the_file_of_weights_has_it(
    method: str,
    study_of: Callable[[str], Study],
    pretrained_backbone: Coarse,
    pretrained_tensors: Mapping[str, Tensor],
    published: Runner,
) -> None:
    study = override(study_of(method), "method.anchor.backbone", pretrained_backbone)
    evaluation = study.evaluation_step(0)
    found = load_file(published(evaluation.inputs["retrain"]) / WEIGHTS)
    assert torch.equal(found["stem.conv.weight"], pretrained_tensors["toy.stem.conv.weight"])
    assert torch.equal(found["stem.norm.running_mean"], pretrained_tensors["toy.stem.norm.running_mean"])
    record = read_record(published(evaluation))
    parts = {key.split(".")[0] for key in found}
    assert "stem" in parts
    stored = sum(value.numel() for key, value in found.items() if ".running_" not in key)
    assert record.values["active_parameters"].value == stored


@pytest.mark.parametrize("method", ["retrained", "retrained_initial", "ltb", "bmtas"])
def test_tasks_with_images_of_their_own_and_a_shared_start_go_through_every_stage(
    method: str, study_of: Callable[[str], Study], steps: Mapping[str, Step], published: Runner
) -> None:
    study = override(study_of(method), "dataset", steps["own_images_anchor"].config.dataset)
    study = override(study, "method.anchor", steps["own_images_anchor"].config.recipe)
    record = read_record(published(study.evaluation_step(0)))
    assert record.values["hypervolume"].value > 0
