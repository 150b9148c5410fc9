from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dymu.data.examples import DataPlace, Examples
from dymu.data.rooms.layout import CLEARANCE
from dymu.data.rooms.raycast import pixel_rays
from dymu.data.rooms.surfaces import CLASSES
from dymu.data.scenes import HALF_VIEW, NEAR, Scenes, render
from dymu.data.splits import Split
from dymu.errors import SpecError

SMALL = Scenes(num_train=70, num_val=20, num_test=30, size=16)
# Content of SMALL, which other processes generate as well. If it changes, every result on scenes was measured
# on other data: add a field `generation` to Scenes, so that all addresses move, and say so in the changelog.
SMALL_DIGEST = "9db2d95acfe170ab"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """A hundred pictures at the default size."""
    place = DataPlace(cache_dir=tmp_path_factory.mktemp("large"))
    return Scenes(num_train=100, num_val=1, num_test=1).load(Split.TRAIN, place)


def angles(one: Tensor, other: Tensor) -> Tensor:
    """Degrees between vectors (B, 3, ...)."""
    cosine = functional.cosine_similarity(one.double(), other.double(), dim=1)
    return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))


@pytest.mark.parametrize("size", [8, 33])
def test_shapes_follow_the_config(place: DataPlace, size: int) -> None:
    dataset = Scenes(num_train=3, num_val=2, num_test=1, size=size)
    for split, count in zip(Split, (3, 2, 1), strict=True):
        examples = dataset.load(split, place)
        assert examples.images.shape == (count, *dataset.input_shape) == (count, 3, size, size)
        assert examples.targets["segmentation"].shape == (count, size, size)
        assert examples.targets["normals"].shape == (count, 3, size, size)
        assert examples.targets["depth"].shape == (count, 1, size, size)


def test_types_are_those_of_the_task_kinds(large: Examples) -> None:
    types = {name: target.dtype for name, target in large.targets.items()}
    assert types == {"segmentation": torch.int64, "normals": torch.float32, "depth": torch.float32}
    assert [task.kind for task in SMALL.tasks] == ["segmentation", "normals", "depth"]


def test_all_classes_occur_and_no_other(large: Examples) -> None:
    counts = torch.bincount(large.targets["segmentation"].flatten())
    assert len(counts) == len(CLASSES) == SMALL.tasks[0].num_outputs
    assert (counts > 0.01 * counts.sum()).all()


def test_normals_have_unit_length(large: Examples) -> None:
    torch.testing.assert_close(
        large.targets["normals"].norm(dim=1), torch.ones(100, 32, 32), atol=1e-4, rtol=0
    )


def test_normals_face_the_camera(large: Examples) -> None:
    rays = torch.from_numpy(pixel_rays(32, HALF_VIEW)).reshape(3, 32, 32)
    assert ((large.targets["normals"] * rays).sum(dim=1) < 1e-3).all()


def test_depth_is_positive(large: Examples) -> None:
    assert large.targets["depth"].min() > 0


def test_nothing_can_be_nearer_than_near() -> None:
    longest_ray = np.sqrt(1 + 2 * HALF_VIEW**2)
    assert CLEARANCE / longest_ray > NEAR


def test_depth_spans_a_room(large: Examples) -> None:
    metres = NEAR * large.targets["depth"].exp()
    assert metres.max() < 10
    assert metres.quantile(0.95) > 2 * metres.quantile(0.05)


def test_normals_agree_with_differences_of_depth_on_planes(large: Examples) -> None:
    depth, normals = NEAR * large.targets["depth"].double().exp(), large.targets["normals"].double()
    points = depth * torch.from_numpy(pixel_rays(32, HALF_VIEW)).reshape(3, 32, 32)
    here, right, below = points[:, :, :-1, :-1], points[:, :, :-1, 1:], points[:, :, 1:, :-1]
    from_depth = torch.linalg.cross(below - here, right - here, dim=1)
    same = torch.ones_like(depth[:, 0, :-1, :-1], dtype=torch.bool)
    for target in (normals, large.targets["segmentation"][:, None]):
        corner = target[:, :, :-1, :-1]
        same &= (corner == target[:, :, :-1, 1:]).all(1) & (corner == target[:, :, 1:, :-1]).all(1)
    off = angles(from_depth, normals[:, :, :-1, :-1])[same]
    assert same.double().mean() > 0.5
    # Two parallel faces of one class, one behind the other, have equal normals but no common plane.
    assert (off < 0.1).double().mean() > 0.99


def test_floor_lies_low_and_looks_up(large: Examples) -> None:
    floor = large.targets["segmentation"] == CLASSES.index("floor")
    assert (large.targets["normals"][:, 1][floor] > 0.8).all()
    assert floor[:, 16:].sum() > 5 * floor[:, :16].sum()


def test_training_images_are_standardised_per_channel(place: DataPlace) -> None:
    images = SMALL.load(Split.TRAIN, place).images
    torch.testing.assert_close(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_no_room_is_in_two_splits(place: DataPlace) -> None:
    depths = torch.cat([SMALL.load(split, place).targets["depth"] for split in Split]).flatten(1)
    assert len(depths.unique(dim=0)) == len(depths) == 120


def test_content_is_the_same_in_other_processes(elsewhere: Any, place: DataPlace) -> None:
    here = SMALL.load(Split.TRAIN, place).digest
    assert [digests["Scenes"] for digests in elsewhere.digests] == [here, here]


def test_content_is_the_pinned_one(place: DataPlace) -> None:
    assert SMALL.load(Split.TRAIN, place).digest == SMALL_DIGEST


def test_another_seed_has_other_rooms() -> None:
    (first, _), (second, _) = (render(2, 8, np.random.default_rng(seed)) for seed in (0, 1))
    assert (first != second).any()


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_train", 0), ("num_val", 0), ("num_test", -3), ("size", 7), ("size", 257), ("seed", -1)],
)
def test_a_senseless_field_is_named(field: str, value: int) -> None:
    with pytest.raises(SpecError, match=rf"Scenes\.{field} is {value}; expected"):
        Scenes(**{field: value})


@pytest.mark.usefixtures("seeded")
def test_a_small_net_beats_what_is_known_about_each_pixel(place: DataPlace) -> None:
    """The rival knows how often each pixel has each class, and each pixel's mean normal and depth."""
    dataset = Scenes(num_train=600, num_val=150, num_test=1, size=16)
    train, val = dataset.load(Split.TRAIN, place), dataset.load(Split.VAL, place)
    rival = errors(_pixel_means(train).expand(150, -1, -1, -1), val)
    net = nn.Sequential(
        *(nn.Conv2d(3, 24, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(24, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=2, dilation=2), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=2, dilation=2), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 11, 3, padding=1)),
    )
    optimiser = torch.optim.Adam(net.parameters(), 4e-3)
    prior = _pixel_means(train)
    for _ in range(250):
        batch = train.batch(torch.randint(len(train), (32,)))
        optimiser.zero_grad()
        _loss(prior + net(batch.images), batch).backward()
        optimiser.step()
    with torch.no_grad():
        reached = errors(prior + net(val.images), val)
    assert reached["segmentation"] < 0.85 * rival["segmentation"], (reached, rival)
    assert reached["normals"] < 0.85 * rival["normals"], (reached, rival)
    assert reached["depth"] < 0.95 * rival["depth"], (reached, rival)


def _pixel_means(train: Examples) -> Tensor:
    """(1, 11, H, W): log frequencies of the classes, mean normal, mean depth."""
    classes = functional.one_hot(train.targets["segmentation"], len(CLASSES)).permute(0, 3, 1, 2).float()
    frequency = classes.mean(dim=0, keepdim=True).clamp(min=1e-3).log()
    others = [train.targets[name].mean(dim=0, keepdim=True) for name in ("normals", "depth")]
    return torch.cat([frequency, *others], dim=1)


def _loss(outputs: Tensor, batch: Examples) -> Tensor:
    logits, normals, depth = outputs.split([len(CLASSES), 3, 1], dim=1)
    segmentation = functional.cross_entropy(logits, batch.targets["segmentation"])
    off = (functional.normalize(normals, dim=1) - batch.targets["normals"]).abs().mean()
    return segmentation + 2 * off + 4 * (depth - batch.targets["depth"]).abs().mean()


def errors(outputs: Tensor, examples: Examples) -> dict[str, float]:
    """Share of wrong pixels, mean angle in degrees, root mean squared error of log-depth."""
    logits, normals, depth = outputs.split([len(CLASSES), 3, 1], dim=1)
    wrong = (logits.argmax(dim=1) != examples.targets["segmentation"]).double().mean().item()
    square = ((depth - examples.targets["depth"]) ** 2).mean().item()
    angle = angles(normals, examples.targets["normals"]).mean().item()
    return {"segmentation": wrong, "normals": angle, "depth": square**0.5}
