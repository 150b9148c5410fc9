"""Trade-offs between two tasks, Figures 13 and 14, on scenes."""

from ablations.baselines_scenes import QUESTION as COMPARED
from ablations.trade_off import trade_off

QUESTION = trade_off(COMPARED)
