"""Is the exact expected task loss as good an edge objective as the paper's softly mixed minibatch?

The tabulated objective sees more preferences a step for less time; both are judged without adaptation too,
because the weight hypernet repairs part of what the edge hypernet gets wrong.
"""

from dymu.spec.ablation import Ablation, Claim, Question
from dymu.stages.optimisation import Optimisation
from studies.digits import ours

TABULATED = {
    "method.edge.objective": "tabulated",
    "method.edge.optimisation": Optimisation(num_steps=3000, decay_every=1400),
    "method.edge.temperature_every": 30,
    "method.edge.preferences_per_step": 24,
}

QUESTION = Question(
    title="Is a table of path losses as good an edge objective as a minibatch?",
    source="docs/log.md",
    baseline=ours,
    baseline_label="minibatch",
    ablations=(
        Ablation(
            name="tabulated",
            label="tabulated",
            starts_at="edge",
            changes=TABULATED,
            claims=(Claim(metric="hypervolume/c=0", direction="flat", tolerance=0.05, source="docs/log.md"),),
        ),
        Ablation(
            name="straight-through",
            label="minibatch, straight-through samples",
            starts_at="edge",
            changes={"method.edge.sample": "straight_through"},
            claims=(
                Claim(
                    metric="active_parameters/c=1",
                    direction="flat",
                    against="active_parameters/c=0",
                    source="docs/log.md: control over c is lost",
                ),
            ),
        ),
        Ablation(
            name="one-preference",
            label="minibatch, one preference a step, eight times the images",
            starts_at="edge",
            changes={"method.edge.preferences_per_step": 1, "method.edge.batch_size": 64},
        ),
    ),
)
