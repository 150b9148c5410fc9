"""How a net starts: from a file of weights or from a shared net, in every stage that trains convolutions."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.coarse import Coarse
from dymu.networks.backbones.protocol import Backbone
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe, anchor_step, load_anchor
from dymu.stages.context import RunContext
from dymu.stages.optimisation import Optimisation
from dymu.stages.start import REPORT, copy_stem, start_from_shared, start_pretrained

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]

STAGES = ["pretrained_anchor", "pretrained_anchor_stream", "pretrained_shared", "pretrained_phn_bn"]


def net_of(backbone: Backbone, study: Study, *, streams: int, seed: int = 5) -> AnchorNet:
    """An untrained net whose streams differ."""
    dataset = study.dataset
    return single_task_nets(
        backbone,
        dataset.tasks,
        dataset.input_shape,
        torch.Generator().manual_seed(seed),
        num_streams=streams,
        common_initialisation=False,
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """Numbers with which the next stage begins to train; it then ends."""
    found: dict[str, torch.Tensor] = {}

    def note(training: object, _context: RunContext) -> None:
        modules = training.modules  # type: ignore[attr-defined]
        name = next(name for name in modules if name not in ("trace", "hypernet"))
        found.update({key: tensor.clone() for key, tensor in modules[name].state_dict().items()})

    for stage in ("anchor", "anchor_stream", "shared"):
        monkeypatch.setattr(f"dymu.stages.{stage}.train", note)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_that_trains_convolutions_starts_from_the_file(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    pretrained_tensors: Mapping[str, torch.Tensor],
    started: Mapping[str, torch.Tensor],
    tmp_path: Path,
) -> None:
    context = context_of(steps[name], tmp_path)
    steps[name].run(steps[name], context)
    streams = {key.split(".")[1] for key in started if key.startswith("streams")}
    assert len(streams) == (3 if name == "pretrained_anchor" else 1)
    for stream in streams:
        found = started[f"streams.{stream}.0.blocks.0.conv1.weight"]
        assert torch.equal(found, pretrained_tensors["toy.0.conv1.weight"])
    assert torch.equal(started["stem.conv.weight"], pretrained_tensors["toy.stem.conv.weight"])


@pytest.mark.parametrize("name", STAGES)
def test_what_was_loaded_is_published(
    name: str,
    steps: Mapping[str, Step],
    published: Runner,
    pretrained_tensors: Mapping[str, torch.Tensor],
) -> None:
    report = json.loads((published(steps[name]) / REPORT).read_text(encoding="utf-8"))
    assert report["file"] == "toy.safetensors"
    assert report["loaded"] == sorted(key for key in pretrained_tensors if key.startswith("toy."))
    assert report["unused"] == ["classifier.weight"]
    assert {name.split(".")[0] for name in report["fresh"]} == {"streams", "heads"}


def test_a_backbone_without_weights_publishes_no_report(steps: Mapping[str, Step], published: Runner) -> None:
    assert not (published(steps["anchor"]) / REPORT).exists()


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("content", [None, b"something else"], ids=["missing", "another"])
def test_a_file_that_is_not_the_one_ends_the_stage_before_any_training(
    name: str,
    content: bytes | None,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    place: DataPlace,
    tmp_path: Path,
) -> None:
    context = context_of(steps[name], tmp_path / "step")
    root = tmp_path / "data"
    (root / "weights").mkdir(parents=True)
    if content is not None:
        (root / "weights" / "toy.safetensors").write_bytes(content)
    context.data = DataPlace(cache_dir=place.cache_dir, root=root)
    with pytest.raises(DataError, match=r"toy\.safetensors"):
        steps[name].run(steps[name], context)
    assert list(context.out_dir.iterdir()) == []
    assert list(context.work_dir.iterdir()) == []


def test_without_a_data_root_the_error_says_how_to_name_one(
    steps: Mapping[str, Step], context_of: MakeContext, place: DataPlace, tmp_path: Path
) -> None:
    step = steps["pretrained_anchor"]
    context = context_of(step, tmp_path)
    context.data = DataPlace(cache_dir=place.cache_dir, root=None)
    with pytest.raises(DataError, match="--data-root or DYMU_DATA"):
        step.run(step, context)


def test_a_pretrained_backbone_cannot_start_apart(pretrained_backbone: Coarse) -> None:
    short = Optimisation(num_steps=1)
    with pytest.raises(SpecError, match=r"AnchorRecipe\.initialisation is 'independent'; expected 'common'"):
        AnchorRecipe(backbone=pretrained_backbone, optimisation=short, initialisation="independent")


def test_a_shared_net_starts_from_the_file_and_the_anchor_from_the_shared_net(
    steps: Mapping[str, Step], published: Runner
) -> None:
    plain = steps["pretrained_anchor"].config
    recipe = changed(plain.recipe, {"initialisation": "shared", "pretraining": plain.recipe.optimisation})
    step = anchor_step(recipe, dataset=plain.dataset, seed=0)
    assert (published(step.inputs["start"]) / REPORT).exists()
    assert not (published(step) / REPORT).exists()


def test_the_stem_is_never_trained(
    steps: Mapping[str, Step], published: Runner, pretrained_tensors: Mapping[str, torch.Tensor]
) -> None:
    for name, file in (("pretrained_anchor", "anchor"), ("pretrained_shared", "shared")):
        found = load_file(published(steps[name]) / f"{file}.safetensors")
        stem = {key for key in found if key.startswith("stem.")}
        assert len(stem) == 5
        for key in stem:
            assert torch.equal(found[key], pretrained_tensors[f"toy.{key}"]), key


def test_the_stem_of_an_anchor_that_was_read_is_the_published_one(
    steps: Mapping[str, Step],
    context_of: MakeContext,
    tmp_path: Path,
    pretrained_tensors: Mapping[str, torch.Tensor],
) -> None:
    net = load_anchor(steps["pretrained_anchor"], context_of(steps["pretrained_affinity"], tmp_path))
    assert net.stem is not None
    found = net.stem.state_dict()["norm.running_var"]
    assert torch.equal(found, pretrained_tensors["toy.stem.norm.running_var"])


def test_a_stem_is_in_no_optimiser(pretrained_backbone: Coarse, study: Study) -> None:
    net = net_of(pretrained_backbone, study, streams=3)
    trained = {id(parameter) for parameter in net.parameters() if parameter.requires_grad}
    assert net.stem is not None
    assert trained.isdisjoint(id(parameter) for parameter in net.stem.parameters())
    assert trained == {id(parameter) for node in net.nodes() for parameter in node.parameters()}


def test_streams_and_heads_are_copied_from_a_shared_net(pretrained_backbone: Coarse, study: Study) -> None:
    net = net_of(pretrained_backbone, study, streams=3)
    shared = net_of(pretrained_backbone, study, streams=1, seed=6)
    start_from_shared(net, shared)
    source = shared.state_dict()
    for name, tensor in net.state_dict().items():
        kind, *rest = name.split(".")
        taken = ".".join(["streams", "0", *rest[1:]]) if kind == "streams" else name
        assert torch.equal(tensor, source[taken]), name


def test_a_head_is_found_by_its_task(pretrained_backbone: Coarse, study: Study) -> None:
    dataset, generator = study.dataset, torch.Generator().manual_seed(7)
    single = single_task_nets(pretrained_backbone, dataset.tasks[2:], dataset.input_shape, generator)
    shared = net_of(pretrained_backbone, study, streams=1, seed=6)
    start_from_shared(single, shared)
    one, other = single.heads[0].state_dict(), shared.heads[2].state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_start_has_one_stream(pretrained_backbone: Coarse, study: Study) -> None:
    net = net_of(pretrained_backbone, study, streams=3)
    with pytest.raises(AssertionError, match="one stream"):
        start_from_shared(net, net)


def test_a_stem_is_copied_where_there_is_one(pretrained_backbone: Coarse, study: Study) -> None:
    net, other = (net_of(pretrained_backbone, study, streams=1, seed=seed) for seed in (1, 2))
    copy_stem(net, other)
    one, two = net.state_dict(), other.state_dict()
    assert torch.equal(one["stem.conv.weight"], two["stem.conv.weight"])
    assert not torch.equal(one["streams.0.1.conv1.weight"], two["streams.0.1.conv1.weight"])


def test_without_weights_a_net_stays_as_it_is(
    study: Study, steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    net = net_of(steps["anchor"].config.recipe.backbone, study, streams=1)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    start_pretrained(net, context_of(steps["anchor"], tmp_path))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
