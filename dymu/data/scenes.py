"""Furnished rooms with semantic classes, surface normals and depth: the task trio of NYU-v2, exactly known.

A camera stands in a box-shaped room with furniture boxes, globes, a door and pictures. Rays are cast through
the pixel centres, so depth and normals are those of the surfaces themselves and no target is unknown.
"""

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.config import check, config
from dymu.data.cache import IMAGES, Arrays, load_generated
from dymu.data.examples import DataPlace, Examples
from dymu.data.pixels import channel_statistics, rounded, standardised
from dymu.data.rooms.layout import draw_rooms
from dymu.data.rooms.raycast import camera_rays, first_hits, surface_normals
from dymu.data.rooms.surfaces import CLASSES, photographed, surface_classes
from dymu.data.splits import Split
from dymu.spec.task import Task

# Tangent of half the camera's angle of view; one camera for all pictures, so that depth can be told.
HALF_VIEW = 0.7

# Depth targets are the logarithm of the depth over this, in metres; nothing is nearer, so they are positive.
NEAR = 0.5

_ROOMS_AT_ONCE = 64


@config
class Scenes:
    """Ray-cast rooms.

    Targets: ``segmentation`` has the classes of :data:`~dymu.data.rooms.surfaces.CLASSES`; ``normals`` are
    unit vectors in the camera's frame (x right, y up, z towards the camera); ``depth`` is
    log(depth / NEAR) of the depth along the optical axis, so that its error is that of the usual log-depth.
    Images are standardised per channel with the training split. The loss weights bring the scaled losses
    of single-task networks to one scale.

    Attributes:
        num_train: Training pictures.
        num_val: Validation pictures.
        num_test: Test pictures.
        size: Height and width in pixels.
        seed: Chooses the rooms.
    """

    num_train: int = 1500
    num_val: int = 300
    num_test: int = 300
    size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for field in ("num_train", "num_val", "num_test"):
            check(getattr(self, field) > 0, self, field, "a positive number of pictures")
        check(8 <= self.size <= 256, self, "size", "between 8 and 256 pixels")
        check(self.seed >= 0, self, "seed", "a number that is not negative")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Semantic segmentation, surface normals, depth."""
        return (
            Task(name="segmentation", kind="segmentation", num_outputs=len(CLASSES), loss_weight=1.0),
            Task(name="normals", kind="normals", num_outputs=3, loss_weight=2.0),
            Task(name="depth", kind="depth", num_outputs=1, loss_weight=4.0),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Three channels, height, width."""
        return 3, self.size, self.size

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Examples of one split; see :func:`~dymu.data.cache.load_generated` for what it raises."""
        return load_generated(self, split, place, generate=self._generate)

    def _generate(self) -> dict[Split, Arrays]:
        counts = {Split.TRAIN: self.num_train, Split.VAL: self.num_val, Split.TEST: self.num_test}
        rendered = {split: self._render(count, index) for index, (split, count) in enumerate(counts.items())}
        mean, deviation = channel_statistics(rendered[Split.TRAIN][0])
        return {
            split: {IMAGES: standardised(images, mean=mean, deviation=deviation), **targets}
            for split, (images, targets) in rendered.items()
        }

    def _render(self, count: int, split_index: int) -> tuple[NDArray[np.uint8], Arrays]:
        parts = [
            render(
                min(_ROOMS_AT_ONCE, count - start),
                self.size,
                np.random.default_rng([self.seed, split_index, start]),
            )
            for start in range(0, count, _ROOMS_AT_ONCE)
        ]
        images = np.concatenate([images for images, _ in parts])
        names = parts[0][1]
        return images, {name: np.concatenate([targets[name] for _, targets in parts]) for name in names}


def render(count: int, size: int, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Arrays]:
    """Draw rooms and take their pictures: 8-bit images (count, 3, size, size) and targets by task."""
    rooms = draw_rooms(count, rng)
    direction_XRQ = camera_rays(rooms, size, HALF_VIEW)
    camera_XR1 = rooms.camera_XR[:, :, None]
    hits = first_hits(rooms, camera_XR1, direction_XRQ)
    point_XRQ = camera_XR1 + hits.distance_RQ * direction_XRQ
    normal_XRQ = surface_normals(rooms, hits, point_XRQ, direction_XRQ)
    class_RQ, paint_RQ = surface_classes(rooms, hits, point_XRQ)
    images_R3Q = photographed(rooms, point_XRQ, normal_XRQ, paint_RQ, rng=rng)
    in_camera_RXQ = np.einsum("xyr,xrq->ryq", rooms.axes_XXR, normal_XRQ)
    return images_R3Q.reshape(count, 3, size, size), {
        "segmentation": class_RQ.reshape(count, size, size),
        "normals": rounded(in_camera_RXQ).reshape(count, 3, size, size),
        "depth": rounded(np.log(hits.distance_RQ / NEAR)).reshape(count, 1, size, size),
    }
