"""The predictor that never looks: for every image the same answer, that of the training split.

Whatever is learnt has to beat it. Classes: the logarithm of their shares, so the most frequent one is
predicted. Normals: the mean vector. Depth: the mean. Saliency and edges: the log-odds of a positive pixel.
"""

from collections.abc import Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from torch import Tensor

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.spec.dataset import Dataset
from dymu.spec.task import BINARY_KINDS, IGNORED_CLASS, Task
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.tensors import load_tensor, save_tensors

STAGE = "constant"
REVISION = 1
FILE = "constant.safetensors"
BATCH = 64

# Added to every count, so that a class that training never shows keeps a finite logarithm.
_PRIOR = 1.0


@config
class ConstantConfig:
    """Configuration of the constant answers: the training split decides everything.

    Attributes:
        dataset: What is predicted.
    """

    dataset: Dataset


def constant_step(dataset: Dataset, *, seed: int) -> Step:
    """The step that reads the training split once; it draws nothing, the seed pairs it with other methods."""
    return Step(
        stage=STAGE, revision=REVISION, config=ConstantConfig(dataset=dataset), run=run_constant, seed=seed
    )


def run_constant(step: Step, context: RunContext) -> None:
    """Find the answers; publishes ``constant.safetensors``, per task a tensor (num_outputs,)."""
    settings: ConstantConfig = step.config
    tasks = settings.dataset.tasks
    examples: Examples = settings.dataset.load(Split.TRAIN, context.data)
    examples.require(tasks)
    totals = [torch.zeros(_statistics(task) + 1, dtype=torch.float64) for task in tasks]
    parts = torch.arange(len(examples)).split(BATCH)
    for number, index_B in enumerate(parts):
        if context.stop_requested():
            raise Interrupted(step.address)
        targets = examples.batch(index_B, context.device).targets
        for total, task in zip(totals, tasks, strict=True):
            total += _sums(task, targets[task.name]).cpu()
        context.spool.progress(number + 1, len(parts))
    answers = {task.name: _answer(task, total) for task, total in zip(tasks, totals, strict=True)}
    save_tensors(answers, context.out_dir / FILE)


def load_constants(step: Step, context: RunContext) -> list[Tensor]:
    """Per task the answer (num_outputs,) of the step's input."""
    path = context.input_dirs["constant"] / FILE
    return [load_tensor(path, task.name).to(context.device) for task in step.config.dataset.tasks]


def constant_predictions(answers: Sequence[Tensor], tasks: Sequence[Task], images: Tensor) -> list[Tensor]:
    """Per task the predictions (B, 1, num_outputs) or (B, 1, num_outputs, H, W), as views."""
    size_B, (height, width) = len(images), images.shape[-2:]
    return [
        answer.expand(size_B, 1, -1)
        if task.kind == "classification"
        else answer[:, None, None].expand(size_B, 1, -1, height, width)
        for answer, task in zip(answers, tasks, strict=True)
    ]


def _statistics(task: Task) -> int:
    """How many sums an answer is made of."""
    return 1 if task.kind in BINARY_KINDS else task.num_outputs


def _sums(task: Task, target: Tensor) -> Tensor:
    """Sums of a batch, and the number of valid examples or pixels at the end."""
    match task.kind:
        case "classification" | "segmentation":
            known = target[target != IGNORED_CLASS] if task.kind == "segmentation" else target
            sums = torch.bincount(known.flatten(), minlength=task.num_outputs).double()
            return torch.cat([sums, sums.new_tensor([known.numel()])])
        case "normals" | "depth":
            valid_BHW = (target != 0).any(dim=1)
            sums = target.double().sum(dim=(0, 2, 3))
            return torch.cat([sums, sums.new_tensor([int(valid_BHW.sum())])])
        case "saliency" | "edges":
            valid = target != IGNORED_CLASS
            positive = (target.double() * valid).sum()
            return torch.stack([positive, valid.sum().double()])
        case _:
            assert_never(task.kind)


def _answer(task: Task, total: Tensor) -> Tensor:
    *_, count = total.tolist()
    sums = total[:-1]
    if count == 0:
        raise DataError(f"task {task.name!r} has no known target in the training split; look at its files.")
    match task.kind:
        case "classification" | "segmentation":
            answer = ((sums + _PRIOR) / (count + _PRIOR * task.num_outputs)).log()
        case "normals":
            answer = F.normalize(sums, dim=0)
        case "depth":
            answer = sums / count
        case "saliency" | "edges":
            answer = ((sums + _PRIOR) / (count - sums + _PRIOR)).log()
        case _:
            assert_never(task.kind)
    return answer.float()
