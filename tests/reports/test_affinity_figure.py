from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from dymu.errors import ReportError
from dymu.reports.affinity_figure import Affinities, affinities_of, affinity_figure
from dymu.reports.collect import results_of
from dymu.reports.style import paper_style


def cells(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_arms_that_share_affinities_stand_together(study: Any) -> None:
    study.affinity = True
    study.publish()
    study.publish_affinity()
    (found,) = affinities_of(results_of(study.store, study.manifest), study.store)
    assert found.labels == ("Ours", "no L_inactive", "no task affinity")
    assert found.seeds == (0, 1, 2)
    assert found.mean[0] == pytest.approx([1.0, 0.6, 0.6])
    assert found.deviations[0] == pytest.approx([0.0, 0.1, 0.1])


def test_cells_have_numbers_and_their_deviation(study: Any, fits: Callable[..., None]) -> None:
    study.affinity = True
    study.publish()
    study.publish_affinity()
    results = results_of(study.store, study.manifest)
    with paper_style():
        figure = affinity_figure(affinities_of(results, study.store), results.tasks)
        fits(figure)
    assert cells(figure).count("0.60") == 6
    assert cells(figure).count("± 0.10") == 6
    assert "± 0.00" not in cells(figure), "a task is like itself at every seed"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(results.tasks)
    assert figure.get_supxlabel() == "All 3 arms: mean of seeds 0, 1, 2; small: standard deviation"


@pytest.mark.parametrize("count", [2, 5, 20])
def test_any_number_of_tasks_is_readable(count: int, fits: Callable[..., None]) -> None:
    rows = np.random.default_rng(0).random((1, count, count))
    names = [f"household furniture {i}" for i in range(count)]
    with paper_style():
        figure = affinity_figure([Affinities(labels=("Ours",), by_seed=rows, seeds=(3,))], names)
        fits(figure)
    assert len(cells(figure)) == (count**2 if count <= 7 else 0)
    assert figure.get_supxlabel() == "Ours: seed 3"


def test_without_affinity_it_says_which_command_makes_it(study: Any) -> None:
    study.publish()
    with pytest.raises(ReportError, match=r"no task affinity of digits-ours.*`dymu run ablations"):
        affinities_of(results_of(study.store, study.manifest), study.store)


def test_a_matrix_of_other_tasks_is_refused(study: Any) -> None:
    study.affinity, study.seeds = True, (0,)
    study.publish()
    attempt = study.store.new_attempt("affinity/digits-ours-0")
    save_file({"affinity": np.eye(2, dtype=np.float32)}, attempt / "affinity.safetensors")
    study.store.publish("affinity/digits-ours-0", attempt, info={})
    with pytest.raises(ReportError, match=r"is \(2, 2\), expected 3 tasks"):
        affinities_of(results_of(study.store, study.manifest), study.store)


def test_a_damaged_file_is_named(study: Any) -> None:
    study.affinity, study.seeds = True, (0,)
    study.publish()
    attempt = study.store.new_attempt("affinity/digits-ours-0")
    (attempt / "affinity.safetensors").write_bytes(b"nothing of the kind")
    study.store.publish("affinity/digits-ours-0", attempt, info={})
    with pytest.raises(ReportError, match=r"affinity/digits-ours-0/affinity.safetensors holds no readable"):
        affinities_of(results_of(study.store, study.manifest), study.store)
