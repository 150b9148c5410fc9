import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.metrics.hypervolume import hypervolume
from dymu.reports.staircase import dominating, project, staircase, surface

coordinate = st.integers(0, 12).map(lambda k: k / 10)


def area(corners: np.ndarray) -> float:
    x, y = corners.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def test_dominated_repeated_and_outside_points_are_left_out() -> None:
    points = np.array([[0.5, 0.5], [0.5, 0.5], [0.6, 0.6], [0.1, 0.9], [0.0, 1.0], [2.0, 0.0]])
    assert dominating(points, (1.0, 1.0)).tolist() == [[0.1, 0.9], [0.5, 0.5]]


@given(st.lists(st.tuples(coordinate, coordinate), max_size=8))
def test_the_area_of_the_staircase_is_the_hypervolume(rows: list[tuple[float, float]]) -> None:
    points = np.array(rows).reshape(-1, 2)
    kept = dominating(points, (1.0, 1.0))
    assert area(staircase(kept, (1.0, 1.0))) == pytest.approx(hypervolume(points, (1.0, 1.0)))


@given(st.lists(st.tuples(coordinate, coordinate, coordinate), max_size=7), st.integers(0, 2))
def test_the_surface_covers_the_square_and_stands_on_the_hypervolume(
    rows: list[tuple[float, float, float]], across: int
) -> None:
    points = np.array(rows).reshape(-1, 3)
    kept = dominating(points, (1.0, 1.0, 1.0))
    faces, walls = surface(kept, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), across)
    others = [axis for axis in range(3) if axis != across]
    areas = np.ptp(faces, axis=1)[:, others].prod(axis=1)
    heights = faces[:, 0, across]
    assert areas.sum() == pytest.approx(1.0)
    assert (areas * (1.0 - heights)).sum() == pytest.approx(hypervolume(points, (1.0, 1.0, 1.0)))
    assert (heights[walls] == 1.0).all()
    assert (heights[~walls] < 1.0).all()


def test_faces_are_as_few_as_the_steps() -> None:
    faces, walls = surface(np.array([[0.5, 0.5, 0.5]]), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), 2)
    assert walls.tolist().count(False) == 1
    assert len(faces) == 3, "one that is attained and two of the wall around it"


def test_the_faces_of_all_axes_cover_the_picture_once() -> None:
    points = dominating(np.random.default_rng(0).random((12, 3)), (1.0, 1.0, 1.0))
    covered = 0.0
    for across in range(3):
        faces, _ = surface(points, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), across)
        covered += sum(area(project(face)) for face in faces)
    assert covered == pytest.approx(3 * np.sqrt(3) / 2), "a regular hexagon of side one"


def test_the_diagonal_is_the_line_of_sight() -> None:
    assert project(np.array([[0.0, 0, 0], [1, 1, 1]])) == pytest.approx(np.zeros((2, 2)))
    assert project(np.array([0.0, 0, 1])) == pytest.approx([np.sqrt(3) / 2, -0.5])
