"""Trade-offs between two tasks, Figures 13 and 14, on PASCAL-Context, five tasks."""

from ablations.baselines_pascal5 import QUESTION as COMPARED
from ablations.trade_off import trade_off

QUESTION = trade_off(COMPARED)
