"""Randomness as a function: every draw has a name and no draw has a past.

A generator is made from (seed, stage, purpose, step, index). The stage's name stands in the key where its
address might: arms of an ablation differ in their addresses and must nevertheless see the same batches,
preferences and noise (ADR 0008).
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Randomness:
    """Makes generators; holds no state.

    Attributes:
        seed: Study seed.
        stage: Name of the stage that draws.
    """

    seed: int
    stage: str

    def key(self, purpose: str, step: int = 0, index: int = 0) -> int:
        """63-bit integer that names one draw."""
        text = f"{self.seed}|{self.stage}|{purpose}|{step}|{index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1

    def torch(self, purpose: str, step: int = 0, index: int = 0) -> torch.Generator:
        """A torch generator on the CPU, so that draws do not depend on the device."""
        return torch.Generator().manual_seed(self.key(purpose, step, index))

    def numpy(self, purpose: str, step: int = 0, index: int = 0) -> np.random.Generator:
        """A numpy generator."""
        return np.random.default_rng(self.key(purpose, step, index))
