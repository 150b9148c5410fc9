"""R-ASPP and the separable decoder: sizes, counts, what they read, and what is refused."""

from typing import Any

import pytest
import torch

from dymu.errors import SpecError, TrainingError
from dymu.networks.backbones.deeplab import ReducedAspp, SeparableDecoder, dense_head
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.initialise import build
from dymu.networks.norm import NormCall
from dymu.spec.task import Task


def features(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def make_aspp(channels: int = 5, *, final_affine: bool = True) -> ReducedAspp:
    return build(
        lambda: ReducedAspp((6, 3, 4), channels, activation="relu", final_affine=final_affine),
        torch.Generator().manual_seed(0),
    )


def make_decoder(num_outputs: int = 2) -> SeparableDecoder:
    return build(
        lambda: SeparableDecoder(
            (8, 3, 4), (6, 6, 8), num_outputs=num_outputs, size=(21, 30), activation="relu"
        ),
        torch.Generator().manual_seed(0),
    )


@pytest.mark.parametrize(
    ("in_channels", "final_affine", "parameters"),
    [(320, True, 115_456), (320, False, 115_200), (512, True, 164_608)],
)
def test_parameters_of_r_aspp(in_channels: int, final_affine: bool, parameters: int) -> None:
    with torch.device("meta"):
        made = ReducedAspp((in_channels, 2, 2), 128, activation="relu", final_affine=final_affine)
    assert made.num_parameters() == parameters


@pytest.mark.parametrize(("low", "parameters"), [(24, 44_016), (64, 45_936)])
def test_parameters_of_the_decoder(low: int, parameters: int) -> None:
    with torch.device("meta"):
        made = SeparableDecoder((128, 2, 2), (low, 4, 4), num_outputs=7, size=(16, 16), activation="relu")
    assert made.num_parameters() == parameters + 129 * 7
    assert made.num_modulated() == 608


def test_r_aspp_sees_the_whole_image_at_every_pixel() -> None:
    made = make_aspp()
    inputs = features(2, 3, 6, 3, 4).requires_grad_()
    out = made(inputs, NormCall("running"))
    assert out.shape == (2, 3, *made.out_shape)
    out[0, 0, :, 0, 0].sum().backward()
    assert inputs.grad is not None
    assert inputs.grad[0, 0].abs().sum(dim=0).min() > 0
    assert not inputs.grad[1].any()
    assert not inputs.grad[0, 1].any()


@pytest.mark.parametrize("mode", ["train", "batch", "collect"])
def test_one_image_has_no_batch_statistics_of_its_mean(mode: Any) -> None:
    with pytest.raises(TrainingError, match=r"a batch of one image has no .* use a batch size"):
        make_aspp()(features(1, 1, 6, 3, 4), NormCall(mode))


def test_one_image_passes_with_stored_statistics() -> None:
    assert make_aspp()(features(1, 1, 6, 3, 4), NormCall("running")).isfinite().all()


def test_the_decoder_reads_features_and_skip_of_each_preference() -> None:
    made = make_decoder()
    inputs, skip = features(2, 3, 8, 3, 4).requires_grad_(), features(2, 1, 6, 6, 8).requires_grad_()
    out = made(inputs, skip, NormCall())
    assert out.shape == (2, 3, 2, 21, 30)
    out[:, 1].square().sum().backward()
    assert inputs.grad is not None
    assert skip.grad is not None
    assert skip.grad.any()
    assert inputs.grad[:, 1].any()
    assert not inputs.grad[:, 0].any()


@pytest.mark.parametrize("num_outputs", [1, 40])
def test_predictions_start_near_zero(num_outputs: int) -> None:
    out = make_decoder(num_outputs)(features(4, 1, 8, 3, 4), features(4, 1, 6, 6, 8), NormCall())
    assert 0 < out.std() < 0.2


def test_a_classification_is_refused() -> None:
    fruit = Task(name="fruit", kind="classification", num_outputs=5)
    with pytest.raises(SpecError, match=r"MobileNetV2 has dense heads .* 'fruit' .* use ResNet9"):
        dense_head(MobileNetV2(), fruit, (128, 2, 2), (24, 4, 4), (3, 16, 16), activation="relu6")
