"""Searches on digits: how strongly branching is regularised, and each arm of Table 6 at its own best."""

from dymu.spec.search import ArmSearch, Objective, Sampler, Search
from dymu.spec.space import Float
from studies import digits

HYPERVOLUME = Objective(value="hypervolume/c=0", direction="maximize")
PARAMETERS = Objective(value="active_parameters/c=0", direction="minimize")

# The paper gives one value for each; the ranges hold it with room on both sides.
BRANCHING = (
    Float(path="method.edge.active_weight", low=0.1, high=10.0, log=True),  # lambda_A, paper: 1
    Float(path="method.edge.inactive_weight", low=0.01, high=1.0, log=True),  # lambda_I, paper: 0.1
    Float(path="method.edge.active_threshold", low=0.05, high=0.45),  # tau, paper: 0.2
    Float(path="method.edge.optimisation.learning_rate", low=3e-4, high=1e-2, log=True),  # paper: 1e-3
    Float(path="method.edge.concentration", low=0.1, high=1.0, log=True),  # eta, paper: 0.2
)

branching = Search(
    name="digits_search-branching",
    baseline=digits.ours,
    space=BRANCHING,
    objectives=(HYPERVOLUME,),
    sampler=Sampler(kind="tpe", startup_trials=10),
    trials=30,
)
trade_off = Search(
    name="digits_search-trade-off",
    baseline=digits.ours,
    space=BRANCHING,
    objectives=(HYPERVOLUME, PARAMETERS),
    sampler=Sampler(kind="tpe", startup_trials=10),
    trials=30,
)
# Each row of the question at its own best. What a row changes, it does not search: no-inactive-loss has four
# entries left, no-dichotomy too.
arms = ArmSearch(
    name="digits_search-arms",
    question="ablations.branching_regularizer",
    space=BRANCHING,
    objective=HYPERVOLUME,
    sampler=Sampler(kind="tpe", startup_trials=8),
    trials=20,
)
