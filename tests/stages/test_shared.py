"""Baselines with one backbone: static nets for one preference, and PHN-BN."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.tree import shared_stream
from dymu.spec.study import Study
from dymu.stages.context import RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.optimisation import Optimisation
from dymu.stages.preferences import draw_preferences
from dymu.stages.randomness import Randomness
from dymu.stages.shared import (
    HYPERNET,
    WEIGHTS,
    PHNBNConfig,
    SharedConfig,
    load_phn_bn_hypernet,
    load_shared,
    phn_bn_step,
    shared_step,
)
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]


def first_line(folder: Path) -> dict[str, float]:
    line: dict[str, Any] = json.loads((folder / METRICS).read_text().splitlines()[0])
    metrics: dict[str, float] = line["metrics"]
    return metrics


def untrained(study: Study, settings: SharedConfig | PHNBNConfig, random: Randomness) -> AnchorNet:
    return single_task_nets(
        settings.backbone,
        study.dataset.tasks,
        study.dataset.input_shape,
        random.torch("initialisation"),
        num_streams=1,
    )


def first_losses(
    net: AnchorNet, study: Study, random: Randomness, place: DataPlace, *, batch_size: int
) -> Tensor:
    """(N,) losses of the shared tree on the batch of step 0."""
    examples: Examples = study.dataset.load(Split.TRAIN, place)
    batch = examples.batch(draw_batch(len(examples), batch_size, random.torch("batch", 0)))
    predictions = tree_forward(net, batch.images, shared_stream(3, 3), Conditions("batch"))
    return batch_losses(study.dataset.tasks, predictions, batch.targets)[0].detach()


@pytest.mark.parametrize("preference", [None, (0.5, 0.5, 0.0), (0.0, 0.0, 1.0)])
def test_a_static_net_weighs_losses_by_its_preference(
    preference: tuple[float, ...] | None,
    study: Study,
    steps: Mapping[str, Step],
    published: Runner,
    place: DataPlace,
) -> None:
    settings = changed(steps["shared"].config, {"preference": preference})
    random = Randomness(0, "shared")
    losses = first_losses(
        untrained(study, settings, random), study, random, place, batch_size=settings.batch_size
    )
    weights = torch.tensor(preference or (1 / 3, 1 / 3, 1 / 3))
    found = first_line(published(shared_step(settings, seed=0)))
    assert found["objective"] == pytest.approx(3 * (weights * losses).sum().item(), rel=1e-5)
    assert [found[f"loss/{task.name}"] for task in study.dataset.tasks] == pytest.approx(losses.tolist())


def test_no_preference_is_the_uniform_one(steps: Mapping[str, Step], published: Runner) -> None:
    spelled_out = changed(steps["shared"].config, {"preference": (1 / 3, 1 / 3, 1 / 3)})
    one, other = published(steps["shared"]), published(shared_step(spelled_out, seed=0))
    assert (one / WEIGHTS).read_bytes() == (other / WEIGHTS).read_bytes()


def test_a_head_that_is_not_preferred_stays_as_it_was(
    study: Study, steps: Mapping[str, Step], published: Runner
) -> None:
    settings = changed(steps["shared"].config, {"preference": (0.5, 0.5, 0.0)})
    found = load_file(published(shared_step(settings, seed=0)) / WEIGHTS)
    start = untrained(study, settings, Randomness(0, "shared")).state_dict()
    assert torch.equal(found["heads.2.linear.weight"], start["heads.2.linear.weight"])
    assert not torch.equal(found["heads.1.linear.weight"], start["heads.1.linear.weight"])


def test_static_nets_of_all_preferences_start_equal_and_see_the_same_batches(
    study: Study, steps: Mapping[str, Step], published: Runner
) -> None:
    lines = [
        first_line(published(shared_step(changed(steps["shared"].config, {"preference": given}), seed=0)))
        for given in ((0.5, 0.5, 0.0), (0.0, 0.0, 1.0))
    ]
    for task in study.dataset.tasks:
        assert lines[0][f"loss/{task.name}"] == lines[1][f"loss/{task.name}"]


def test_a_net_that_was_read_is_the_frozen_one_that_was_published(
    steps: Mapping[str, Step], context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    net = load_shared(steps["shared"], context_of(steps["frozen_phn_bn"], tmp_path))
    saved = load_file(published(steps["shared"]) / WEIGHTS)
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert net.num_streams == 1
    assert all(torch.equal(saved[name], tensor) for name, tensor in net.state_dict().items())


def test_phn_bn_starts_as_its_unadapted_backbone(
    study: Study, steps: Mapping[str, Step], published: Runner, place: DataPlace
) -> None:
    step, random = steps["phn_bn"], Randomness(0, "phn_bn")
    net = untrained(study, step.config, random)
    losses = first_losses(net, study, random, place, batch_size=4)
    preference, _ = draw_preferences(2, num_tasks=3, concentration=0.2, rng=random.numpy("preferences", 0))
    found = first_line(published(step))
    assert found["objective"] == pytest.approx((preference @ losses).mean().item(), rel=1e-5)


def test_joint_training_trains_convolutions_and_hypernet(
    study: Study, steps: Mapping[str, Step], published: Runner
) -> None:
    folder = published(steps["phn_bn"])
    found, hypernet = load_file(folder / WEIGHTS), load_file(folder / HYPERNET)
    start = untrained(study, steps["phn_bn"].config, Randomness(0, "phn_bn"))
    assert all(not torch.equal(found[name], parameter) for name, parameter in start.named_parameters())
    assert hypernet["heads.weight"].any()


def test_frozen_convolutions_are_those_of_the_static_net(
    steps: Mapping[str, Step], published: Runner
) -> None:
    folder = published(steps["frozen_phn_bn"])
    found, given = load_file(folder / WEIGHTS), load_file(published(steps["shared"]) / WEIGHTS)
    assert all(torch.equal(found[name], tensor) for name, tensor in given.items())
    assert load_file(folder / HYPERNET)["heads.weight"].any()


def test_the_hypernet_ignores_the_resource_preference(
    steps: Mapping[str, Step],
    study_of: Callable[[str], Study],
    context_of: MakeContext,
    tmp_path: Path,
) -> None:
    context = context_of(study_of("phn_bn").evaluation_step(0), tmp_path)
    net = load_shared(steps["phn_bn"], context, "phn_bn")
    hypernet = load_phn_bn_hypernet(net, steps["phn_bn"], context)
    preference = torch.tensor([[0.2, 0.3, 0.5]])
    at_zero, at_one = (hypernet(preference, torch.tensor([c])).scale_PD for c in (0.0, 1.0))
    assert at_zero.any()
    assert torch.equal(at_zero, at_one)
    assert not any(parameter.requires_grad for parameter in hypernet.parameters())


def test_frozen_convolutions_need_a_static_net(steps: Mapping[str, Step]) -> None:
    with pytest.raises(SpecError, match="convolutions='frozen' needs a static net"):
        phn_bn_step(steps["frozen_phn_bn"].config, shared=None, seed=0)
    with pytest.raises(SpecError, match="'joint' takes none"):
        phn_bn_step(steps["phn_bn"].config, shared=steps["shared"], seed=0)


@pytest.mark.parametrize("name", ["shared", "phn_bn", "frozen_phn_bn"])
def test_a_missing_target_is_named(
    name: str,
    steps: Mapping[str, Step],
    context_of: MakeContext,
    lose_target: Callable[..., None],
    tmp_path: Path,
) -> None:
    context = context_of(steps[name], tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        steps[name].run(steps[name], context)


@pytest.mark.parametrize(
    "preference", [(0.5, 0.5), (0.5, 0.6, 0.1), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5), ()], ids=str
)
def test_a_preference_that_is_none_is_refused(
    preference: tuple[float, ...], steps: Mapping[str, Step]
) -> None:
    with pytest.raises(SpecError, match=r"SharedConfig\.preference is .*; expected None or 3 numbers >= 0"):
        changed(steps["shared"].config, {"preference": preference})


@pytest.mark.parametrize(
    "wrong", [{"preferences_per_step": 0}, {"batch_size": 1}, {"concentration": 0.0}], ids=str
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], study: Study) -> None:
    good: dict[str, Any] = {
        "dataset": study.dataset,
        "backbone": SmallBackbone(),
        "optimisation": Optimisation(num_steps=1),
    }
    with pytest.raises(SpecError, match=rf"PHNBNConfig\.{next(iter(wrong))}"):
        PHNBNConfig(**good | wrong)
    if "batch_size" in wrong:
        with pytest.raises(SpecError, match=r"SharedConfig\.batch_size"):
            SharedConfig(**good | wrong)
