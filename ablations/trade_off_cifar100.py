"""Trade-offs between two tasks, Figures 13 and 14, on CIFAR-100."""

from ablations.baselines_cifar100 import QUESTION as COMPARED
from ablations.trade_off import trade_off

QUESTION = trade_off(COMPARED)
