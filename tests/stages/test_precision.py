"""Features in bfloat16: which part of a step it touches, and that results then have another address."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.step import Step
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import soft_forward
from dymu.objectives.task_losses import grouped_task_loss
from dymu.spec.study import Study, override
from dymu.stages import edge, losses
from dymu.stages.context import RunContext
from dymu.stages.optimisation import Optimisation
from dymu.stages.precision import features_in
from dymu.stages.tensors import load_tensor
from dymu.tracking.spool import METRICS

SHORT = Optimisation(num_steps=3)
# Bounds of the relative change of the loss of the first step. bfloat16 keeps 8 bits, so a product is off by
# up to 4e-3; 1e-3 to 5e-3 was measured. What the order of sums changes is a thousand times less.
LEAST, MOST = 1e-5, 3e-2


def objective_of_first_step(step: Step, context: RunContext) -> float:
    """The objective before any update."""
    step.run(step, context)
    first = (context.work_dir / METRICS).read_text(encoding="utf-8").splitlines()[0]
    return float(json.loads(first)["metrics"]["objective"])


def in_bfloat16(step: Step) -> Step:
    """The same step with another precision."""
    settings = step.config
    holder = settings.recipe if hasattr(settings, "recipe") else settings
    there = changed(holder, {"optimisation": changed(holder.optimisation, {"precision": "bfloat16"})})
    return Step(
        stage=step.stage,
        revision=step.revision,
        config=changed(settings, {"recipe": there}) if hasattr(settings, "recipe") else there,
        run=step.run,
        inputs=step.inputs,
        seed=step.seed,
    )


@pytest.mark.parametrize("name", ["anchor", "anchor_stream", "edge", "weight", "shared", "phn_bn"])
def test_bfloat16_moves_a_stage_by_more_than_rounding_and_by_little(
    name: str, steps: Mapping[str, Step], context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    exact, rough = steps[name], in_bfloat16(steps[name])
    assert exact.address != rough.address
    expected = objective_of_first_step(exact, context_of(exact, tmp_path / "exact"))
    found = objective_of_first_step(rough, context_of(rough, tmp_path / "rough"))
    assert LEAST < abs(found - expected) / abs(expected) < MOST


def test_single_precision_has_the_address_of_before_the_choice() -> None:
    assert "precision" not in canonical(SHORT)
    assert canonical(changed(SHORT, {"precision": "bfloat16"}))["precision"] == "bfloat16"


def test_all_that_is_kept_and_published_is_in_single_precision(
    steps: Mapping[str, Step], context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    rough = in_bfloat16(steps["anchor"])
    context = context_of(rough, tmp_path, checkpoint_steps=3)
    rough.run(rough, context)
    state = context.restore()
    assert state is not None
    moments = [value for entry in state["optimizer"]["state"].values() for value in entry.values()]
    tensors = [*state["modules"]["anchor"].values(), *moments]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    weight = load_tensor(context.out_dir / "anchor.safetensors", "heads.0.linear.weight")
    assert weight.dtype == torch.float32


def test_hypernet_and_losses_stay_in_single_precision(
    steps: Mapping[str, Step],
    context_of: Callable[..., RunContext],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    seen: dict[str, set[torch.dtype]] = {"features": set(), "trees": set(), "losses": set()}
    grouped, mixed = grouped_task_loss, soft_forward

    def note_losses(task: Any, prediction: Tensor, target: Tensor) -> Tensor:
        loss = grouped(task, prediction, target)
        seen["losses"].add(loss.dtype)
        return loss

    def note_forward(net: AnchorNet, images: Tensor, probs: Tensor, **settings: Any) -> list[Tensor]:
        seen["trees"].add(probs.dtype)
        predictions = mixed(net, images, probs, **settings)
        seen["features"] |= {prediction.dtype for prediction in predictions}
        return predictions

    monkeypatch.setattr(losses, "grouped_task_loss", note_losses)
    monkeypatch.setattr(edge, "soft_forward", note_forward)
    rough = in_bfloat16(steps["edge"])
    rough.run(rough, context_of(rough, tmp_path))
    assert seen == {"features": {torch.bfloat16}, "trees": {torch.float32}, "losses": {torch.float32}}


def test_a_table_of_losses_has_no_features_to_compute(study: Study) -> None:
    tabulated = override(study, "method.edge.objective", "tabulated")
    with pytest.raises(SpecError, match="precision 'float32' with objective 'tabulated'"):
        override(tabulated, "method.edge.optimisation.precision", "bfloat16")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Optimisation\.precision"):
        changed(SHORT, {"precision": "float16"})


def test_single_precision_is_the_absence_of_a_choice() -> None:
    with features_in("float32", "cpu"):
        assert not torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with features_in("bfloat16", "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
