"""From stored pictures and label maps to network input: scale, crop, flip, normalise.

:mod:`~dymu.data.dense_stored` says how they are stored. Everything prepared is (H, W) again.

The augmentations are those of Vandenhende et al. (NYU-v2) and of Bruggemann et al. (PASCAL-Context): one
scale of a list, a window of (H, W) at a random place of the scaled picture, a flip. Depth is divided by the
scale, because a scaled picture shows things nearer, and the first component of normals changes its sign in a
flip. Images are interpolated bilinearly, everything else takes the nearest pixel.

Letters: B examples, K draws of each, H and W height and width of pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from dymu.data.dense_stored import SIZES
from dymu.spec.task import IGNORED_CLASS, TaskKind

# How channels in 0..255 are brought to the range of networks.
#   imagenet:  less the mean of ImageNet, in units of its deviation, per channel
#   symmetric: -1 to 1
Normalisation = Literal["imagenet", "symmetric"]

# Between black and white, so padding is zero after either normalisation, or nearly.
PAD_LEVEL = 127.5

_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Window(NamedTuple):
    """Which part of each scaled picture becomes network input.

    Attributes:
        scale_B: Factor that height and width are multiplied with, float64.
        scaled_B2: Height and width after scaling, whole numbers.
        start_B2: Row and column of the scaled picture where the window begins; negative if the picture is
            smaller than the window.
        flip_B: Whether the window is mirrored.
    """

    scale_B: Tensor
    scaled_B2: Tensor
    start_B2: Tensor
    flip_B: Tensor


@dataclass(frozen=True, kw_only=True)
class DensePreparation:
    """Preparation of pictures with dense targets; see :mod:`~dymu.data.dense_stored`.

    Attributes:
        kinds: Kind of each task, by name.
        scales: Scales that the augmentation chooses from, all equally likely.
        flip: Whether the augmentation mirrors every other picture.
        normalisation: How channels are brought to the range of networks.
    """

    kinds: Mapping[str, TaskKind]
    scales: tuple[float, ...]
    flip: bool
    normalisation: Normalisation

    @property
    def num_draws(self) -> int:
        """Scale, row, column and flip; none if there is nothing to choose."""
        return 4 if self.flip or self.scales != (1.0,) else 0

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Images and targets as they are, in the form of networks and losses."""
        pixels = images.float()
        if SIZES in targets:
            height, width = images.shape[-2:]
            rows_BH = torch.arange(height, device=images.device) < targets[SIZES][:, :1]
            columns_BW = torch.arange(width, device=images.device) < targets[SIZES][:, 1:]
            pixels = torch.where(_inside(rows_BH, columns_BW), pixels, PAD_LEVEL)
        return normalised(pixels, self.normalisation), {
            name: decoded(kind, targets[name]) for name, kind in self.kinds.items()
        }

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Scaled, cropped or padded, and mirrored as the draws in [0, 1) say."""
        height, width = images.shape[-2:]
        sizes_B2 = targets.get(SIZES)
        if sizes_B2 is None:
            sizes_B2 = torch.tensor((height, width), device=images.device).expand(len(images), 2)
        window = self.window(sizes_B2, (height, width), draws_BK)
        rows_BH = _positions(window, 0, height)
        columns_BW = _positions(window, 1, width)
        inside_BHW = None
        # Told from the arguments alone: looking for padding in the mask would make a GPU wait.
        if SIZES in targets or min(self.scales) < 1:
            within = (_within(rows_BH, window, 0), _within(columns_BW, window, 1))
            inside_BHW = _inside(*within)
        sources = _source(rows_BH, window, sizes_B2[:, 0]), _source(columns_BW, window, sizes_B2[:, 1])
        pixels = interpolated(images, *sources)
        if inside_BHW is not None:
            pixels = torch.where(inside_BHW, pixels, PAD_LEVEL)
        prepared = {}
        for name, kind in self.kinds.items():
            taken = nearest(targets[name], *sources)
            if inside_BHW is not None:
                outside = ~(inside_BHW if taken.ndim == 4 else inside_BHW.squeeze(1))
                taken.masked_fill_(outside, unknown(kind))
            moved = decoded(kind, taken)
            if kind == "depth":
                moved /= window.scale_B.float().view(-1, 1, 1, 1)
            elif kind == "normals":
                moved[:, 0] *= torch.where(window.flip_B, -1.0, 1.0)[:, None, None]
            prepared[name] = moved
        return normalised(pixels, self.normalisation), prepared

    def window(self, sizes_B2: Tensor, shape: tuple[int, int], draws_BK: Tensor) -> Window:
        """What the draws choose: scale, place and flip of each picture.

        The window lies anywhere inside the scaled picture; a picture that is smaller than the window lies
        anywhere inside the window.
        """
        draws = draws_BK.double()
        scales = torch.tensor(self.scales, dtype=torch.float64, device=draws.device)
        choice_B = (draws[:, 0] * len(scales)).long().clamp(max=len(scales) - 1)
        scaled_B2 = (sizes_B2.double() * scales[choice_B, None]).round().long().clamp(min=1)
        room_B2 = scaled_B2 - torch.tensor(shape, device=draws.device)
        # Whole rows and columns, so that scale 1 copies pixels; both ends of the room are reached.
        steps_B2 = (draws[:, 1:3] * (room_B2.abs() + 1)).long().minimum(room_B2.abs())
        flip_B = (draws[:, 3] < 0.5) & self.flip
        return Window(scales[choice_B], scaled_B2, steps_B2 * room_B2.sign(), flip_B)


def normalised(pixels_B3HW: Tensor, normalisation: Normalisation) -> Tensor:
    """Channels in 0..255, brought to the range of networks."""
    match normalisation:
        case "imagenet":
            mean = pixels_B3HW.new_tensor(_IMAGENET_MEAN).view(3, 1, 1)
            deviation = pixels_B3HW.new_tensor(_IMAGENET_DEVIATION).view(3, 1, 1)
            return (pixels_B3HW - 255 * mean).div_(255 * deviation)
        case "symmetric":
            return (pixels_B3HW * (2 / 255)).sub_(1)
        case _:
            assert_never(normalisation)


def decoded(kind: TaskKind, stored_B: Tensor) -> Tensor:
    """Stored targets in the form of :data:`~dymu.spec.task.TaskKind`; known normals have unit length."""
    match kind:
        case "segmentation" | "classification":
            return stored_B.long()
        case "normals":
            # Integers are of unit length but for rounding; the zeros of unknown pixels stay zeros.
            # A norm over three strided channels takes 15 times as long as their squares, written out.
            vectors = stored_B.float()
            x, y, z = vectors.unbind(dim=1)
            return vectors * (x * x + y * y + z * z).clamp_(min=1).rsqrt_().unsqueeze(1)
        case "depth" | "saliency" | "edges":
            return stored_B.float()
        case _:
            assert_never(kind)


def unknown(kind: TaskKind) -> int:
    """How a stored pixel says that its target is not known."""
    return 0 if kind in {"normals", "depth"} else IGNORED_CLASS


def interpolated(images_B3HW: Tensor, rows_BH: Tensor, columns_BW: Tensor) -> Tensor:
    """(B, 3, H', W') levels between pixels, bilinear.

    Args:
        images_B3HW: Stored images.
        rows_BH: (B, H') where to look, in pixels from the upper edge of the picture; pixel i has its centre
            at i + 1/2.
        columns_BW: (B, W') the same from the left edge.
    """
    height, width = images_B3HW.shape[-2:]
    # From the centre of the first pixel to that of the last of all that is stored, which grid_sample calls
    # -1 and 1; where padding is stored beyond a picture, _source has kept the positions inside the picture.
    y_BH = (rows_BH * (2 / height) - 1).float()
    x_BW = (columns_BW * (2 / width) - 1).float()
    shape = len(images_B3HW), y_BH.shape[1], x_BW.shape[1]
    grid_BHW2 = torch.stack((x_BW[:, None, :].expand(shape), y_BH[:, :, None].expand(shape)), dim=-1)
    return F.grid_sample(
        images_B3HW.float(), grid_BHW2, mode="bilinear", padding_mode="border", align_corners=False
    )


def nearest(stored_B: Tensor, rows_BH: Tensor, columns_BW: Tensor) -> Tensor:
    """(B, ..., H', W') values of the pixels that positions lie in; positions as in :func:`interpolated`."""
    between = (1,) * (stored_B.ndim - 3)
    rows = rows_BH.long().view(len(stored_B), *between, -1, 1)
    columns = columns_BW.long().view(len(stored_B), *between, 1, -1)
    taken = stored_B.gather(-2, rows.expand(*stored_B.shape[:-2], -1, stored_B.shape[-1]))
    return taken.gather(-1, columns.expand(*taken.shape[:-1], -1))


def _positions(window: Window, axis: int, length: int) -> Tensor:
    """(B, length) rows or columns of the scaled picture that the window shows, in the order of the input."""
    steps = torch.arange(length, device=window.start_B2.device).expand(len(window.flip_B), length)
    if axis == 1:
        steps = torch.where(window.flip_B[:, None], length - 1 - steps, steps)
    return steps + window.start_B2[:, axis, None]


def _within(positions_BX: Tensor, window: Window, axis: int) -> Tensor:
    return (positions_BX >= 0) & (positions_BX < window.scaled_B2[:, axis, None])


def _inside(rows_BH: Tensor, columns_BW: Tensor) -> Tensor:
    return (rows_BH[:, :, None] & columns_BW[:, None, :]).unsqueeze(1)


def _source(positions_BX: Tensor, window: Window, length_B: Tensor) -> Tensor:
    """Where centres of scaled pixels lie in the stored picture, kept between the centres of outer pixels."""
    places = (positions_BX.double() + 0.5) / window.scale_B[:, None]
    last = length_B[:, None].double() - 0.5
    return places.clamp(min=0.5).minimum(last)
