"""Trade-offs between two tasks, Figures 13 and 14, on CIFAR-100 with a smaller net."""

from ablations.baselines_cifar100_reduced import QUESTION as COMPARED
from ablations.trade_off import trade_off

QUESTION = trade_off(COMPARED)
