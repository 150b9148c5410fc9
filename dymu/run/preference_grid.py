"""What trained controllers predict all over the simplex, for reports, which may not load torch themselves."""

import numpy as np
import torch

from dymu.artifacts.preference_grid import RESOURCES, PreferenceGrid, lattice, weights_behind
from dymu.artifacts.record import Record
from dymu.artifacts.store import Store
from dymu.networks.tree import paths
from dymu.product.published import published_step, read_controller
from dymu.stages.predictors import ControllablePredictor


def preference_grid(store: Store, record: Record) -> PreferenceGrid | None:
    """What the controller behind a record predicts on a lattice of preferences at 21 values of c.

    Args:
        store: Where its weights are.
        record: Of an evaluation.

    Returns:
        ``None`` if the record's method has no controller, or the store no longer has its weights.

    Raises:
        SpecError: If the controller was trained by a dymu whose configurations this one cannot read.
    """
    needed = weights_behind(record)
    if not needed or not all(store.has(address) for address in needed):
        return None
    # The weight hypernet changes no tree, so the edge hypernet's step is enough.
    predictor = ControllablePredictor(read_controller(store, published_step(store, needed[-1])))
    unit, rows = lattice(len(record.tasks))
    preferences_KN = np.array(rows, dtype=np.float64) / unit
    numbers: dict[bytes, int] = {}
    trees: list[tuple[tuple[int, ...], ...]] = []
    parameters: list[float] = []
    macs: list[float] = []
    index = []
    for resource in RESOURCES:
        paths_KNL = paths(predictor.controller.parents(torch.from_numpy(preferences_KN), resource)).numpy()
        cost = predictor.cost(preferences_KN, resource)
        row = []
        for number, tree in enumerate(paths_KNL):
            key = tree.tobytes()
            if key not in numbers:
                numbers[key] = len(trees)
                trees.append(tuple(tuple(path) for path in tree.tolist()))
                parameters.append(float(cost.parameters_S[number]))
                macs.append(float(cost.macs_S[number]))
            row.append(numbers[key])
        index.append(tuple(row))
    return PreferenceGrid(
        address=record.address,
        tasks=record.tasks,
        unit=unit,
        preferences=tuple(rows),
        resources=RESOURCES,
        trees=tuple(trees),
        parameters=tuple(parameters),
        macs=tuple(macs),
        index=tuple(index),
        anchor_parameters=predictor.anchor_parameters(),
    )
