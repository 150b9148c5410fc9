"""The searches of digits, on scenes."""

from dymu.spec.search import Sampler, Search
from studies import scenes
from studies.digits_search import BRANCHING, HYPERVOLUME, PARAMETERS

trade_off = Search(
    name="scenes_search-trade-off",
    baseline=scenes.ours,
    space=BRANCHING,
    objectives=(HYPERVOLUME, PARAMETERS),
    sampler=Sampler(kind="tpe", startup_trials=10),
    trials=30,
)
