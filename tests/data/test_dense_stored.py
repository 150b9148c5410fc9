import numpy as np
import pytest
import torch

from dymu.artifacts.config import changed
from dymu.data.dense_stored import NORMAL_UNIT, check_pictures, padded, stored_normals
from dymu.data.nyuv2 import NYUv2
from dymu.errors import SpecError


def test_rounded_normals_are_half_a_degree_off_at_most() -> None:
    vectors = np.random.default_rng(0).standard_normal((200, 200, 3))
    units = torch.from_numpy(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
    stored = torch.from_numpy(np.moveaxis(stored_normals(vectors), 0, -1).copy()).double() / NORMAL_UNIT
    cosine = torch.nn.functional.cosine_similarity(units, stored, dim=-1).clamp(max=1)
    angle = torch.rad2deg(torch.acos(cosine))
    assert angle.max() < 0.4
    assert angle.mean() < 0.2


def test_vectors_without_length_are_zero_and_others_have_one() -> None:
    stored = stored_normals(np.array([[[0, 0, 0], [0, 0, 1e-9], [0, -0.02, 0]]], np.float64))
    assert stored[:, 0].T.tolist() == [[0, 0, 0], [0, 0, 0], [0, -NORMAL_UNIT, 0]]


def test_arrays_are_padded_below_and_on_the_right() -> None:
    assert padded(np.array([[[1, 2]]]), (2, 3), 9).tolist() == [[[1, 2, 9], [9, 9, 9]]]


def test_sensible_fields_pass() -> None:
    check_pictures(NYUv2(num_train=5))


@pytest.mark.parametrize("field", ["height", "width", "num_val", "num_train", "num_test"])
def test_counts_are_positive(field: str) -> None:
    with pytest.raises(SpecError, match=f"{field} is 0"):
        changed(NYUv2(), {field: 0})
