import pytest
import torch
from torch import Tensor

from dymu.data.crop_flip import CropFlip, Padding, Standardised, crop_flip, standardised
from dymu.errors import SpecError

PIXELS = Standardised(mean=(10.0, 20.0, 30.0), deviation=(2.0, 4.0, 5.0))


def pictures(count: int, channels: int = 3, height: int = 6, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, height, width)
    return torch.randint(1, 256, shape, dtype=torch.uint8, generator=generator)


def draws(count: int) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(1))


def as_loops(image_CHW: Tensor, draw: Tensor, pad: int, padding: Padding) -> Tensor:
    """Pad, cut a window out, mirror."""
    mode = "constant" if padding == "zero" else "reflect"
    padded = torch.nn.functional.pad(image_CHW.float()[None], (pad,) * 4, mode=mode)[0]
    top, left = (int(float(each) * (2 * pad + 1)) for each in draw[:2])
    height, width = image_CHW.shape[1:]
    window = padded[:, top : top + height, left : left + width]
    return window.flip(-1) if draw[2] < 0.5 else window


@pytest.mark.parametrize("padding", ["zero", "reflect"])
@pytest.mark.parametrize("pad", [0, 1, 4])
def test_it_is_pad_cut_and_mirror(padding: Padding, pad: int) -> None:
    images, draws_M3 = pictures(40), draws(40)
    fast = crop_flip(images, draws_M3, pad=pad, padding=padding)
    for image, draw, changed in zip(images, draws_M3, fast, strict=True):
        assert torch.equal(changed.float(), as_loops(image, draw, pad, padding))


def test_the_centre_without_mirroring_is_the_picture() -> None:
    images = pictures(2)
    middle = torch.tensor([[0.5, 0.5, 0.9]] * 2)
    assert torch.equal(crop_flip(images, middle, pad=4, padding="zero"), images)


def test_the_first_draw_moves_rows_and_the_second_columns() -> None:
    image = torch.zeros(1, 1, 6, 7)
    image[0, 0, 3, 3] = 1
    first_row = crop_flip(image, torch.tensor([[0.0, 0.5, 0.9]]), pad=2, padding="zero")
    last_column = crop_flip(image, torch.tensor([[0.5, 0.999, 0.9]]), pad=2, padding="zero")
    assert first_row[0, 0].nonzero().tolist() == [[5, 3]]
    assert last_column[0, 0].nonzero().tolist() == [[3, 1]]


def test_all_offsets_are_equally_likely() -> None:
    image = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    image[0, 0, 4, 4] = 1
    seen = crop_flip(image.expand(9000, -1, -1, -1), draws(9000), pad=1, padding="zero")
    counts = seen.sum(dim=0, dtype=torch.int64)[0, 3:6, 3:6]
    assert counts.sum() == 9000
    assert (counts - 1000).abs().max() < 120


def test_a_draw_next_to_one_stays_inside() -> None:
    image = pictures(1)
    almost = torch.full((1, 3), 1.0 - 2.0**-24)
    crop_flip(image, almost, pad=4, padding="zero")


def test_the_input_is_left_as_it_is() -> None:
    images = pictures(3)
    before = images.clone()
    CropFlip(pixels=PIXELS, padding="zero").augmented(images, {}, draws(3))
    CropFlip(pixels=PIXELS).plain(images, {})
    assert torch.equal(images, before)


def test_float_images_are_left_as_they_are() -> None:
    images = pictures(3).float()
    before = images.clone()
    PIXELS.plain(images, {})
    assert torch.equal(images, before)


def test_standardised_is_less_the_mean_over_the_deviation() -> None:
    image = torch.tensor([10, 24, 25], dtype=torch.uint8).reshape(1, 3, 1, 1)
    out = standardised(image, PIXELS.mean, PIXELS.deviation)
    assert out.dtype == torch.float32
    assert out.flatten().tolist() == [0, 1, -1]


def test_padding_is_black_before_it_is_standardised() -> None:
    images = torch.full((1, 3, 6, 7), 200, dtype=torch.uint8)
    out, _ = CropFlip(pixels=PIXELS).augmented(images, {}, torch.tensor([[0.0, 0.5, 0.9]]))
    assert out[0, :, 0, 0].tolist() == [-5, -5, -6]


def test_every_picture_of_a_joint_example_has_draws_of_its_own() -> None:
    images = pictures(4).reshape(2, 2, 3, 6, 7)
    draws_BK = draws(4).reshape(2, 6)
    preparation = CropFlip(pixels=PIXELS, num_inputs=2)
    joint, _ = preparation.augmented(images, {}, draws_BK)
    apart, _ = CropFlip(pixels=PIXELS).augmented(images.flatten(0, 1), {}, draws_BK.reshape(4, 3))
    assert preparation.num_draws == 6
    assert torch.equal(joint.flatten(0, 1), apart)


def test_targets_pass_unchanged() -> None:
    targets = {"left": torch.arange(3)}
    for preparation in (PIXELS, CropFlip(pixels=PIXELS)):
        assert preparation.plain(pictures(3), targets)[1] is targets
        assert preparation.augmented(pictures(3), targets, draws(3))[1] is targets


def test_standardised_is_never_augmented() -> None:
    assert PIXELS.num_draws == 0
    plain, augmented = PIXELS.plain(pictures(3), {}), PIXELS.augmented(pictures(3), {}, draws(3))
    assert torch.equal(plain[0], augmented[0])


@pytest.mark.gpu
@pytest.mark.parametrize("padding", ["zero", "reflect"])
def test_a_gpu_gives_the_same_bits(padding: Padding) -> None:
    preparation = CropFlip(pixels=PIXELS, padding=padding)
    here, _ = preparation.augmented(pictures(50), {}, draws(50))
    there, _ = preparation.augmented(pictures(50).cuda(), {}, draws(50).cuda())
    assert torch.equal(here, there.cpu())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mean": (), "deviation": ()}, "mean is .* a value per channel"),
        ({"mean": (1.0,), "deviation": (1.0, 2.0)}, "deviation is .* as mean has"),
        ({"mean": (1.0,), "deviation": (0.0,)}, "positive numbers"),
    ],
)
def test_pixels_without_sense_are_refused(fields: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Standardised(**fields)


def test_counts_without_sense_are_refused() -> None:
    with pytest.raises(SpecError, match="num_inputs"):
        CropFlip(pixels=PIXELS, num_inputs=0)
    with pytest.raises(SpecError, match="pad"):
        CropFlip(pixels=PIXELS, pad=-1)
