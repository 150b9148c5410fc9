from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from dymu.data.dense_preparation import (
    PAD_LEVEL,
    DensePreparation,
    decoded,
    interpolated,
    nearest,
    normalised,
)
from dymu.data.dense_stored import NORMAL_UNIT, SIZES
from dymu.spec.task import IGNORED_CLASS, TaskKind

KINDS: Mapping[str, TaskKind] = {
    "segmentation": "segmentation",
    "normals": "normals",
    "depth": "depth",
    "saliency": "saliency",
}
HEIGHT, WIDTH = 12, 20
Stored = tuple[Tensor, dict[str, Tensor]]
Prepared = tuple[Tensor, Mapping[str, Tensor]]


def preparation(scales: tuple[float, ...] = (1.0,), *, flip: bool = True) -> DensePreparation:
    return DensePreparation(kinds=KINDS, scales=scales, flip=flip, normalisation="symmetric")


def stored(count: int = 4) -> Stored:
    generator = torch.Generator().manual_seed(0)
    vectors = torch.randn(count, 3, HEIGHT, WIDTH, generator=generator)
    vectors /= vectors.norm(dim=1, keepdim=True)
    vectors[:, :, 0, 0] = 0
    depth = 1 + 9 * torch.rand(count, 1, HEIGHT, WIDTH, generator=generator)
    depth[:, :, 0, 1] = 0
    return torch.randint(0, 256, (count, 3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8), {
        "segmentation": torch.randint(0, 40, (count, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8),
        "normals": (vectors * NORMAL_UNIT).round().to(torch.int8),
        "depth": depth.half(),
        "saliency": torch.randint(0, 2, (count, 1, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8),
    }


def draws(count: int = 4, *, row: float = 0.0, column: float = 0.0, flip: bool = False) -> Tensor:
    return torch.tensor([0.0, row, column, 0.0 if flip else 0.9]).expand(count, 4)


def assert_equal(found: Prepared, expected: Prepared) -> None:
    # An interpolation at the centre of a pixel is off by the rounding of grid_sample's coordinates.
    torch.testing.assert_close(found[0], expected[0], atol=1e-4, rtol=0)
    for name in KINDS:
        assert torch.equal(found[1][name], expected[1][name]), name


def test_prepared_forms_are_those_of_the_task_kinds() -> None:
    images, targets = preparation().plain(*stored())
    assert images.shape == (4, 3, HEIGHT, WIDTH)
    assert images.dtype == torch.float32
    forms = {name: (target.dtype, tuple(target.shape[1:])) for name, target in targets.items()}
    assert forms == {
        "segmentation": (torch.int64, (HEIGHT, WIDTH)),
        "normals": (torch.float32, (3, HEIGHT, WIDTH)),
        "depth": (torch.float32, (1, HEIGHT, WIDTH)),
        "saliency": (torch.float32, (1, HEIGHT, WIDTH)),
    }


def test_neither_form_changes_what_is_stored() -> None:
    images, targets = stored()
    before = images.clone(), {name: target.clone() for name, target in targets.items()}
    preparation().plain(images, targets)
    preparation((0.5, 2.0)).augmented(images, targets, torch.full((4, 4), 0.3))
    assert torch.equal(images, before[0])
    for name, target in targets.items():
        assert torch.equal(target, before[1][name])


def test_draws_that_change_nothing_give_the_plain_form() -> None:
    assert_equal(preparation().augmented(*stored(), draws()), preparation().plain(*stored()))


def test_a_flip_mirrors_and_turns_the_first_component_of_normals() -> None:
    images, targets = preparation().plain(*stored())
    mirrored = {name: target.flip(-1) for name, target in targets.items()}
    mirrored["normals"] = mirrored["normals"] * torch.tensor([-1.0, 1.0, 1.0]).view(3, 1, 1)
    assert_equal(preparation().augmented(*stored(), draws(flip=True)), (images.flip(-1), mirrored))


def test_without_flip_no_draw_mirrors() -> None:
    found = preparation(flip=False).augmented(*stored(), draws(flip=True))
    assert_equal(found, preparation().plain(*stored()))


def test_scale_two_shows_a_quarter_and_halves_depth() -> None:
    images, targets = stored()
    _, found = preparation((2.0,)).augmented(images, targets, draws(row=0.999, column=0.0))
    rows, columns = torch.arange(HEIGHT) // 2 + HEIGHT // 2, torch.arange(WIDTH) // 2
    expected = targets["segmentation"].long()[:, rows][:, :, columns]
    assert torch.equal(found["segmentation"], expected)
    depth = targets["depth"].float()[:, :, rows][..., columns]
    torch.testing.assert_close(found["depth"], depth / 2)


def test_images_are_interpolated_as_torch_resizes_them() -> None:
    images, targets = stored()
    found, _ = preparation((2.0,), flip=False).augmented(images, targets, draws())
    resized = torch.nn.functional.interpolate(
        images.float(), scale_factor=2, mode="bilinear", align_corners=False
    )
    expected = normalised(resized[..., :HEIGHT, :WIDTH], "symmetric")
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("place", "offset"), [(0.0, 0), (0.999, 1)])
def test_a_smaller_picture_is_padded_at_a_random_place(place: float, offset: int) -> None:
    found, targets = preparation((0.5,)).augmented(*stored(), draws(row=place, column=place))
    top, left = offset * HEIGHT // 2, offset * WIDTH // 2
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[top : top + HEIGHT // 2, left : left + WIDTH // 2] = True
    assert (found[..., ~inside] == 0).all()
    assert (targets["segmentation"][:, ~inside] == IGNORED_CLASS).all()
    assert (targets["segmentation"][:, inside] != IGNORED_CLASS).all()
    assert (targets["saliency"][..., ~inside] == IGNORED_CLASS).all()
    assert (targets["normals"][..., ~inside] == 0).all()
    assert (targets["depth"][..., ~inside] == 0).all()


def test_normals_keep_unit_length_or_are_unknown() -> None:
    generator = torch.Generator().manual_seed(3)
    _, targets = preparation((0.5, 1.0, 1.5)).augmented(*stored(), torch.rand(4, 4, generator=generator))
    length = targets["normals"].norm(dim=1)
    torch.testing.assert_close(length[length > 0], torch.ones(int((length > 0).sum())))


def test_a_draw_of_one_example_does_not_touch_another() -> None:
    generator = torch.Generator().manual_seed(1)
    batch = torch.rand(4, 4, generator=generator)
    together = preparation((0.5, 1.0, 2.0)).augmented(*stored(), batch)
    images, targets = stored()
    alone = preparation((0.5, 1.0, 2.0)).augmented(
        images[2:3], {name: target[2:3] for name, target in targets.items()}, batch[2:3]
    )
    torch.testing.assert_close(together[0][2:3], alone[0])
    for name in KINDS:
        assert torch.equal(together[1][name][2:3], alone[1][name])


def test_all_scales_are_equally_likely_and_both_ends_of_the_room_are_reached() -> None:
    generator = torch.Generator().manual_seed(2)
    sizes = torch.tensor((HEIGHT, WIDTH)).expand(6000, 2)
    window = preparation((1.0, 1.5, 2.0)).window(
        sizes, (HEIGHT, WIDTH), torch.rand(6000, 4, generator=generator)
    )
    for scale in (1.0, 1.5, 2.0):
        chosen = window.scale_B == scale
        assert abs(float(chosen.float().mean()) - 1 / 3) < 0.03
        room = round(HEIGHT * scale) - HEIGHT
        rows = window.start_B2[chosen, 0]
        assert (int(rows.min()), int(rows.max())) == (0, room)
    assert abs(float(window.flip_B.float().mean()) - 0.5) < 0.03


def test_draws_at_the_end_of_their_range_stay_inside() -> None:
    last = torch.full((4, 4), 1 - 2**-24)
    window = preparation((1.0, 2.0)).window(torch.tensor((HEIGHT, WIDTH)).expand(4, 2), (HEIGHT, WIDTH), last)
    assert (window.scale_B == 2).all()
    assert window.start_B2.tolist() == [[HEIGHT, WIDTH]] * 4


def test_the_padding_of_a_smaller_stored_picture_is_never_seen() -> None:
    images, targets = stored(2)
    images[:, :, 8:], images[..., 10:] = 255, 255
    targets[SIZES] = torch.tensor([[8, 10], [8, 10]])
    plain, _ = preparation().plain(images, targets)
    inside = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    inside[:8, :10] = True
    assert (plain[..., ~inside] == 0).all()
    targets["segmentation"].fill_(IGNORED_CLASS)[:, :8, :10] = 3
    images.fill_(0)[:, :, :8, :10] = 255
    found, labels = preparation((1.3,)).augmented(images, targets, draws(2, row=0.5, column=0.5))
    assert (((found - 1).abs() < 1e-6) | (found == 0)).all()
    # 8 x 10 at scale 1.3 are 10 x 13 pixels, all of them in the window.
    assert int((labels["segmentation"][0] == 3).sum()) == 130
    assert torch.equal(labels["segmentation"][0] == 3, found[0, 0] > 0.5)


def test_there_is_nothing_to_draw_without_augmentation() -> None:
    assert preparation((1.0,), flip=False).num_draws == 0
    assert preparation((1.0,), flip=True).num_draws == preparation((1.0, 1.2), flip=False).num_draws == 4


def test_normalisation_of_imagenet() -> None:
    pixels = torch.tensor((123.675, 116.28, 103.53)).view(1, 3, 1, 1)
    torch.testing.assert_close(normalised(pixels, "imagenet"), torch.zeros(1, 3, 1, 1), atol=1e-6, rtol=0)
    black = normalised(torch.zeros(1, 3, 1, 1), "imagenet").flatten()
    torch.testing.assert_close(black, torch.tensor((-2.117904, -2.035714, -1.804444)))


def test_symmetric_normalisation_goes_from_minus_one_to_one() -> None:
    pixels = torch.tensor([0.0, PAD_LEVEL, 255.0]).view(1, 1, 1, 3).expand(1, 3, 1, 3)
    torch.testing.assert_close(normalised(pixels, "symmetric")[0, 0, 0], torch.tensor([-1.0, 0.0, 1.0]))


def test_unknown_pixels_of_binary_maps_stay_unknown() -> None:
    assert decoded("edges", torch.tensor([[[[0, 1, 255]]]], dtype=torch.uint8)).tolist() == [[[[0, 1, 255]]]]


def test_positions_count_from_the_edge_of_the_first_pixel() -> None:
    row = torch.arange(4, dtype=torch.uint8).view(1, 1, 1, 4).expand(1, 3, 2, 4)
    rows, columns = torch.tensor([[0.5, 1.5]]), torch.tensor([[0.5, 1.0, 1.9, 3.5]])
    assert nearest(row, rows, columns)[0, 0, 0].tolist() == [0, 1, 1, 3]
    torch.testing.assert_close(
        interpolated(row, rows, columns)[0, 0, 0], torch.tensor([0.0, 0.5, 1.4, 3.0]), atol=1e-5, rtol=0
    )
