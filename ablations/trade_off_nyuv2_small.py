"""Trade-offs between two tasks, Figures 13 and 14, on NYU-v2 with a smaller net."""

from ablations.baselines_nyuv2_small import QUESTION as COMPARED
from ablations.trade_off import trade_off

QUESTION = trade_off(COMPARED)
