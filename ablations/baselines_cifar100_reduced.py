"""Table 4 at a reduced setting: what ``baselines_cifar100`` asks, on ``studies.cifar100:reduced``."""

from ablations._paper import CIFAR100
from ablations.baselines import baselines
from studies import cifar100

QUESTION = baselines(
    cifar100.reduced,
    {"constant": cifar100.reduced_constant, "single-task": cifar100.reduced_single_task},
    CIFAR100,
)
