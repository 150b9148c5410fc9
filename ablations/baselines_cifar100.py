"""Table 4: CIFAR-100, the controller beside methods with a fixed architecture."""

from ablations._paper import CIFAR100
from ablations.baselines import baselines
from studies import cifar100

QUESTION = baselines(
    cifar100.ours,
    {
        "single-task": cifar100.single_task,
        "static-grid": cifar100.static_grid,
        "phn": cifar100.phn,
        "phn-bn": cifar100.phn_bn,
    },
    CIFAR100,
)
