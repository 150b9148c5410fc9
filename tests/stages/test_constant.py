"""The floor of every method: what training targets say without looking at an image."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.config import config
from dymu.artifacts.record import Record
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.methods.constant import Constant
from dymu.spec.study import Study, override
from dymu.spec.task import Task
from dymu.stages.constant import FILE, constant_predictions, constant_step
from dymu.stages.context import Interrupted, RunContext

HALF = (slice(None), slice(None), slice(0, 2))


@config
class Dense:
    """Four pictures of 4x4 pixels with one target of each kind, of which the upper half is unknown."""

    empty: bool = False

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (
            Task(name="class", kind="classification", num_outputs=3),
            Task(name="rooms", kind="segmentation", num_outputs=3),
            Task(name="normals", kind="normals", num_outputs=3),
            Task(name="depth", kind="depth", num_outputs=1),
            Task(name="saliency", kind="saliency", num_outputs=1),
            Task(name="edges", kind="edges", num_outputs=1, positive_weight=0.8),
        )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return 3, 4, 4

    def load(self, split: Split, place: DataPlace) -> Examples:  # noqa: ARG002
        rooms = torch.full((4, 4, 4), 2)
        rooms[0] = 1
        rooms[:, 0:2] = 255
        normals = torch.zeros(4, 3, 4, 4)
        normals[:, 2] = 1.0
        normals[0, :, :, :] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        normals[HALF] = 0.0
        depth = torch.full((4, 1, 4, 4), 3.0)
        depth[0] = 1.0
        depth[HALF] = 0.0
        binary = torch.zeros(4, 1, 4, 4)
        binary[0] = 1.0
        binary[HALF] = 255.0
        if self.empty:
            depth.zero_()
        targets = {
            "class": torch.tensor([0, 2, 2, 2]),
            "rooms": rooms,
            "normals": normals,
            "depth": depth,
            "saliency": binary,
            "edges": binary,
        }
        return Examples(images=torch.zeros(4, 3, 4, 4), targets=targets, digest="d")


def answers(folder: Path, make: Callable[..., RunContext], dataset: Any) -> Mapping[str, Tensor]:
    step = constant_step(dataset, seed=0)
    context = make(step, folder)
    step.run(step, context)
    return load_file(context.out_dir / FILE)


def test_answers_are_what_known_targets_are_like(
    tmp_path: Path, context_of: Callable[..., RunContext]
) -> None:
    found = answers(tmp_path, context_of, Dense())
    torch.testing.assert_close(found["class"].exp(), torch.tensor([2.0, 1.0, 4.0]) / 7)
    torch.testing.assert_close(found["rooms"].exp(), torch.tensor([1.0, 9.0, 25.0]) / 35)
    torch.testing.assert_close(found["normals"], torch.tensor([1.0, 0.0, 3.0]) / math.sqrt(10))
    torch.testing.assert_close(found["depth"], torch.tensor([2.5]))
    for name in ("saliency", "edges"):
        torch.testing.assert_close(found[name], torch.tensor([math.log(9 / 25)]))


def test_a_task_without_any_known_target_is_refused(
    tmp_path: Path, context_of: Callable[..., RunContext]
) -> None:
    with pytest.raises(DataError, match=r"task 'depth' has no known target in the training split"):
        answers(tmp_path, context_of, Dense(empty=True))


def test_a_request_to_stop_is_heard(tmp_path: Path, context_of: Callable[..., RunContext]) -> None:
    step = constant_step(Dense(), seed=0)
    with pytest.raises(Interrupted):
        step.run(step, context_of(step, tmp_path, stop_requested=lambda: True))


def test_every_image_gets_the_same_prediction() -> None:
    tasks = Dense().tasks[:2]
    images = torch.randn(5, 3, 4, 6)
    flat, dense = constant_predictions([torch.arange(3.0), torch.arange(3.0)], tasks, images)
    assert flat.shape == (5, 1, 3)
    assert dense.shape == (5, 1, 3, 4, 6)
    assert torch.equal(dense[4, 0, :, 3, 5], torch.arange(3.0))


def test_the_record_says_what_the_most_frequent_class_achieves(
    study: Study, record_of: Callable[[Study], Record], place: DataPlace, published: Callable[[Step], Path]
) -> None:
    constant = override(study, "method", Constant())
    record = record_of(constant)
    test = study.dataset.load(Split.TEST, place)
    logits = load_file(published(constant.evaluation_step(0).inputs["constant"]) / FILE)
    for task in study.dataset.tasks:
        expected = (test.targets[task.name] == int(logits[task.name].argmax())).double().mean()
        assert record.values[f"task/{task.name}/accuracy"].value == pytest.approx(float(expected), abs=1e-6)
    assert record.method == "constant"
    assert {value for point in record.points for value in point.macs} == {0.0}
