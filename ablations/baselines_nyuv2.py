"""Table 3: NYU-v2, the controller beside methods with a fixed architecture."""

from ablations._paper import NYU
from ablations.baselines import baselines
from studies import nyuv2

QUESTION = baselines(
    nyuv2.ours,
    {
        "single-task": nyuv2.single_task,
        "static-grid": nyuv2.static_grid,
        "phn": nyuv2.phn,
        "phn-bn": nyuv2.phn_bn,
    },
    NYU,
)
