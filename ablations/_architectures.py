"""What the paper prints about retrained architectures: Tables 5 and 7. A name with ``_`` is no question.

Rows are named as in :mod:`ablations.architectures`. The paper prints sizes as changes against the single-task
nets (5.91M and 9.84M parameters) and intersections in percent; here both are absolute.
"""

from collections.abc import Mapping

Row = Mapping[str, float]


def _row(size: float, drop: float | None, metrics: Row) -> Row:
    values = {"active_parameters": size, **metrics}
    return values if drop is None else values | {"relative_drop": drop}


def _pascal3(segmentation: float, parts: float, saliency: float) -> Row:
    return {
        "task/segmentation/mean_iou": segmentation / 100,
        "task/parts/mean_iou": parts / 100,
        "task/saliency/max_jaccard": saliency / 100,
    }


def _pascal5(segmentation: float, parts: float, saliency: float, normals: float) -> Row:
    # The edge loss is .018 in every row of Table 7.
    more = {"task/normals/mean_angle_error": normals, "task/edges/edge_loss": 0.018}
    return {**_pascal3(segmentation, parts, saliency), **more}


_THREE, _FIVE = 5.91e6, 9.84e6

TABLE_5: Mapping[str, Row] = {
    "single-task": _row(_THREE, None, _pascal3(64.11, 58.41, 65.17)),
    "ltb": _row(_THREE * (1 - 0.350), -1.12, _pascal3(61.84, 59.41, 64.18)),
    "bmtas": _row(_THREE * (1 - 0.489), -0.93, _pascal3(62.79, 58.41, 64.74)),
    "baseline": _row(_THREE * (1 - 0.352), 0.18, _pascal3(63.60, 59.41, 64.94)),
    "initial": _row(_THREE * (1 - 0.352), -0.81, _pascal3(62.34, 58.60, 65.17)),
    "frugal": _row(_THREE * (1 - 0.408), -0.34, _pascal3(63.12, 58.93, 64.93)),
    "frugal-initial": _row(_THREE * (1 - 0.408), -1.05, _pascal3(61.91, 58.71, 65.01)),
}

TABLE_7: Mapping[str, Row] = {
    "single-task": _row(_FIVE, None, _pascal5(63.88, 58.08, 64.92, 13.95)),
    "ltb": _row(_FIVE * (1 - 0.363), -3.61, _pascal5(59.45, 56.48, 65.29, 14.19)),
    "bmtas": _row(_FIVE * (1 - 0.538), 0.37, _pascal5(63.27, 59.32, 64.52, 13.87)),
    "baseline": _row(_FIVE * (1 - 0.485), -1.45, _pascal5(61.64, 56.95, 64.55, 13.72)),
    "initial": _row(_FIVE * (1 - 0.485), -2.84, _pascal5(60.03, 56.91, 64.59, 13.95)),
    "frugal": _row(_FIVE * (1 - 0.501), -1.76, _pascal5(61.15, 56.85, 64.67, 13.74)),
    "frugal-initial": _row(_FIVE * (1 - 0.501), -3.20, _pascal5(59.74, 56.66, 64.62, 13.98)),
}
