"""Which record values there are to search for, known before anything was measured."""

from collections.abc import Iterator

from dymu.errors import SpecError, did_you_mean
from dymu.metrics.correlation import ENTROPY_COST_CORRELATION, PREFERENCE_LOSS_CORRELATION
from dymu.metrics.cost import (
    ACTIVE_MACS,
    ACTIVE_PARAMETER_FRACTION,
    ACTIVE_PARAMETERS,
    DENSE_ACTIVE_PARAMETERS,
    DISTINCT_TREES,
    SKEWED_ACTIVE_PARAMETERS,
)
from dymu.metrics.hypervolume import BEST_POINT_HYPERVOLUME
from dymu.metrics.task_metrics import metric_of
from dymu.spec.search import Search
from dymu.spec.study import Study

_OF_A_POINT = (
    BEST_POINT_HYPERVOLUME,
    ACTIVE_PARAMETERS,
    ACTIVE_PARAMETER_FRACTION,
    ACTIVE_MACS,
    DENSE_ACTIVE_PARAMETERS,
    SKEWED_ACTIVE_PARAMETERS,
    ENTROPY_COST_CORRELATION,
    DISTINCT_TREES,
)


def value_names(study: Study) -> frozenset[str]:
    """Names of all values that a record of this study may have.

    Which of the forms with and without ``/c=`` it is depends on the method; a correlation is left out of a
    record where one of its sides is constant.
    """
    suffixes = ("", *(f"/c={c:g}" for c in study.evaluation.resource_preferences))
    return frozenset(name + suffix for name in _bases(study) for suffix in suffixes) | {"control_parameters"}


def check_objectives(search: Search) -> None:
    """Refuse an objective that no record will have.

    Raises:
        SpecError: Names the objective and the value that it resembles most.
    """
    known = value_names(search.baseline)
    for objective in search.objectives:
        if objective.value not in known:
            near = did_you_mean(objective.value, sorted(known))
            raise SpecError(
                f"search {search.name}: no record of {search.baseline.name} has a value "
                f"{objective.value!r}{near}; docs/glossary.md lists them."
            )


def _bases(study: Study) -> Iterator[str]:
    yield from ("hypervolume", "uniformity")
    yield from (info.name for info in _OF_A_POINT)
    for task in study.dataset.tasks:
        yield f"loss/{task.name}"
        yield f"task/{task.name}/{metric_of(task.kind).name}"
        yield f"{PREFERENCE_LOSS_CORRELATION.name}/{task.name}"
