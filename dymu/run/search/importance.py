"""How much each entry of a space explains of what a search has found."""

import warnings
from typing import TYPE_CHECKING

from dymu.spec.search import Search

if TYPE_CHECKING:
    import optuna

_ENOUGH = 8
_TREES = 64


def importances(study: "optuna.Study", search: Search) -> tuple[dict[str, dict[str, float]], str]:
    """Shares of variance by fANOVA, with a seed; only for entries that all trials have.

    fANOVA rather than PED-ANOVA, the default of Optuna 5: that one looks at the best tenth of the trials,
    which of thirty are three.

    Args:
        study: The Optuna study.
        search: What is searched.

    Returns:
        Objective to path to share, largest first; and, if that is empty, the reason.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    common = [entry.path for entry in search.space if all(entry.path in t.params for t in complete)]
    if len(complete) < _ENOUGH:
        return {}, f"importances need {_ENOUGH} complete trials, there are {len(complete)}"
    varied = [path for path in common if len({trial.params[path] for trial in complete}) > 1]
    if not varied:
        return {}, "no entry that all trials have was varied"
    found: dict[str, dict[str, float]] = {}
    for index, objective in enumerate(search.objectives):
        if len({trial.values[index] for trial in complete}) < 2:
            continue  # a constant has no variance to explain

        def target(trial: "optuna.trial.FrozenTrial", index: int = index) -> float:
            return float(trial.values[index])

        evaluator = FanovaImportanceEvaluator(n_trees=_TREES, seed=search.sampler.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = get_param_importances(
                study, evaluator=evaluator, params=varied, target=target, normalize=False
            )
        found[objective.value] = {path: float(share) for path, share in shares.items()}
    return found, "" if found else "the objectives are constant"
