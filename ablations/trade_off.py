"""How far does each method move the losses of two tasks that share the preference? Figures 13 and 14.

All other tasks have preference 0; here on digits. Only the evaluation differs from the question
``baselines``, so that what was trained for it is used again.
"""

from ablations.baselines import QUESTION as COMPARED
from dymu.artifacts.config import changed
from dymu.spec.ablation import Question

_SOURCE = "Figures 13 and 14"
_FOLLOW_PREFERENCES = ("without-adaptation", "phn", "phn-bn")  # of the arms of ``baselines``, in its order
_PREFERENCES = 11  # of a pair: steps of a tenth


def trade_off(compared: Question) -> Question:
    """The question about methods that another question compares.

    Args:
        compared: Made by :func:`ablations.baselines.baselines`.
    """
    return Question(
        title="How far does each method move the losses of two tasks that share the preference?",
        source=_SOURCE,
        baseline=compared.baseline,
        ablations=tuple(
            changed(row, {"source": _SOURCE, "paper": {}, "claims": ()})
            for row in compared.ablations
            if row.name in _FOLLOW_PREFERENCES
        ),
        evaluation={"pair_preferences": _PREFERENCES},
    )


QUESTION = trade_off(COMPARED)
