"""Some of the examples of a split, without a copy of them."""

from dataclasses import dataclass

from torch import Tensor

from dymu.data.examples import Examples


@dataclass(frozen=True, kw_only=True)
class Part(Examples):
    """Examples at some positions of a split, numbered anew.

    Attributes:
        positions: Where they stand in the split; images and targets are those of the whole split.
    """

    positions: Tensor

    @classmethod
    def of(cls, examples: Examples, positions: Tensor) -> "Part":
        """The examples at the given positions."""
        return cls(
            images=examples.images,
            targets=examples.targets,
            digest=examples.digest,
            preparation=examples.preparation,
            positions=positions,
        )

    def __len__(self) -> int:
        return len(self.positions)

    def batch(self, index_B: Tensor, device: str = "cpu", draws_BK: Tensor | None = None) -> Examples:
        """The examples at the given positions among these, ready for a network, on a device."""
        return super().batch(self.positions[index_B], device, draws_BK)
