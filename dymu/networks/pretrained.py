"""Weights that somebody trained before, as an identity."""

from dymu.artifacts.config import check, config


@config
class PretrainedWeights:
    """A file of weights; its content is its identity, where it lies is not.

    Attributes:
        file: Name below ``weights/`` of the data root.
        sha256: Checksum of the file, or its first eight hexadecimal digits or more.
    """

    file: str
    sha256: str

    def __post_init__(self) -> None:
        fits = 8 <= len(self.sha256) <= 64 and all(digit in "0123456789abcdef" for digit in self.sha256)
        check(fits, self, "sha256", "8 to 64 lower-case hexadecimal digits")
