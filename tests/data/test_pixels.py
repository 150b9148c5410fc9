import numpy as np
import pytest
from numpy.typing import NDArray

from dymu.data.pixels import channel_statistics, rounded, standardised


@pytest.fixture
def pictures() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, size=(20, 3, 6, 5)).astype(np.uint8)


def test_statistics_are_those_of_numpy(pictures: NDArray[np.uint8]) -> None:
    mean, deviation = channel_statistics(pictures)
    np.testing.assert_allclose(mean, pictures.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(deviation, pictures.std(axis=(0, 2, 3)))


def test_statistics_do_not_depend_on_the_order_of_pictures(pictures: NDArray[np.uint8]) -> None:
    for forward, backward in zip(
        channel_statistics(pictures), channel_statistics(pictures[::-1]), strict=True
    ):
        assert (forward == backward).all()


def test_standardised_channels_have_mean_zero_and_deviation_one(pictures: NDArray[np.uint8]) -> None:
    mean, deviation = channel_statistics(pictures)
    images = standardised(pictures, mean=mean, deviation=deviation)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images.mean(axis=(0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(images.std(axis=(0, 2, 3)), 1, atol=1e-5)


def test_rounding_moves_a_value_by_less_than_the_grid() -> None:
    values = np.random.default_rng(0).uniform(-3, 3, size=1000)
    assert np.abs(rounded(values) - values).max() <= 2.0**-17


def test_rounding_hides_the_last_digits_and_the_sign_of_zero() -> None:
    values = np.array([0.3, 1.7, -0.2, 0.0])
    noisy = values + np.array([1e-15, -1e-15, 1e-15, -1e-18])
    assert rounded(values).tobytes() == rounded(noisy).tobytes()
