"""Does the controller beat methods with a fixed architecture? The question of ``baselines`` on scenes."""

from ablations._paper import NYU
from ablations.baselines import baselines
from studies import scenes

QUESTION = baselines(
    scenes.ours,
    {
        "single-task": scenes.single_task,
        "static-grid": scenes.static_grid,
        "phn-bn": scenes.phn_bn,
        "phn-bn-frozen": scenes.phn_bn_frozen,
    },
    NYU,
)
