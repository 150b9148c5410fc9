"""Searches over toys; the measurement grows with the scale of the weight stage."""

from toy_parts import PROTOCOL, ToyData, ToyEvaluation, ToyMethod, ToyTraining, evaluate  # type: ignore[import-not-found]

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.spec.search import ArmSearch, Objective, Sampler, Search
from dymu.spec.space import Float, Int
from dymu.spec.study import Study


@config
class SearchedToy(ToyMethod):  # type: ignore[misc]
    """The toy method with a measurement for searches."""

    def validation(self, study: Study, seed: int) -> Step:
        final = self.evaluation(study, seed)
        settings = ToyEvaluation(protocol=study.evaluation)
        return Step(
            stage="validate", revision=1, config=settings, run=evaluate, inputs=final.inputs, seed=final.seed
        )


def searched_study(name: str, **stages: ToyTraining) -> Study:
    return Study(name=name, dataset=ToyData(), method=SearchedToy(**stages), evaluation=PROTOCOL)


_ours = searched_study("toy_search-ours")
_slow = searched_study("toy_search-slow", weight=ToyTraining(num_steps=40, seconds=0.05))

HYPERVOLUME = Objective(value="hypervolume/c=0", direction="maximize")
PARAMETERS = Objective(value="active_parameters/c=0", direction="minimize")
SCALE = Float(path="method.weight.scale", low=0.1, high=10.0, log=True)
EDGE = Float(path="method.edge.scale", low=0.1, high=10.0, log=True)

one = Search(
    name="toy_search-one", baseline=_ours, space=(SCALE,), objectives=(HYPERVOLUME,), trials=5, seeds=(0, 1)
)
two = Search(
    name="toy_search-two",
    baseline=_ours,
    space=(SCALE, EDGE),
    objectives=(HYPERVOLUME, PARAMETERS),
    trials=6,
    sampler=Sampler(startup_trials=3),
)
slow = Search(name="toy_search-slow", baseline=_slow, space=(SCALE,), objectives=(HYPERVOLUME,), trials=3)
failing = Search(
    name="toy_search-failing",
    baseline=_ours,
    space=(Int(path="method.weight.fail_at", low=2, high=9),),
    objectives=(HYPERVOLUME,),
    trials=8,
    sampler=Sampler(kind="grid"),
)
hopeless = Search(
    name="toy_search-hopeless",
    baseline=_ours,
    space=(Int(path="method.weight.fail_at", low=2, high=3),),
    objectives=(HYPERVOLUME,),
    trials=2,
)
typo = Search(
    name="toy_search-typo",
    baseline=_ours,
    space=(SCALE,),
    objectives=(Objective(value="hypervolum/c=0", direction="maximize"),),
)
arms = ArmSearch(
    name="toy_search-arms",
    question="toy_searched_question",
    space=(SCALE, EDGE),
    objective=HYPERVOLUME,
    trials=3,
)
