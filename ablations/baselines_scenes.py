"""Does the controller beat methods with a fixed architecture? The question of ``baselines`` on scenes."""

from ablations.baselines import baselines
from studies import scenes

QUESTION = baselines(
    scenes.ours, (scenes.single_task, scenes.static_grid, scenes.phn_bn, scenes.phn_bn_frozen)
)
