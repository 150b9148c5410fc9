"""Measuring: each distinct piece of work once, and the same numbers as each network by itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import DataError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.coarse import Coarse
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.forward import Adaptation, Conditions, tree_forward
from dymu.networks.norm import Norm, NormMode
from dymu.networks.tree import separate_streams, shared_stream
from dymu.networks.weight_hypernet import num_modulated_channels
from dymu.spec.evaluation import EvaluationConfig, Statistics
from dymu.spec.study import Study
from dymu.spec.task import IGNORED_CLASS, Task
from dymu.stages.context import Interrupted, RunContext
from dymu.stages.losses import batch_losses
from dymu.stages.measure import Bench, measure, side_by_side

PROTOCOL = EvaluationConfig(reference_point=(9.0, 9.0, 9.0), batch_size=20, recalibration_batches=3)
STATISTICS: list[Statistics] = ["batch", "running", "recalibrated"]
COUNT = 7

TASKS = (
    Task(name="left", kind="classification", num_outputs=10),
    Task(name="rooms", kind="segmentation", num_outputs=4, loss_weight=2.0),
    Task(name="depth", kind="depth", num_outputs=1, loss_weight=3.0),
)


def with_dense_targets(examples: Examples) -> Examples:
    """The tiny digits with two made-up dense tasks, in which images have unequally many known pixels."""
    generator = torch.Generator().manual_seed(3)
    size = (len(examples), 14, 14)
    unknown = torch.rand(size, generator=generator) < torch.rand(len(examples), 1, 1, generator=generator)
    rooms = torch.randint(4, size, generator=generator).masked_fill(unknown, IGNORED_CLASS)
    depth = (torch.rand(size, generator=generator) + 0.1).masked_fill(unknown, 0.0).unsqueeze(1)
    targets = {"left": examples.targets["left"], "rooms": rooms, "depth": depth}
    return Examples(images=examples.images, targets=targets, digest=examples.digest)


@pytest.fixture
def net() -> AnchorNet:
    """Streams that differ, with scales, shifts and running statistics as after some training."""
    generator = torch.Generator().manual_seed(0)
    backbone = SmallBackbone(
        channels=(2, 3, 3), resolutions=("halve", "keep", "halve"), skip_layer=1, head_channels=2
    )
    net = single_task_nets(backbone, TASKS, (1, 14, 14), generator, common_initialisation=False)
    with torch.no_grad():
        for norm in (module for module in net.modules() if isinstance(module, Norm)):
            norm.running_mean.normal_(0, 0.3, generator=generator)
            norm.running_var.uniform_(0.5, 2.0, generator=generator)
    return net.requires_grad_(False)


@pytest.fixture
def bench(
    study: Study,
    place: DataPlace,
    steps: Mapping[str, Step],
    context_of: Callable[..., RunContext],
    tmp_path: Path,
) -> Callable[..., Bench]:
    """The tiny validation split, or its first examples, under a protocol."""

    def make(*, count: int = 32, statistics: Statistics = "batch", **settings: Any) -> Bench:
        context = context_of(steps["evaluate"], tmp_path, **settings)
        validation = with_dense_targets(study.dataset.load(Split.VAL, place))
        return Bench(
            examples=validation.batch(torch.arange(count)),
            calibration=study.dataset.load(Split.TRAIN, place),
            protocol=changed(PROTOCOL, {"statistics": statistics}),
            context=context,
        )

    return make


@pytest.fixture
def trees() -> Tensor:
    """(COUNT, 3, 3), some of them equal."""
    drawn = torch.randint(3, (COUNT, 3, 3), generator=torch.Generator().manual_seed(1))
    drawn[4] = drawn[1]
    return drawn


@pytest.fixture
def adaptation(net: AnchorNet) -> Adaptation:
    shape = (2, COUNT, num_modulated_channels(net))
    scale, shift = 0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(2))
    return Adaptation(scale, shift)


def one_at_a_time(net: AnchorNet, tree: Tensor, adaptation: Adaptation | None, bench: Bench) -> Tensor:
    """(N,) losses of one network: all its predictions joined, then one loss over the whole split."""
    statistics = bench.protocol.statistics
    mode: NormMode = "replay" if statistics == "recalibrated" else statistics
    conditions = Conditions(mode, adaptation)
    if mode == "replay":
        for index_B in bench.calibration_batches():
            images = bench.calibration.images[index_B]
            tree_forward(net, images, tree[None], Conditions("collect", adaptation, conditions.memory))
    parts = [
        tree_forward(net, bench.examples.images[index_B], tree[None], conditions)
        for index_B in bench.batches()
    ]
    joined = [torch.cat(of_task) for of_task in zip(*parts, strict=True)]
    return batch_losses(TASKS, joined, bench.examples.targets)[0]


@contextmanager
def calls_of(net: AnchorNet) -> Iterator[list[int]]:
    """Numbers of preferences or paths in each call of a node of layer 0."""
    sizes: list[int] = []
    handles = [
        net.block(0, stream).register_forward_hook(
            lambda _node, inputs, _out: sizes.append(inputs[0].shape[1])
        )
        for stream in range(net.num_streams)
    ]
    try:
        yield sizes
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("adapted", [False, True])
def test_each_network_has_the_losses_that_it_has_alone(
    net: AnchorNet,
    trees: Tensor,
    adaptation: Adaptation,
    bench: Callable[..., Bench],
    statistics: Statistics,
    *,
    adapted: bool,
) -> None:
    given = bench(statistics=statistics)
    found = measure(net, trees, adaptation if adapted else None, given).losses_SN
    assert found.dtype == torch.float64
    for s, tree in enumerate(trees):
        own = Adaptation(adaptation.scale_PD[s : s + 1], adaptation.shift_PD[s : s + 1]) if adapted else None
        expected = one_at_a_time(net, tree, own, given)
        torch.testing.assert_close(found[s].float(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_how_many_adapted_networks_run_side_by_side_does_not_matter(
    net: AnchorNet,
    trees: Tensor,
    adaptation: Adaptation,
    bench: Callable[..., Bench],
    statistics: Statistics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = bench(statistics=statistics)
    whole = measure(net, trees, adaptation, given)
    monkeypatch.setattr("dymu.stages.measure.SIDE_BY_SIDE", 3)
    parts = measure(net, trees, adaptation, given)
    torch.testing.assert_close(whole.losses_SN, parts.losses_SN, rtol=1e-5, atol=1e-6)
    for name, values in whole.metrics.items():
        torch.testing.assert_close(values, parts.metrics[name], rtol=1e-4, atol=0.02)


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("paths_at_once", [1, 2])
def test_how_many_paths_run_at_once_does_not_matter(
    net: AnchorNet,
    trees: Tensor,
    bench: Callable[..., Bench],
    statistics: Statistics,
    monkeypatch: pytest.MonkeyPatch,
    paths_at_once: int,
) -> None:
    given = bench(statistics=statistics)
    whole = measure(net, trees, None, given)
    monkeypatch.setattr("dymu.stages.measure.MOST_PIXELS", paths_at_once * 20 * 14 * 14)
    parts = measure(net, trees, None, given)
    torch.testing.assert_close(whole.losses_SN, parts.losses_SN, rtol=1e-5, atol=1e-6)
    for name, values in whole.metrics.items():
        torch.testing.assert_close(values, parts.metrics[name], rtol=1e-4, atol=0.02)


def test_shuffled_batches_are_one_permutation_of_the_listed_ones(bench: Callable[..., Bench]) -> None:
    given = bench()
    shuffled = replace(given, protocol=changed(given.protocol, {"order": "shuffled"}))
    order = torch.cat(shuffled.batches())
    assert sorted(order.tolist()) == list(range(32))
    assert order.tolist() != list(range(32))
    assert torch.equal(order, torch.cat(shuffled.batches()))
    other = replace(shuffled, protocol=changed(shuffled.protocol, {"preference_seed": 1}))
    assert not torch.equal(order, torch.cat(other.batches()))


@pytest.mark.parametrize(
    ("most_pixels", "expected"), [(2**23, 20), (20 * 14 * 14 * 5, 5), (20 * 14 * 14 * 2 - 1, 1), (1, 1)]
)
def test_large_images_leave_room_for_fewer_networks(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, most_pixels: int, expected: int
) -> None:
    monkeypatch.setattr("dymu.stages.measure.MOST_PIXELS", most_pixels)
    assert side_by_side(bench()) == expected


@pytest.mark.parametrize("adapted", [False, True])
def test_every_task_has_its_metric(
    net: AnchorNet, trees: Tensor, adaptation: Adaptation, bench: Callable[..., Bench], *, adapted: bool
) -> None:
    measured = measure(net, trees, adaptation if adapted else None, bench())
    assert set(measured.metrics) == {"left/accuracy", "rooms/mean_iou", "depth/depth_rmse"}
    assert all(values.shape == (COUNT,) for values in measured.metrics.values())


def test_accuracy_is_the_share_of_right_answers(net: AnchorNet, bench: Callable[..., Bench]) -> None:
    given = bench(statistics="running")
    tree = separate_streams(3, 3)
    (prediction, *_) = tree_forward(net, given.examples.images, tree, Conditions("running"))
    hits = prediction[:, 0].argmax(dim=1) == given.examples.targets["left"]
    assert measure(net, tree, None, given).metrics["left/accuracy"].item() == hits.double().mean().item()


def test_equal_trees_have_exactly_equal_losses(
    net: AnchorNet, trees: Tensor, bench: Callable[..., Bench]
) -> None:
    losses = measure(net, trees, None, bench()).losses_SN
    assert torch.equal(losses[4], losses[1])
    assert not torch.equal(losses[4], losses[2])


def test_unadapted_networks_run_distinct_beginnings_only(net: AnchorNet, bench: Callable[..., Bench]) -> None:
    many = shared_stream(3, 3, 1).repeat(500, 1, 1)
    with calls_of(net) as sizes:
        measure(net, many, None, bench())
    assert sizes == [1, 1], "one call for each of two batches"


def test_statistics_matter(
    net: AnchorNet, trees: Tensor, adaptation: Adaptation, bench: Callable[..., Bench]
) -> None:
    for own in (None, adaptation):
        found = [measure(net, trees, own, bench(statistics=kind)).losses_SN for kind in STATISTICS]
        assert not torch.allclose(found[0], found[1])
        assert not torch.allclose(found[0], found[2])
        assert not torch.allclose(found[1], found[2])


@pytest.mark.parametrize("statistics", STATISTICS)
def test_measuring_twice_gives_the_same_bits(
    net: AnchorNet, trees: Tensor, adaptation: Adaptation, bench: Callable[..., Bench], statistics: Statistics
) -> None:
    for own in (None, adaptation):
        one, other = (measure(net, trees, own, bench(statistics=statistics)) for _ in range(2))
        assert torch.equal(one.losses_SN, other.losses_SN)
        assert all(torch.equal(one.metrics[name], other.metrics[name]) for name in one.metrics)


@pytest.mark.parametrize("statistics", ["running", "recalibrated"])
def test_without_batch_statistics_the_size_of_batches_does_not_matter(
    net: AnchorNet, trees: Tensor, bench: Callable[..., Bench], statistics: Statistics
) -> None:
    given = bench(statistics=statistics)
    found = measure(net, trees, None, given).losses_SN
    batches = list(torch.arange(32).split([3, 29]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Bench, "batches", lambda _bench: batches)
        torch.testing.assert_close(measure(net, trees, None, given).losses_SN, found, rtol=1e-5, atol=1e-6)


def test_recalibration_draws_training_batches_of_the_protocols_number_and_size(
    bench: Callable[..., Bench],
) -> None:
    given = bench(statistics="recalibrated")
    batches = given.calibration_batches()
    assert [len(batch) for batch in batches] == [20, 20, 20]
    assert all(len(set(batch.tolist())) == 20 and batch.max() < 64 for batch in batches)
    assert not torch.equal(batches[0], batches[1])
    assert all(torch.equal(a, b) for a, b in zip(batches, given.calibration_batches(), strict=True))


@pytest.mark.parametrize(
    ("count", "sizes"), [(32, [20, 12]), (20, [20]), (21, [21]), (1, [1]), (3, [3]), (22, [20, 2])]
)
def test_a_last_batch_of_one_joins_the_one_before(
    bench: Callable[..., Bench], count: int, sizes: list[int]
) -> None:
    batches = bench(count=count).batches()
    assert [len(batch) for batch in batches] == sizes
    assert torch.cat(batches).tolist() == list(range(count))


def test_a_last_batch_of_one_counts_as_one_example(
    net: AnchorNet, trees: Tensor, bench: Callable[..., Bench]
) -> None:
    given = bench(count=21)
    found = measure(net, trees[:1], None, given).losses_SN[0]
    torch.testing.assert_close(found.float(), one_at_a_time(net, trees[0], None, given), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("adapted", [False, True])
def test_it_stops_when_asked(
    net: AnchorNet, trees: Tensor, adaptation: Adaptation, bench: Callable[..., Bench], *, adapted: bool
) -> None:
    answers = iter([False, True])
    given = bench(stop_requested=lambda: next(answers))
    with pytest.raises(Interrupted, match=given.context.step.address):
        measure(net, trees, adaptation if adapted else None, given)


@pytest.mark.parametrize("task", ["rooms", "depth"])
def test_a_split_without_any_known_pixel_is_refused(
    net: AnchorNet, trees: Tensor, bench: Callable[..., Bench], task: str
) -> None:
    given = bench()
    blank = torch.full_like(given.examples.targets[task], IGNORED_CLASS if task == "rooms" else 0)
    targets = {**given.examples.targets, task: blank}
    with pytest.raises(DataError, match=f"task '{task}' has no labelled pixel in the evaluated split"):
        measure(net, trees, None, replace(given, examples=replace(given.examples, targets=targets)))


def test_binary_tasks_are_balanced_over_the_split_and_an_unknown_image_costs_nothing(
    bench: Callable[..., Bench],
) -> None:
    given = bench(statistics="running")
    tasks = (
        Task(name="saliency", kind="saliency", num_outputs=1, loss_weight=5.0),
        Task(name="edges", kind="edges", num_outputs=1, loss_weight=50.0, positive_weight=0.95),
        Task(name="parts", kind="segmentation", num_outputs=4),
    )
    generator = torch.Generator().manual_seed(5)
    share = torch.linspace(0.05, 0.9, 32).view(32, 1, 1, 1)  # batches of 20 and 12 have other balances
    marks = (torch.rand(32, 1, 14, 14, generator=generator) < share).float()
    marks[3] = IGNORED_CLASS
    parts = torch.randint(4, (32, 14, 14), generator=generator)
    parts[:20] = IGNORED_CLASS  # the whole first batch
    examples = replace(given.examples, targets={"saliency": marks, "edges": marks, "parts": parts})
    backbone = SmallBackbone(channels=(2, 3), resolutions=("halve", "keep"), skip_layer=1, head_channels=2)
    net = single_task_nets(backbone, tasks, (1, 14, 14), generator).requires_grad_(False)
    tree = separate_streams(2, 3)
    measured = measure(net, tree, None, replace(given, examples=examples))
    predictions = tree_forward(net, examples.images, tree, Conditions("running"))
    whole = batch_losses(tasks, predictions, examples.targets)
    torch.testing.assert_close(measured.losses_SN.float(), whole, rtol=1e-5, atol=1e-6)
    assert set(measured.metrics) == {"saliency/max_jaccard", "edges/edge_loss", "parts/mean_iou"}
    torch.testing.assert_close(50 * measured.metrics["edges/edge_loss"], measured.losses_SN[:, 1])


def own_images_of(examples: Examples) -> Examples:
    """Examples of which every task sees others."""
    images = torch.stack([examples.images.roll(5 * k, 0) for k in range(len(TASKS))], dim=1)
    targets = {
        task.name: examples.targets[task.name].roll(5 * k, 0)
        for k, task in enumerate(TASKS)
        if task.name in examples.targets
    }
    return Examples(images=images, targets=targets, digest=examples.digest)


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("adapted", [False, True])
def test_a_task_with_images_of_its_own_is_measured_as_if_there_were_no_others(
    net: AnchorNet,
    trees: Tensor,
    adaptation: Adaptation,
    bench: Callable[..., Bench],
    statistics: Statistics,
    *,
    adapted: bool,
) -> None:
    given, own = bench(statistics=statistics), adaptation if adapted else None
    joint = replace(
        given, examples=own_images_of(given.examples), calibration=own_images_of(given.calibration)
    )
    found = measure(net, trees, own, joint)
    for number, task in enumerate(TASKS):
        alone = replace(
            given,
            examples=replace(joint.examples, images=joint.examples.images[:, number]),
            calibration=replace(joint.calibration, images=joint.calibration.images[:, number]),
        )
        expected = measure(net, trees, own, alone)
        torch.testing.assert_close(
            found.losses_SN[:, number], expected.losses_SN[:, number], rtol=1e-4, atol=1e-5
        )
        for name in (name for name in found.metrics if name.startswith(f"{task.name}/")):
            torch.testing.assert_close(found.metrics[name], expected.metrics[name], rtol=1e-4, atol=0.02)


@pytest.mark.parametrize("adapted", [False, True])
def test_statistics_matter_for_tasks_with_images_of_their_own(
    net: AnchorNet, trees: Tensor, adaptation: Adaptation, bench: Callable[..., Bench], *, adapted: bool
) -> None:
    found = []
    for statistics in STATISTICS:
        given = bench(statistics=statistics)
        joint = replace(
            given, examples=own_images_of(given.examples), calibration=own_images_of(given.calibration)
        )
        found.append(measure(net, trees, adaptation if adapted else None, joint).losses_SN)
    assert not torch.allclose(found[0], found[1])
    assert not torch.allclose(found[0], found[2])
    assert not torch.allclose(found[1], found[2])


@pytest.mark.parametrize("statistics", STATISTICS)
@pytest.mark.parametrize("adapted", [False, True])
def test_a_stem_keeps_its_stored_statistics_whatever_the_policy(
    pretrained_backbone: Coarse,
    study: Study,
    bench: Callable[..., Bench],
    place: DataPlace,
    statistics: Statistics,
    *,
    adapted: bool,
) -> None:
    tasks, shape = study.dataset.tasks, study.dataset.input_shape
    generator = torch.Generator().manual_seed(0)
    whole = single_task_nets(pretrained_backbone, tasks, shape, generator, common_initialisation=False)
    stem = whole.stem
    assert stem is not None
    stem.state_dict()["norm.running_var"].uniform_(0.5, 2.0, generator=generator)
    inner = changed(pretrained_backbone, {"backbone": pretrained_backbone.backbone.blocks})  # type: ignore[attr-defined]
    behind = AnchorNet(inner, tasks, stem.out_shape, num_streams=3)
    state = whole.state_dict()
    behind.load_state_dict({name: state[name] for name in state if not name.startswith("stem.")})
    given = replace(bench(statistics=statistics), examples=study.dataset.load(Split.VAL, place))
    trees = torch.randint(3, (5, 2, 3), generator=generator)
    own = None
    if adapted:
        own = Adaptation(*0.3 * torch.randn(2, 5, num_modulated_channels(behind), generator=generator))

    def through_the_stem(examples: Examples) -> Examples:
        features = stem(examples.images.unsqueeze(1)).squeeze(1).detach()
        return replace(examples, images=features)

    expected = measure(
        behind,
        trees,
        own,
        replace(
            given,
            examples=through_the_stem(given.examples),
            calibration=through_the_stem(given.calibration),
        ),
    )
    found = measure(whole, trees, own, given)
    torch.testing.assert_close(found.losses_SN, expected.losses_SN, rtol=1e-5, atol=1e-6)
