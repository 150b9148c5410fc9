"""What a search looks at: a trained method, measured like in the evaluation, but on the validation split."""

from dymu.artifacts.step import Step
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.stages.context import RunContext
from dymu.stages.evaluate import EvaluateConfig, publish_record
from dymu.stages.inputs import dataset_of

STAGE = "validate"
REVISION = 1


def validation_step(final: Step) -> Step:
    """The step that measures on the validation split what an evaluation step measures on the test split.

    Args:
        final: An evaluation step. Its inputs are shared, so that both together train once.

    Raises:
        SpecError: If the step is no evaluation of :mod:`dymu.stages.evaluate`.
    """
    if not isinstance(final.config, EvaluateConfig):
        raise SpecError(
            f"{final.address} is no evaluation step of dymu, so it has no counterpart on the validation "
            "split; give the method a function validation(study, seed) that makes one."
        )
    return Step(
        stage=STAGE,
        revision=REVISION,
        config=final.config,
        run=run_validate,
        inputs=final.inputs,
        seed=final.seed,
    )


def run_validate(step: Step, context: RunContext) -> None:
    """Measure on the validation split; publishes ``record.json``."""
    publish_record(step, context, dataset_of(step).load(Split.VAL, context.data))
