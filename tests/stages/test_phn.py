"""PHN: a hypernet trained through the nets that it generates, and judged like any other method."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dymu.artifacts.record import Record
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples, draw_batch
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from dymu.methods.controllable import Controllable
from dymu.methods.phn import PHN
from dymu.networks.anchor_net import single_task_nets
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.phn_hypernet import PHNHypernetConfig, make_phn_hypernet, named_weights
from dymu.networks.tree import shared_stream
from dymu.spec.study import Study, override
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.measure import Bench, measure
from dymu.stages.phn import HYPERNET, STEM, PHNConfig, load_phn
from dymu.stages.predictors import PHNPredictor
from dymu.stages.preferences import draw_preferences
from dymu.stages.randomness import Randomness
from dymu.tracking.spool import METRICS

MakeContext = Callable[..., RunContext]
Runner = Callable[..., Path]

HYPERNET_SIZE = PHNHypernetConfig(
    embedding_dim=4, chunk_dim=6, hidden_dim=8, num_matrices=2, matrix_weights=50
)


@pytest.fixture(scope="module")
def phn_study(study: Study) -> Study:
    controllable = study.method
    assert isinstance(controllable, Controllable)
    method = PHN(
        backbone=controllable.anchor.backbone,
        optimisation=controllable.anchor.optimisation,
        hypernet=HYPERNET_SIZE,
        preferences_per_step=2,
        batch_size=4,
    )
    return Study(name="tiny", dataset=study.dataset, method=method, evaluation=study.evaluation)


@pytest.fixture(scope="module")
def step(phn_study: Study) -> Step:
    return phn_study.evaluation_step(0).inputs["phn"]


def test_the_first_step_is_the_weighted_loss_of_the_generated_nets(
    step: Step, published: Runner, place: DataPlace
) -> None:
    settings: PHNConfig = step.config
    tasks, random = settings.dataset.tasks, Randomness(0, "phn")
    net = single_task_nets(
        settings.backbone,
        tasks,
        settings.dataset.input_shape,
        random.torch("initialisation"),
        num_streams=1,
    )
    hypernet = make_phn_hypernet(settings.hypernet, net, random.torch("hypernet"))
    preference_PN, _ = draw_preferences(2, num_tasks=3, concentration=0.2, rng=random.numpy("preferences", 0))
    examples: Examples = settings.dataset.load(Split.TRAIN, place)
    batch = examples.batch(draw_batch(len(examples), 4, random.torch("batch", 0)))
    rows = []
    for preference in preference_PN:
        net.load_state_dict({**net.state_dict(), **named_weights(net, hypernet(preference))})
        predictions = tree_forward(net, batch.images, shared_stream(3, 3), Conditions("batch"))
        rows.append(batch_losses(tasks, predictions, batch.targets)[0].detach())
    losses = torch.stack(rows)
    expected = {
        "objective": (preference_PN * losses).sum(dim=1).mean().item(),
        "learning_rate": settings.optimisation.rate(0),
        **{f"loss/{task.name}": losses[:, n].mean().item() for n, task in enumerate(tasks)},
    }
    line: dict[str, Any] = json.loads((published(step) / METRICS).read_text().splitlines()[0])
    assert line["metrics"] == pytest.approx(expected, rel=1e-5)


def test_training_changes_all_of_the_hypernet(step: Step, published: Runner) -> None:
    settings: PHNConfig = step.config
    random = Randomness(0, "phn")
    net = single_task_nets(
        settings.backbone,
        settings.dataset.tasks,
        settings.dataset.input_shape,
        torch.Generator(),
        num_streams=1,
    )
    start = make_phn_hypernet(settings.hypernet, net, random.torch("hypernet")).state_dict()
    found = load_file(published(step) / HYPERNET)
    assert set(found) == set(start)
    assert all(not torch.equal(found[name], start[name]) for name in start)


def test_an_interrupted_training_publishes_the_same_bytes(
    step: Step, context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    answers = iter([False] * 3)
    context = context_of(step, tmp_path, attempt="first", stop_requested=lambda: next(answers, True))
    with pytest.raises(Interrupted):
        step.run(step, context)
    context = context_of(step, tmp_path, attempt="second")
    step.run(step, context)
    assert (context.out_dir / HYPERNET).read_bytes() == (published(step) / HYPERNET).read_bytes()
    assert (context.work_dir / METRICS).read_bytes() == (published(step) / METRICS).read_bytes()


def test_what_was_read_is_frozen_and_what_was_published(
    phn_study: Study, step: Step, context_of: MakeContext, published: Runner, tmp_path: Path
) -> None:
    net, hypernet = load_phn(step, context_of(phn_study.evaluation_step(0), tmp_path))
    saved = load_file(published(step) / HYPERNET)
    assert all(torch.equal(saved[name], tensor) for name, tensor in hypernet.state_dict().items())
    assert not any(parameter.requires_grad for parameter in [*net.parameters(), *hypernet.parameters()])
    assert net.num_streams == 1
    assert not (published(step) / STEM).exists()


def test_a_stem_is_not_generated_and_keeps_the_start_that_it_was_given(
    phn_study: Study,
    pretrained_backbone: Backbone,
    pretrained_tensors: Mapping[str, Tensor],
    context_of: MakeContext,
    published: Runner,
    tmp_path: Path,
) -> None:
    reader = override(phn_study, "method.backbone", pretrained_backbone).evaluation_step(0)
    net, hypernet = load_phn(reader.inputs["phn"], context_of(reader, tmp_path))
    assert net.stem is not None
    found = net.stem.state_dict()
    assert torch.equal(found["conv.weight"], pretrained_tensors["toy.stem.conv.weight"])
    assert torch.equal(found["norm.running_var"], pretrained_tensors["toy.stem.norm.running_var"])
    assert hypernet.num_weights == net.num_parameters() - net.stem.num_parameters()
    saved = load_file(published(reader.inputs["phn"]) / STEM)
    assert all(torch.equal(saved[name], tensor) for name, tensor in found.items())


def test_every_preference_is_measured_on_its_own_net(
    phn_study: Study, step: Step, context_of: MakeContext, place: DataPlace, tmp_path: Path
) -> None:
    context = context_of(phn_study.evaluation_step(0), tmp_path)
    bench = Bench(
        examples=phn_study.dataset.load(Split.VAL, place),
        calibration=phn_study.dataset.load(Split.TRAIN, place),
        protocol=phn_study.evaluation,
        context=context,
    )
    preferences = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
    net, hypernet = load_phn(step, context)
    predictor = PHNPredictor(net, hypernet)
    found = predictor.measure(preferences, 0.0, bench)
    assert found.losses_SN.shape == (3, 3)
    assert len(found.losses_SN.unique(dim=0)) == 3
    assert torch.equal(found.losses_SN, predictor.measure(preferences, 1.0, bench).losses_SN)
    other, _ = load_phn(step, context)
    for row, preference in enumerate(torch.from_numpy(preferences).float()):
        other.load_state_dict({**other.state_dict(), **named_weights(other, hypernet(preference))})
        alone = measure(other, shared_stream(3, 3), None, bench)
        assert torch.equal(found.losses_SN[row], alone.losses_SN[0])
        assert found.metrics["left/accuracy"][row] == alone.metrics["left/accuracy"][0]
    assert predictor.cost(preferences, 0.0).parameters_S.tolist() == [net.num_parameters()] * 3
    assert predictor.control_parameters() == sum(parameter.numel() for parameter in hypernet.parameters())
    assert predictor.anchor_parameters() == net.num_parameters()
    assert not predictor.follows_resource


@pytest.mark.parametrize("statistics", ["batch", "recalibrated"])
def test_a_tiny_study_ends_in_a_record(
    phn_study: Study, record_of: Callable[[Study], Record], statistics: str
) -> None:
    given = phn_study
    if statistics != "batch":
        given = override(phn_study, "evaluation.statistics", statistics)
    record = record_of(given)
    values = {name: value.value for name, value in record.values.items()}
    assert 0 <= values["hypervolume"] < 64
    num_chunks = math.ceil(values["anchor_parameters"] / 100)
    trunk = (4 + 6) * 8 + 8 + 2 * (8 * 8 + 8)
    assert values["control_parameters"] == 3 * 4 + 6 * num_chunks + trunk + 100 * 8


def test_a_missing_target_is_named(
    step: Step, context_of: MakeContext, lose_target: Callable[..., None], tmp_path: Path
) -> None:
    context = context_of(step, tmp_path)
    lose_target("parity", Split.TRAIN)
    with pytest.raises(DataError, match="no targets for task 'parity'"):
        step.run(step, context)


@pytest.mark.parametrize(
    "wrong", [{"preferences_per_step": 0}, {"batch_size": 1}, {"concentration": 0.0}], ids=str
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any], step: Step) -> None:
    settings: PHNConfig = step.config
    good: dict[str, Any] = {
        "dataset": settings.dataset,
        "backbone": settings.backbone,
        "optimisation": settings.optimisation,
    }
    with pytest.raises(SpecError, match=rf"PHNConfig\.{next(iter(wrong))}"):
        PHNConfig(**good | wrong)
