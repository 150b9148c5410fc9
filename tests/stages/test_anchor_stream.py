"""Parts of an anchor: put together they are the anchor, bit for bit, and tell what it would have told."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.errors import CorruptArtifactError, SpecError, TrainingError
from dymu.spec.study import Study, override
from dymu.stages.anchor import WEIGHTS
from dymu.stages.anchor_stream import LOSSES, STAGE, anchor_stream_step
from dymu.stages.context import RunContext
from dymu.stages.tensors import load_tensor
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]


def anchor_of(study: Study) -> Step:
    return next(step for step in study.evaluation_step(0).closure() if step.stage == "anchor")


def bytes_of(context: RunContext) -> dict[str, bytes]:
    weights = (context.out_dir / WEIGHTS).read_bytes()
    return {WEIGHTS: weights, METRICS: (context.work_dir / METRICS).read_bytes()}


@pytest.fixture
def together(context_of: MakeContext, tmp_path: Path) -> Callable[[Step], dict[str, bytes]]:
    """The files of an anchor that was trained in one piece."""

    def run(anchor: Step) -> dict[str, bytes]:
        context = context_of(anchor, tmp_path / "together")
        anchor.run(anchor, context)
        return bytes_of(context)

    return run


@pytest.fixture
def parts_of(context_of: MakeContext, tmp_path: Path) -> Callable[[Step], dict[str, Path]]:
    """The published folders of an anchor's parts, by address; the last is trained first."""

    def run(anchor: Step) -> dict[str, Path]:
        folders = {}
        for part in reversed(anchor.parts):
            context = context_of(part, tmp_path / part.address)
            part.run(part, context)
            folders[part.address] = context.out_dir
        return folders

    return run


@pytest.mark.parametrize("initialisation", ["common", "independent", "shared", "own images", "pretrained"])
@pytest.mark.parametrize("lines", [100, 2])
def test_apart_has_the_bytes_of_together(
    study: Study,
    steps: Mapping[str, Step],
    together: Callable[[Step], dict[str, bytes]],
    parts_of: Callable[[Step], dict[str, Path]],
    context_of: MakeContext,
    published: Callable[[Step], Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    initialisation: str,
    lines: int,
) -> None:
    for name in ("shared_start", "own_images_anchor"):
        published(steps[name].inputs["start"])  # for all tests of the session, so with the usual lines
    monkeypatch.setattr("dymu.stages.training.LOG_LINES", lines)
    anchors = {
        "common": anchor_of(study),
        "independent": anchor_of(override(study, "method.anchor.initialisation", "independent")),
        "shared": steps["shared_start"],
        "own images": steps["own_images_anchor"],
        "pretrained": steps["pretrained_anchor"],
    }
    anchor = anchors[initialisation]
    context = context_of(anchor, tmp_path / "apart", parts=parts_of(anchor))
    anchor.run(anchor, context)
    assert bytes_of(context) == together(anchor)


def test_what_an_attempt_told_before_it_was_killed_is_told_once(
    steps: Mapping[str, Step],
    parts_of: Callable[[Step], dict[str, Path]],
    context_of: MakeContext,
    tmp_path: Path,
) -> None:
    anchor = steps["anchor"]
    context = context_of(anchor, tmp_path / "apart", parts=parts_of(anchor))
    context.log(0, {"loss/left": 3.0})
    anchor.run(anchor, context)
    told = [json.loads(line)["step"] for line in (context.work_dir / METRICS).read_text().splitlines()]
    assert told == sorted(set(told))


def test_there_is_a_part_for_each_task_in_order(steps: Mapping[str, Step]) -> None:
    anchor = steps["anchor"]
    assert [part.config.task for part in anchor.parts] == [t.name for t in anchor.config.dataset.tasks]
    assert {part.stage for part in anchor.parts} == {STAGE}
    assert len({part.address for part in anchor.parts}) == len(anchor.parts)


def test_parts_are_no_part_of_the_address(steps: Mapping[str, Step]) -> None:
    anchor = steps["anchor"]
    bare = Step(
        stage=anchor.stage,
        revision=anchor.revision,
        config=anchor.config,
        run=anchor.run,
        seed=anchor.seed,
    )
    assert bare.parts == ()
    assert bare.address == anchor.address


def test_anchors_that_differ_have_parts_that_differ(study: Study) -> None:
    anchor = anchor_of(study)
    others = (
        anchor_of(override(study, "method.anchor.batch_size", 7)),
        anchor_of(override(study, "method.anchor.initialisation", "independent")),
        anchor_of(override(study, "method.anchor.optimisation.learning_rate", 0.5)),
        next(step for step in study.evaluation_step(1).closure() if step.stage == "anchor"),
    )
    addresses = [part.address for step in (anchor, *others) for part in step.parts]
    assert len(set(addresses)) == len(addresses)


def test_losses_are_those_of_every_training_step(
    steps: Mapping[str, Step], parts_of: Callable[[Step], dict[str, Path]]
) -> None:
    part = steps["anchor"].parts[0]
    losses = load_tensor(parts_of(steps["anchor"])[part.address] / LOSSES, "losses")
    assert losses.shape == (part.config.optimisation.num_steps,)
    assert (losses > 0).all()
    assert len(losses.unique()) == len(losses)


def test_parts_that_were_mixed_up_are_refused(
    study: Study,
    parts_of: Callable[[Step], dict[str, Path]],
    context_of: MakeContext,
    tmp_path: Path,
) -> None:
    anchor = anchor_of(study)
    folders = parts_of(anchor)
    content = (folders[anchor.parts[0].address] / LOSSES).read_bytes()
    (folders[anchor.parts[0].address] / "anchor_stream.safetensors").write_bytes(content)
    with pytest.raises(CorruptArtifactError):
        anchor.run(anchor, context_of(anchor, tmp_path / "apart", parts=folders))


def test_a_part_takes_a_shared_net_if_and_only_if_it_starts_from_one(
    steps: Mapping[str, Step], shared_start: Step
) -> None:
    part, shared_part = steps["anchor_stream"], shared_start.parts[0]
    with pytest.raises(SpecError, match=r"AnchorStreamConfig\.initialisation='shared' needs a shared net"):
        anchor_stream_step(shared_part.config, shared=None, seed=0)
    with pytest.raises(SpecError, match="others take none"):
        anchor_stream_step(part.config, shared=shared_part.inputs["start"], seed=0)


def test_a_loss_that_is_not_finite_stops_its_part(
    study: Study, context_of: MakeContext, tmp_path: Path
) -> None:
    heavy = anchor_of(override(study, "dataset.parity_weight", 1e39))
    part = next(part for part in heavy.parts if part.config.task == "parity")
    with pytest.raises(TrainingError, match="the loss of task parity"):
        part.run(part, context_of(part, tmp_path))


def test_a_task_that_the_dataset_lacks_is_refused(steps: Mapping[str, Step]) -> None:
    with pytest.raises(SpecError, match=r"AnchorStreamConfig.task is 'hue'; expected one of left, "):
        changed(steps["anchor"].parts[0].config, {"task": "hue"})


def test_losses_survive_in_the_checkpoint(
    steps: Mapping[str, Step], context_of: MakeContext, tmp_path: Path
) -> None:
    context = context_of(steps["anchor_stream"], tmp_path, checkpoint_steps=2)
    context.step.run(context.step, context)
    state = context.restore()
    assert state is not None
    written = state["modules"]["trace"]["losses"]
    assert torch.count_nonzero(written) == state["step"]
