"""The view of an experiment that compares the arms of a question, as the tracking page saves views.

The page keeps a saved view as a tag of the experiment: a name, and its own state as JSON. Grouped by arm, a
row is the mean over seeds, and the columns are the numbers that the tables are about.
"""

import json
from collections.abc import Iterable

from dymu.artifacts.fingerprint import digest
from dymu.artifacts.manifest import Manifest
from dymu.tracking.naming import metric_keys
from dymu.tracking.tags import MANIFEST_TAG, ROLE_TAG

# Of the parent run, once its view is saved. What begins with mlflow. is not shown.
VIEW_TAG = "mlflow.dymu.view"

_PREFIX = "mlflow.sharedViewState."
_COLUMNS = ("hypervolume/", "uniformity/", "active_parameters/")


def view_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Metric keys that a view shows, of the record values with these names."""
    shown = sorted(
        (index, name)
        for name in names
        for index, column in enumerate(_COLUMNS)
        if name.startswith(column) and not name.endswith("/sd")
    )
    return tuple(metric_keys(name for _, name in shown)[name] for _, name in shown)


def saved_view(manifest: Manifest, columns: Iterable[str], *, created_ms: int) -> tuple[str, str]:
    """Key and value of the experiment's tag that holds the view.

    Args:
        manifest: The question or study whose arms are compared.
        columns: Metric keys.
        created_ms: Milliseconds since 1970.
    """
    state = {
        "searchFilter": f"tags.`{ROLE_TAG}` = 'seed' AND tags.`{MANIFEST_TAG}` = '{manifest.name}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "selectedColumns": [f"metrics.`{key}`" for key in columns],
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": "arm"}],
        },
    }
    form = {
        "name": f"arms of {short_name(manifest)}",
        "createdAt": created_ms,
        "updatedAt": created_ms,
        "state": json.dumps(state),
    }
    return f"{_PREFIX}{_view_id(manifest.name)}", json.dumps(form)


def view_path(experiment_id: str, manifest_name: str) -> str:
    """Where a server shows the view, from its root."""
    view = _view_id(manifest_name)
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view}"


def short_name(manifest: Manifest) -> str:
    """The name of a manifest inside the experiment of its study."""
    return manifest.name.removeprefix(f"{manifest.study}.")


def _view_id(manifest_name: str) -> str:
    return f"arms-{digest(manifest_name)}"
