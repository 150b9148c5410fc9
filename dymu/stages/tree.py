"""The tree that the edge hypernet predicts for one preference, and how trees lie on disk."""

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.networks.tree import most_likely_parents
from dymu.stages.context import RunContext
from dymu.stages.edge import load_edge
from dymu.stages.tensors import load_tensor, save_tensors

STAGE = "tree"
REVISION = 1
TREE = "tree.safetensors"
PARENTS = "parents_LN"
LOGITS = "logits_LNN"


@config
class TreeConfig:
    """Configuration of a prediction.

    Attributes:
        resource_preference: c.
        task_preference: r; ``None`` for the uniform one, as in Tables 5 and 7.
    """

    resource_preference: float
    task_preference: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check(0 <= self.resource_preference <= 1, self, "resource_preference", "a number in [0, 1]")
        fits = self.task_preference is None or (
            all(share >= 0 for share in self.task_preference) and abs(sum(self.task_preference) - 1) < 1e-4
        )
        check(fits, self, "task_preference", "None or numbers >= 0, one per task, that sum to one")


def tree_step(settings: TreeConfig, *, edge: Step) -> Step:
    """The step that asks a trained edge hypernet for a tree."""
    num_tasks = len(edge.inputs["anchor"].config.dataset.tasks)
    fits = settings.task_preference is None or len(settings.task_preference) == num_tasks
    check(fits, settings, "task_preference", f"None or {num_tasks} numbers, one per task")
    return Step(stage=STAGE, revision=REVISION, config=settings, run=run_tree, inputs={"edge": edge})


@torch.no_grad()
def run_tree(step: Step, context: RunContext) -> None:
    """Predict; publishes ``tree.safetensors``."""
    settings: TreeConfig = step.config
    edge = step.inputs["edge"]
    num_tasks = len(edge.inputs["anchor"].config.dataset.tasks)
    preference_N = settings.task_preference or (1.0 / num_tasks,) * num_tasks
    preference_1N = torch.tensor([preference_N], dtype=torch.float32, device=context.device)
    resource_1 = torch.tensor([settings.resource_preference], dtype=torch.float32, device=context.device)
    logits_LNN = load_edge(edge, context)(preference_1N, resource_1)[0].cpu()
    save_tree(most_likely_parents(logits_LNN.unsqueeze(0))[0], logits_LNN, context)


def save_tree(parents_LN: Tensor, logits_LNN: Tensor, context: RunContext) -> None:
    """Publish a tree and the logits that it was read from.

    Args:
        parents_LN: Parent of each node, as in :mod:`dymu.networks.tree`.
        logits_LNN: [layer, child, parent].
        context: Where the step writes.
    """
    save_tensors({PARENTS: parents_LN, LOGITS: logits_LNN}, context.out_dir / TREE)


def load_tree(context: RunContext, role: str = "tree") -> tuple[Tensor, Tensor]:
    """Parents (L, N) and logits (L, N, N) of an input, on the CPU.

    Raises:
        CorruptArtifactError: If the file cannot be read.
    """
    path = context.input_dirs[role] / TREE
    return load_tensor(path, PARENTS), load_tensor(path, LOGITS)
