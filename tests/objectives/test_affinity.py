"""Task affinity against Eqs. 7 and 8 as plain loops, then its properties."""

import math

import pytest
import torch
from torch import Tensor

from dymu.objectives.affinity import (
    AffinityScale,
    dissimilarity,
    layer_affinity,
    similarity,
    task_affinity,
)

SCALES: list[AffinityScale] = ["row", "global", "symmetric"]


def features(tasks: int = 4, *, instances: int = 6, size: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(tasks, instances, size, generator=generator, dtype=torch.float64)


def similarities(tasks: int = 4, *, layers: int = 3) -> Tensor:
    return torch.stack([similarity(features(tasks, seed=layer)) for layer in range(layers)])


def cosine(one: Tensor, other: Tensor) -> float:
    pairs = list(zip(one.tolist(), other.tolist(), strict=True))
    inner = sum(a * b for a, b in pairs)
    return inner / math.sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))


def affinity_as_printed(features_LNKD: list[Tensor]) -> list[list[float]]:
    num_tasks, num_instances = features_LNKD[0].shape[:2]
    mean = [[0.0] * num_tasks for _ in range(num_tasks)]
    for layer in features_LNKD:
        for i in range(num_tasks):
            distances = []
            for j in range(num_tasks):
                total = 0.0
                for a in range(num_instances):
                    for b in range(num_instances):
                        total += (cosine(layer[i, a], layer[i, b]) - cosine(layer[j, a], layer[j, b])) ** 2
                distances.append(math.sqrt(total))
            low, high = min(distances), max(distances)
            for j, distance in enumerate(distances):
                mean[i][j] += (1 - (distance - low) / (high - low)) / len(features_LNKD)
    return mean


def test_similarity_is_the_cosine_of_every_pair_of_instances() -> None:
    values = features(2)
    found = similarity(values)
    for task in range(2):
        for a in range(6):
            for b in range(6):
                assert found[task, a, b].item() == pytest.approx(cosine(values[task, a], values[task, b]))


def test_similarity_does_not_know_the_scale_of_features() -> None:
    values = features()
    torch.testing.assert_close(similarity(values), similarity(1000 * values))


def test_a_dead_layer_is_finite() -> None:
    assert similarity(torch.zeros(2, 3, 4)).isfinite().all()


def test_similarity_is_computed_in_double_precision() -> None:
    assert similarity(features().float()).dtype == torch.float64


def test_dissimilarity_is_the_frobenius_distance() -> None:
    gram = similarity(features())
    found = dissimilarity(gram)
    for i in range(4):
        for j in range(4):
            assert found[i, j].item() == pytest.approx(torch.linalg.matrix_norm(gram[i] - gram[j]).item())


def test_a_task_is_exactly_like_itself() -> None:
    assert not dissimilarity(similarity(features())).diagonal().any()


def test_affinity_is_what_the_paper_prints() -> None:
    layers = [features(seed=seed) for seed in range(3)]
    found = task_affinity(torch.stack([similarity(layer) for layer in layers]))
    torch.testing.assert_close(found, torch.tensor(affinity_as_printed(layers), dtype=torch.float64))


def test_layers_may_have_different_numbers_of_features() -> None:
    layers = [features(size=3), features(size=8, seed=1)]
    found = task_affinity(torch.stack([similarity(layer) for layer in layers]))
    torch.testing.assert_close(found, torch.tensor(affinity_as_printed(layers), dtype=torch.float64))


@pytest.mark.parametrize("scale", SCALES)
def test_affinity_lies_between_zero_and_one_and_is_one_with_oneself(scale: AffinityScale) -> None:
    found = task_affinity(similarities(), scale)
    assert (found >= 0).all()
    assert (found <= 1).all()
    assert (found.diagonal() == 1).all()


def test_scaled_by_row_each_row_has_a_zero_and_a_one() -> None:
    found = layer_affinity(dissimilarity(similarities()[0]), "row")
    assert (found.amin(dim=1) == 0).all()
    assert (found.amax(dim=1) == 1).all()
    assert not torch.allclose(found, found.T)


def test_scaled_globally_the_matrix_keeps_its_symmetry_and_order() -> None:
    distance = dissimilarity(similarities()[0])
    found = layer_affinity(distance, "global")
    assert torch.equal(found, found.T)
    assert (found == 0).sum() == 2  # the farthest pair, from both sides
    assert torch.equal(found.flatten().argsort(descending=True), distance.flatten().argsort())


def test_the_symmetric_scale_is_the_mean_with_the_transpose() -> None:
    by_row = task_affinity(similarities(), "row")
    torch.testing.assert_close(task_affinity(similarities(), "symmetric"), (by_row + by_row.T) / 2)


@pytest.mark.parametrize("scale", SCALES)
def test_two_tasks_have_no_affinity(scale: AffinityScale) -> None:
    assert torch.equal(task_affinity(similarities(2), scale), torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("scale", SCALES)
def test_tasks_that_are_alike_throughout_have_full_affinity(scale: AffinityScale) -> None:
    same = similarity(features(1).expand(3, -1, -1))
    assert torch.equal(
        task_affinity(same.expand(2, -1, -1, -1), scale), torch.ones(3, 3, dtype=torch.float64)
    )


@pytest.mark.parametrize("scale", SCALES)
def test_relabelling_tasks_relabels_the_matrix(scale: AffinityScale) -> None:
    order = [2, 0, 3, 1]
    gram = similarities()
    torch.testing.assert_close(
        task_affinity(gram[:, order], scale), task_affinity(gram, scale)[order][:, order]
    )


@pytest.mark.parametrize("scale", SCALES)
def test_the_order_of_instances_does_not_matter(scale: AffinityScale) -> None:
    values, order = features(), [5, 2, 0, 1, 4, 3]
    one, other = similarity(values), similarity(values[:, order])
    torch.testing.assert_close(task_affinity(one[None], scale), task_affinity(other[None], scale))


def test_a_nearer_task_has_the_larger_affinity() -> None:
    base = features(1)
    near, far = base + 0.1 * features(1, seed=1), base + 3 * features(1, seed=2)
    found = task_affinity(similarity(torch.cat([base, near, far]))[None])
    assert found[0, 1] > found[0, 2] == 0
