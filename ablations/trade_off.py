"""How far does each method move the losses of two tasks that share the preference? Figures 13 and 14.

All other tasks have preference 0. Only the evaluation differs from the other questions', so that everything
that was trained for them is used again.
"""

from ablations._paper import NYU
from ablations.baselines import baselines
from dymu.artifacts.config import changed
from dymu.spec.ablation import Question
from studies import digits

SOURCE = "Figures 13 and 14"


def trade_off(compared: Question) -> Question:
    """The question about the arms of a comparison of methods.

    Args:
        compared: Made by :func:`ablations.baselines.baselines`.
    """
    rows = (changed(row, {"source": SOURCE, "paper": {}, "claims": ()}) for row in compared.ablations)
    return Question(
        title="How far does each method move the losses of two tasks that share the preference?",
        source=SOURCE,
        baseline=compared.baseline,
        ablations=tuple(rows),
        evaluation={"pair_preferences": 11},
    )


QUESTION = trade_off(baselines(digits.ours, {"phn": digits.phn, "phn-bn": digits.phn_bn}, NYU))
