"""The view of an experiment that compares the arms of a question, as the tracking page saves views.

The page keeps a saved view as a tag of the experiment: a name, and its own state as JSON. Grouped by arm, a
row is the mean over seeds, and the columns are the numbers that the tables are about. A link to a view that
is not there ends on a page about something else, so it is there from the beginning and gets its columns as
results bring them.
"""

import json
from collections.abc import Collection, Iterable

from dymu.artifacts.fingerprint import digest
from dymu.artifacts.manifest import Manifest
from dymu.tracking.naming import SHORT
from dymu.tracking.tags import MANIFEST_TAG, ROLE_TAG

# Of the parent run: the metrics that its view shows. What begins with mlflow. is not shown.
VIEW_TAG = "mlflow.dymu.view"

_PREFIX = "mlflow.sharedViewState."
# As the page calls its own columns, and how wide they are for a window of 1280 pixels, which has room for
# metrics of two preferences. Left to itself it orders metrics by name and cuts names of arms.
_NAME, _CREATED, _DURATION = "attributes.`Run Name`", "runDateAndNestInfo", "duration"
_WIDTHS = {_NAME: 240, _CREATED: 125, _DURATION: 80}
_METRIC_WIDTH = 92


def view_columns(keys: Collection[str]) -> tuple[str, ...]:
    """Those of some metric keys that a view shows, in its order; a method may have no c, or some."""
    return tuple(
        key
        for column in SHORT.values()
        for key in sorted(set(keys))
        if key.partition("/")[0] == column and not key.endswith("/sd")
    )


def saved_view(manifest: Manifest, columns: Iterable[str], *, created_ms: int) -> tuple[str, str]:
    """Key and value of the experiment's tag that holds the view.

    Args:
        manifest: The question or study whose arms are compared.
        columns: Metric keys.
        created_ms: Milliseconds since 1970.
    """
    metrics = [f"metrics.`{key}`" for key in columns]
    state = {
        "searchFilter": f"tags.`{ROLE_TAG}` = 'seed' AND tags.`{MANIFEST_TAG}` = '{manifest.name}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": True,
        "selectedColumns": metrics,
        "columnOrder": [_NAME, _CREATED, *metrics, _DURATION],
        "columnWidths": _WIDTHS | dict.fromkeys(metrics, _METRIC_WIDTH),
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": "arm"}],
        },
        "groupsExpanded": {f"param.arm.{arm.name}": False for arm in manifest.arms},
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
