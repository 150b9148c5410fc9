"""Table 2: PASCAL-Context, three tasks, the controller beside methods with a fixed architecture."""

from ablations._paper import PASCAL3
from ablations.baselines import baselines
from studies import pascal3

QUESTION = baselines(
    pascal3.ours,
    {
        "single-task": pascal3.single_task,
        "static-grid": pascal3.static_grid,
        "phn": pascal3.phn,
        "phn-bn": pascal3.phn_bn,
    },
    PASCAL3,
)
