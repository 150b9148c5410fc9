"""The paper's claims about what a controller does with preferences: G1 to G5, as data."""

from dymu.reports.checks import (
    FRUGAL,
    RICH,
    Check,
    both_ends,
    least,
)
from dymu.reports.measures import (
    average_of_tasks,
    constant_cost,
    corners_cost_as_little,
    cost_follows_entropy,
    deeper_sharing,
    falls_with_c,
    losses_follow_preferences,
    own_stream,
)
from dymu.reports.measures_between import (
    losses_above,
    losses_rise_with_c,
    wider_losses,
    wider_losses_on_edges,
)
from dymu.reports.pairs import QUESTION as PAIRS
from dymu.spec.ablation import BASELINE

_SIZE = "active_parameters"
_MACS = "active_macs"
_PHN = "phn"
_PHN_BN = "phn-bn"
_PLAIN = "without-adaptation"
_BASELINES = "ablations.baselines"
_ADAPTATION = "ablations.adaptation"
_REGULARIZER = "ablations.branching_regularizer"
_MAIN = "Tables 1 to 4"

BEHAVIOUR: tuple[Check, ...] = (
    Check(
        name="G1a",
        text="The more even r, the more nodes run, at every c",
        quantity="rank correlation of parameters with the entropy of r, lowest c, above .5",
        source="Figure 5",
        measure=cost_follows_entropy(0.5),
        question=_REGULARIZER,
    ),
    Check(
        name="G1b",
        text="Near corners the cost is about one shared net's",
        quantity="1.1 less parameters where a task has .9 of r, as a part of PHN-BN's, at the dearest c",
        source="Figure 5",
        measure=corners_cost_as_little(_PHN_BN, tolerance=0.1),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G2a",
        text="A larger c means fewer parameters",
        quantity="parameters beyond those at the next larger c, relative, least favourable step",
        source=f"Figure 5, {_MAIN}",
        measure=both_ends(falls_with_c(_SIZE)),
        question=_REGULARIZER,
    ),
    Check(
        name="G2b",
        text="A larger c means fewer multiply-accumulates",
        quantity="MACs beyond those at the next larger c, relative, least favourable step",
        source=_MAIN,
        measure=both_ends(falls_with_c(_MACS)),
        question=_REGULARIZER,
    ),
    Check(
        name="G2c",
        text="PHN-BN costs the same at every preference",
        quantity=".001 less the relative range of its parameters",
        source=_MAIN,
        measure=constant_cost(_PHN_BN),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G2d",
        text="PHN costs the same at every preference",
        quantity=".001 less the relative range of its parameters",
        source=_MAIN,
        measure=constant_cost(_PHN),
        arms=(BASELINE, _PHN),
        question=_BASELINES,
    ),
    Check(
        name="G3a",
        text="Each task's loss falls as its preference rises",
        quantity="fall of the loss from preference 0 to 1 by a straight line, as a part of its mean, least "
        "favourable task and c",
        source="Figures 7 and 15",
        measure=losses_follow_preferences(min),
        question=_REGULARIZER,
    ),
    Check(
        name="G3b",
        text="The same on average over tasks",
        quantity="the same fall, interquartile mean over tasks, least favourable c",
        source="Figures 7 and 15",
        measure=losses_follow_preferences(average_of_tasks),
        question=_REGULARIZER,
    ),
    Check(
        name="G3c",
        text="Losses at c = 1 lie above those at c = 0",
        quantity="relative rise of the loss, mean over tasks",
        source="Figures 7 and 15",
        measure=both_ends(losses_rise_with_c),
        question=_REGULARIZER,
    ),
    Check(
        name="G3d",
        text="Adaptation lowers losses, at every c",
        quantity="relative rise of the loss without adaptation, mean over tasks, least favourable c",
        source="Figures 7 and 15",
        measure=least(losses_above(_PLAIN, RICH), losses_above(_PLAIN, FRUGAL)),
        arms=(BASELINE, _PLAIN),
        question=_ADAPTATION,
    ),
    Check(
        name="G4a",
        text="Between two tasks, with the others at 0, losses span a wider range than PHN's",
        quantity="range beyond PHN's, relative, mean over pairs of tasks",
        source="Figures 13 and 14",
        measure=wider_losses_on_edges(_PHN),
        arms=(BASELINE, _PHN),
        question=PAIRS,
        own_evaluation=True,
    ),
    Check(
        name="G4b",
        text="A stand-in for the same: over all evaluated preferences a wider range than PHN-BN's",
        quantity="range at c = 0 beyond PHN-BN's, relative, mean over tasks",
        source="after Figures 13 and 14",
        measure=wider_losses(_PHN_BN),
        arms=(BASELINE, _PHN_BN),
        question=_BASELINES,
    ),
    Check(
        name="G5a",
        text="At even r a larger c shares no fewer low layers",
        quantity="layers from the image up that all tasks share, beyond those at the next smaller c; mean of "
        "the most even fifth of preferences, least favourable step",
        source="Figure 16",
        measure=both_ends(deeper_sharing),
        may_tie=True,
        question=_REGULARIZER,
    ),
    Check(
        name="G5b",
        text="At skewed r most nodes are of the main stream",
        quantity="share of the nodes that run that are of the stream of a task with .8 of r, above a half",
        source="Figure 17",
        measure=own_stream,
        question=_REGULARIZER,
    ),
)
