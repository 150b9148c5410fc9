"""Table 1: PASCAL-Context, five tasks, the controller beside methods with a fixed architecture."""

from ablations._paper import PASCAL5
from ablations.baselines import baselines
from studies import pascal5

QUESTION = baselines(
    pascal5.ours,
    {
        "single-task": pascal5.single_task,
        "static-grid": pascal5.static_grid,
        "phn": pascal5.phn,
        "phn-bn": pascal5.phn_bn,
    },
    PASCAL5,
)
