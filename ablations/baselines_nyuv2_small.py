"""Table 3 at a small setting: what ``baselines_nyuv2`` asks, on ``studies.nyuv2:small``."""

from ablations._paper import NYU
from ablations.baselines import baselines
from studies import nyuv2

QUESTION = baselines(
    nyuv2.small, {"constant": nyuv2.small_constant, "single-task": nyuv2.small_single_task}, NYU
)
