"""Normalisation of several preferences side by side, against torch's own and against separate calls."""

import copy
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from dymu.networks.initialise import build
from dymu.networks.norm import Node, Norm, NormCall, NormMode, convolve, resize

CHANNELS, PREFERENCES = 3, 4
MODES: list[NormMode] = ["batch", "running"]


def features(size_P: int = PREFERENCES, *, seed: int = 0, batch: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 + 3 * torch.randn(batch, size_P, CHANNELS, 4, 5, generator=generator, dtype=torch.float64)


def perturbation(rows: int = PREFERENCES, *, seed: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, CHANNELS, generator=generator, dtype=torch.float64)


@pytest.fixture
def norm() -> Norm:
    """A normalisation whose every number is its own."""
    norm = build(lambda: Norm(CHANNELS), torch.Generator()).double()
    assert norm.weight is not None
    assert norm.bias is not None
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        norm.bias.copy_(torch.tensor([-1.0, 0.0, 3.0]))
        norm.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
        norm.running_var.copy_(torch.tensor([1.0, 4.0, 9.0]))
    return norm


@pytest.fixture
def reference(norm: Norm) -> nn.BatchNorm2d:
    """Torch's normalisation with the same numbers."""
    peer = nn.BatchNorm2d(CHANNELS).double()
    state = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    peer.load_state_dict(state | {"num_batches_tracked": torch.tensor(0)})
    return peer


def test_batch_statistics_are_those_of_torch(norm: Norm, reference: nn.BatchNorm2d) -> None:
    inputs = features(1)
    expected = reference.train()(inputs.squeeze(1))
    torch.testing.assert_close(norm(inputs, NormCall("batch")).squeeze(1), expected)


def test_running_statistics_are_those_of_torch(norm: Norm, reference: nn.BatchNorm2d) -> None:
    inputs = features(1)
    torch.testing.assert_close(
        norm(inputs, NormCall("running")).squeeze(1), reference.eval()(inputs.squeeze(1))
    )


def test_training_updates_running_statistics_as_torch_does(norm: Norm, reference: nn.BatchNorm2d) -> None:
    reference.train()
    for seed in range(3):
        inputs = features(1, seed=seed)
        torch.testing.assert_close(norm(inputs, NormCall("train")).squeeze(1), reference(inputs.squeeze(1)))
    assert torch.equal(norm.running_mean, reference.running_mean)  # type: ignore[arg-type]
    assert torch.equal(norm.running_var, reference.running_var)  # type: ignore[arg-type]


def test_training_side_by_side_moves_the_running_statistics_by_the_mean(norm: Norm) -> None:
    inputs, alone = features(2), []
    for part in inputs.split(1, dim=1):
        one = copy.deepcopy(norm)
        one(part, NormCall("train"))
        alone.append(one)
    found = norm(inputs, NormCall("train"))
    for name in ("running_mean", "running_var"):
        expected = torch.stack([getattr(one, name) for one in alone]).mean(dim=0)
        torch.testing.assert_close(getattr(norm, name), expected)
    torch.testing.assert_close(found, norm(inputs, NormCall("batch")))


@pytest.mark.parametrize("mode", ["batch", "running", "collect"])
def test_only_training_touches_running_statistics(norm: Norm, mode: NormMode) -> None:
    before = (norm.running_mean.clone(), norm.running_var.clone())
    norm(features(), NormCall(mode))
    assert torch.equal(norm.running_mean, before[0])
    assert torch.equal(norm.running_var, before[1])


@pytest.mark.parametrize("mode", MODES)
def test_preferences_side_by_side_equal_separate_calls(norm: Norm, mode: NormMode) -> None:
    inputs, scale, shift = features(), perturbation(), perturbation(seed=10)
    together = norm(inputs, NormCall(mode, scale, shift))
    for p in range(PREFERENCES):
        alone = norm(inputs[:, p : p + 1], NormCall(mode, scale[p : p + 1], shift[p : p + 1]))
        torch.testing.assert_close(together[:, p : p + 1], alone)


@pytest.mark.parametrize("which", ["scale", "shift"])
def test_a_perturbation_changes_its_own_preference_only(norm: Norm, which: Literal["scale", "shift"]) -> None:
    inputs, zero = features(), torch.zeros(PREFERENCES, CHANNELS, dtype=torch.float64)
    touched = zero.clone()
    touched[2] = 0.7
    call = NormCall("batch", touched, zero) if which == "scale" else NormCall("batch", zero, touched)
    plain, out = norm(inputs, NormCall("batch")), norm(inputs, call)
    others = [p for p in range(PREFERENCES) if p != 2]
    assert torch.equal(out[:, others], plain[:, others])
    assert not torch.isclose(out[:, 2], plain[:, 2]).any()


def test_perturbations_are_added_to_scale_and_shift(norm: Norm) -> None:
    inputs, scale, shift = features(1), perturbation(1), perturbation(1, seed=10)
    assert norm.weight is not None
    assert norm.bias is not None
    unit = (norm(inputs, NormCall("batch")) - norm.bias.view(-1, 1, 1)) / norm.weight.view(-1, 1, 1)
    expected = unit * (norm.weight + scale[0]).view(-1, 1, 1) + (norm.bias + shift[0]).view(-1, 1, 1)
    torch.testing.assert_close(norm(inputs, NormCall("batch", scale, shift)), expected)


def test_a_normalisation_reads_its_own_channels_of_the_perturbation(norm: Norm) -> None:
    inputs, mine = features(1), perturbation(1)
    norm.offset = 2
    others = torch.full((1, 2), torch.nan, dtype=torch.float64)
    wide = torch.cat([others, mine, others], dim=1)
    out = norm(inputs, NormCall("batch", wide, torch.zeros_like(wide)))
    norm.offset = 0
    torch.testing.assert_close(out, norm(inputs, NormCall("batch", mine, torch.zeros_like(mine))))


def test_without_scale_and_shift_there_is_nothing_to_perturb() -> None:
    plain = build(lambda: Norm(CHANNELS, affine=False), torch.Generator()).double()
    inputs = features()
    out = plain(inputs, NormCall("batch", perturbation(), perturbation()))
    assert torch.equal(out, plain(inputs, NormCall("batch")))
    torch.testing.assert_close(out.mean(dim=(0, 3, 4)), torch.zeros(PREFERENCES, CHANNELS).double())
    assert list(plain.parameters()) == []


def test_collecting_normalises_as_batch_statistics_do(norm: Norm) -> None:
    inputs = features()
    assert torch.equal(norm(inputs, NormCall("collect")), norm(inputs, NormCall("batch")))


def test_replay_of_one_batch_is_that_batch_with_unbiased_variance(norm: Norm) -> None:
    inputs, other = features(), features(seed=1)
    collecting = NormCall("collect")
    norm(inputs, collecting)
    out = norm(other, NormCall("replay", memory=collecting.memory))
    mean = inputs.mean(dim=(0, 3, 4), keepdim=True)
    variance = inputs.var(dim=(0, 3, 4), keepdim=True, correction=1)
    assert norm.weight is not None
    assert norm.bias is not None
    weight, bias = norm.weight.view(-1, 1, 1), norm.bias.view(-1, 1, 1)
    torch.testing.assert_close(out, (other - mean) / (variance + norm.eps).sqrt() * weight + bias)


def test_replay_uses_the_mean_of_the_collected_statistics(norm: Norm) -> None:
    batches = [features(seed=seed) for seed in range(3)]
    collecting = NormCall("collect")
    for batch in batches:
        norm(batch, collecting)
    moments = collecting.memory[0]
    assert moments.count == 3
    means = torch.stack([batch.mean(dim=(0, 3, 4)).flatten() for batch in batches])
    variances = torch.stack([batch.var(dim=(0, 3, 4), correction=1).flatten() for batch in batches])
    torch.testing.assert_close(moments.mean_sum / moments.count, means.mean(dim=0))
    torch.testing.assert_close(moments.variance_sum / moments.count, variances.mean(dim=0))


def test_a_memory_holds_no_gradient(norm: Norm) -> None:
    collecting = NormCall("collect")
    norm(features().requires_grad_(), collecting)
    assert not collecting.memory[0].mean_sum.requires_grad
    assert not collecting.memory[0].variance_sum.requires_grad


class TwoNorms(Node):
    """One affine normalisation, one that is not, and one more affine one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.plain, self.last = Norm(2), Norm(5, affine=False), Norm(3)
        self.conv = nn.Conv2d(2, 3, 1)
        self.number_norms()


@pytest.fixture
def node() -> Node:
    return build(TwoNorms, torch.Generator())


def test_norms_of_a_node_have_positions_and_channel_offsets(node: Node) -> None:
    assert [(norm.position, norm.offset) for norm in node.norms()] == [(0, 0), (1, 2), (2, 2)]


def test_modulated_channels_are_the_affine_ones(node: Node) -> None:
    assert node.num_modulated() == 2 + 3


def test_parameters_of_a_node_are_counted(node: Node) -> None:
    assert node.num_parameters() == 2 * 2 + 2 * 3 + (2 * 3 + 3)


def test_a_convolution_sees_every_preference_alone() -> None:
    conv = build(lambda: nn.Conv2d(CHANNELS, 2, 3), torch.Generator()).double()
    inputs = features()
    together = convolve(conv, inputs)
    for p in range(PREFERENCES):
        torch.testing.assert_close(together[:, p], conv(inputs[:, p]))


def test_resizing_is_torchs_bilinear_one() -> None:
    inputs = features()
    expected = nn.functional.interpolate(inputs[:, 1], size=(7, 9), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize(inputs, (7, 9))[:, 1], expected)


def test_resizing_to_the_same_size_does_nothing() -> None:
    inputs = features()
    assert resize(inputs, (4, 5)) is inputs


@pytest.mark.parametrize("make_call", [lambda: NormCall("batch"), lambda: NormCall("running")])
def test_gradients_agree_with_finite_differences(norm: Norm, make_call: Callable[[], NormCall]) -> None:
    norm.requires_grad_(False)
    scale = perturbation(2).requires_grad_()
    shift = perturbation(2, seed=3).requires_grad_()
    inputs = features(2, batch=2)[..., :2, :2].clone().requires_grad_()

    def run(inputs: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        call = make_call()
        call.scale_PD, call.shift_PD = scale, shift
        return norm(inputs, call)

    assert torch.autograd.gradcheck(run, (inputs, scale, shift))
