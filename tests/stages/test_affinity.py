"""The affinity stage: which features it compares, and what it publishes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import NormCall
from dymu.objectives.affinity import similarity, task_affinity
from dymu.spec.study import Study, override
from dymu.stages.affinity import FILE, AffinityConfig, layer_features, load_affinity
from dymu.stages.anchor import load_anchor
from dymu.stages.context import RunContext
from dymu.stages.tensors import load_tensor
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


@pytest.fixture
def net(steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path) -> AnchorNet:
    return load_anchor(steps["anchor"], context_of(steps["affinity"], tmp_path))


@pytest.fixture
def affinity(steps: Mapping[str, Step], published: Runner) -> Tensor:
    return load_tensor(published(steps["affinity"]) / FILE, "affinity")


def test_features_are_those_of_each_single_task_net(net: AnchorNet, study: Study, place: DataPlace) -> None:
    images = study.dataset.load(Split.TRAIN, place).images[:5]
    found = layer_features(net, images)
    assert [len(layer) for layer in found] == [3, 3, 3]
    for stream in range(3):
        features = images.unsqueeze(1)
        for layer in range(3):
            features = net.block(layer, stream)(features, NormCall("running"))
            torch.testing.assert_close(found[layer][stream], features.reshape(5, -1))


def test_features_of_an_image_do_not_depend_on_the_other_images(
    net: AnchorNet, study: Study, place: DataPlace
) -> None:
    images = study.dataset.load(Split.TRAIN, place).images
    alone, together = layer_features(net, images[:1]), layer_features(net, images)
    torch.testing.assert_close(alone[-1][0], together[-1][0][:1])


def test_all_training_images_give_the_affinity_of_the_paper(
    study: Study, net: AnchorNet, published: Runner, place: DataPlace
) -> None:
    everything = override(study, "method.affinity.num_instances", 1000)
    step = next(below for below in everything.evaluation_step(0).closure() if below.stage == "affinity")
    examples: Examples = study.dataset.load(Split.TRAIN, place)
    features = layer_features(net, examples.images)
    expected = task_affinity(torch.stack([similarity(torch.stack(layer)) for layer in features]))
    torch.testing.assert_close(load_tensor(published(step) / FILE, "affinity"), expected)


def test_a_draw_of_instances_estimates_it(affinity: Tensor) -> None:
    assert affinity.shape == (3, 3)
    assert affinity.dtype == torch.float64
    assert torch.equal(affinity.diagonal(), torch.ones(3).double())


def test_the_scale_is_the_configured_one(study: Study, affinity: Tensor, published: Runner) -> None:
    symmetric = override(study, "method.affinity.scale", "symmetric")
    step = next(below for below in symmetric.evaluation_step(0).closure() if below.stage == "affinity")
    found = load_tensor(published(step) / FILE, "affinity")
    torch.testing.assert_close(found, (affinity + affinity.T) / 2)


def test_pairs_of_tasks_are_logged(steps: Mapping[str, Step], affinity: Tensor, published: Runner) -> None:
    (line,) = (published(steps["affinity"]) / METRICS).read_text().splitlines()
    names = ["left", "right", "parity"]
    expected = {
        f"affinity/{names[i]}/{names[j]}": affinity[i, j].item() for i in range(3) for j in range(3) if i != j
    }
    assert json.loads(line) == {"step": 0, "metrics": expected}


def test_an_attempt_killed_before_publication_leaves_no_second_line(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    step = steps["affinity"]
    for attempt in ("killed", "again"):
        context = context_of(step, tmp_path, attempt=attempt)
        step.run(step, context)
        with (context.work_dir / METRICS).open("a") as file:
            file.write('{"st')
    assert (tmp_path / "work" / METRICS).read_text().count('"step": 0') == 1


def test_later_stages_read_it_in_single_precision(
    steps: Mapping[str, Step], context_of: MakeContext, affinity: Tensor, tmp_path: Path
) -> None:
    found = load_affinity(context_of(steps["edge"], tmp_path))
    assert torch.equal(found, affinity.float())


def test_a_spoilt_artifact_is_named(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    context = context_of(steps["edge"], tmp_path)
    (tmp_path / FILE).write_bytes(b"nonsense")
    context.input_dirs = {**context.input_dirs, "affinity": tmp_path}
    with pytest.raises(CorruptArtifactError, match=rf"{FILE} does not hold the tensor 'affinity'"):
        load_affinity(context)


def test_one_instance_cannot_be_compared() -> None:
    with pytest.raises(SpecError, match=r"AffinityConfig\.num_instances is 1; expected at least 2"):
        AffinityConfig(num_instances=1)
