"""Stored 8-bit pictures to network input: standardised, and for training cropped and flipped at random.

Everything is a pure function of pictures and draws, without a loop over pictures, and consists of copies,
subtractions and divisions alone, so that every device gives the same bits.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from dymu.artifacts.config import check, config

Padding = Literal["zero", "reflect"]

# Row offset, column offset, mirrored or not.
DRAWS_PER_PICTURE = 3


@config
class Standardised:
    """Pictures less a mean, in units of a deviation, per channel; never augmented.

    Attributes:
        mean: Per channel, in grey levels from 0 to 255.
        deviation: Per channel, in grey levels.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        check(len(self.mean) > 0, self, "mean", "a value per channel")
        check(len(self.deviation) == len(self.mean), self, "deviation", "a value per channel, as mean has")
        check(min(self.deviation) > 0, self, "deviation", "positive numbers")

    @property
    def num_draws(self) -> int:
        """None: there is no augmentation."""
        return 0

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Standardised float32 images (..., C, H, W); targets as they are."""
        return standardised(images, self.mean, self.deviation), targets

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The same as :meth:`plain`."""
        del draws_BK
        return self.plain(images, targets)


@config
class CropFlip:
    """Standardised pictures; for training shifted by up to ``pad`` pixels each way and half of them mirrored.

    A crop of the picture's own size out of the padded picture is a shift that pulls in padding.

    Attributes:
        pixels: Mean and deviation.
        num_inputs: Pictures of one example: N where every task has a picture of its own. Each is changed on
            its own.
        pad: Pixels of padding on each side.
        padding: Black pixels, or the picture mirrored at its edge (whose own pixels are not repeated).
    """

    pixels: Standardised
    num_inputs: int = 1
    pad: int = 4
    padding: Padding = "zero"

    def __post_init__(self) -> None:
        check(self.num_inputs > 0, self, "num_inputs", "a positive number of pictures")
        check(self.pad >= 0, self, "pad", "a number of pixels that is not negative")

    @property
    def num_draws(self) -> int:
        """Three per picture."""
        return DRAWS_PER_PICTURE * self.num_inputs

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Standardised float32 images (B, C, H, W) or (B, N, C, H, W); targets as they are."""
        return self.pixels.plain(images, targets)

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The same, cropped and flipped; picture n of an example takes draws 3n, 3n + 1 and 3n + 2."""
        images_MCHW = images.flatten(0, -4)
        draws_M3 = draws_BK.reshape(len(images_MCHW), DRAWS_PER_PICTURE)
        changed = crop_flip(images_MCHW, draws_M3, pad=self.pad, padding=self.padding)
        return self.plain(changed.reshape(images.shape), targets)


def standardised(images: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    """Images (..., C, H, W) less the mean, in units of the deviation, float32."""
    shape = (len(mean), 1, 1)
    centre = torch.tensor(mean, dtype=torch.float32, device=images.device).reshape(shape)
    unit = torch.tensor(deviation, dtype=torch.float32, device=images.device).reshape(shape)
    return (images.to(torch.float32) - centre).div_(unit)


def crop_flip(images_MCHW: Tensor, draws_M3: Tensor, *, pad: int, padding: Padding) -> Tensor:
    """Crop pictures out of their padded selves and mirror about half of them.

    Args:
        images_MCHW: Pictures of any type.
        draws_M3: In [0, 1): offset of the crop's first row and column among 2 ``pad`` + 1 each; mirrored
            left to right below 1/2.
        pad: Pixels of padding on each side; with ``reflect`` less than height and width.
        padding: Zeros, or the picture mirrored at its edge.

    Returns:
        Pictures of the same shape and type.
    """
    height, width = images_MCHW.shape[-2:]
    offsets_M2 = (draws_M3[:, :2] * (2 * pad + 1)).long().clamp_(max=2 * pad) - pad
    rows_MH = torch.arange(height, device=images_MCHW.device) + offsets_M2[:, :1]
    columns_MW = torch.arange(width, device=images_MCHW.device) + offsets_M2[:, 1:]
    columns_MW = torch.where(draws_M3[:, 2:] < 0.5, columns_MW.flip(1), columns_MW)
    # One gather over flattened pixels: a fifth of the time of padding and cutting windows out.
    pixels_M1Q = (
        _inside(rows_MH, height)[:, :, None] * width + _inside(columns_MW, width)[:, None, :]
    ).flatten(1)
    pixels_MCQ = pixels_M1Q[:, None, :].expand(-1, images_MCHW.shape[1], -1)
    out = images_MCHW.flatten(2).gather(2, pixels_MCQ).reshape(images_MCHW.shape)
    if padding == "zero":
        known_MHW = _known(rows_MH, height)[:, :, None] & _known(columns_MW, width)[:, None, :]
        out.mul_(known_MHW[:, None])
    return out


def _inside(positions: Tensor, size: int) -> Tensor:
    """Positions mirrored at 0 and at ``size`` - 1."""
    return (size - 1) - ((size - 1) - positions.abs()).abs()


def _known(positions: Tensor, size: int) -> Tensor:
    return (positions >= 0) & (positions < size)
