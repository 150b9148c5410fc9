"""The three splits. Only ``stages/evaluate.py`` may name the test split."""

from enum import Enum


class Split(Enum):
    """Disjoint parts of a dataset; selection uses VAL, claims use TEST."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
