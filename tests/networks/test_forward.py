"""Three ways to run an anchor net, held against each other and against a walk along each task's path."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.metrics.cost import reachable
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import (
    Adaptation,
    Conditions,
    in_turns,
    path_forward,
    soft_forward,
    tree_forward,
)
from dymu.networks.norm import Moments, NormCall, NormMode
from dymu.networks.tree import paths, separate_streams, shared_stream
from dymu.spec.task import Task

LAYERS, STREAMS = 3, 3
SKIPS = [None, 0, 1, 2]
MODES: list[NormMode] = ["batch", "running"]

MakeNet = Callable[..., AnchorNet]
MakeTrees = Callable[..., Tensor]
MakeAdaptation = Callable[..., Adaptation]


def one_hot(parents_PLN: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(parents_PLN, STREAMS).double()


def walk(net: AnchorNet, images: Tensor, tree: Tensor, mode: NormMode) -> list[Tensor]:
    """Predictions (B, ...) of one tree, task by task, from the head downwards, nothing shared."""

    def node(layer: int, stream: int) -> Tensor:
        below = images.unsqueeze(1) if layer == 0 else node(layer - 1, int(tree[layer - 1, stream]))
        return net.block(layer, stream)(below, NormCall(mode))

    predictions = []
    for task in range(len(net.tasks)):
        streams = [int(tree[-1, task])]
        for layer in reversed(range(net.num_layers - 1)):
            streams.insert(0, int(tree[layer, streams[0]]))
        skip_layer = net.backbone.skip_layer
        skip = None if skip_layer is None else node(skip_layer, streams[skip_layer])
        features = node(net.num_layers - 1, streams[-1])
        predictions.append(net.head(task)(features, skip, NormCall(mode)).squeeze(1))
    return predictions


def assert_equal_predictions(found: Sequence[Tensor], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-10)


@contextmanager
def counted_calls(net: AnchorNet) -> Iterator[dict[tuple[str, int, int], list[int]]]:
    """Per node the number of preferences in each call."""
    calls: dict[tuple[str, int, int], list[int]] = {}
    handles = []

    def watch(name: tuple[str, int, int]) -> Callable[..., None]:
        def hook(_module: Any, inputs: tuple[Tensor, ...], _output: Any) -> None:
            calls.setdefault(name, []).append(inputs[0].shape[1])

        return hook

    for layer in range(net.num_layers):
        for stream in range(net.num_streams):
            node = net.block(layer, stream)
            handles.append(node.register_forward_hook(watch(("block", layer, stream))))
    heads = [net.head(task) for task in range(len(net.tasks))]
    handles += [head.register_forward_hook(watch(("head", n, 0))) for n, head in enumerate(heads)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("mode", MODES)
def test_a_tree_is_every_tasks_path(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, skip_layer: int | None, mode: NormMode
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(4)
    found = tree_forward(net, images, trees, Conditions(mode))
    for p, tree in enumerate(trees):
        assert_equal_predictions([prediction[:, p] for prediction in found], walk(net, images, tree, mode))


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [1, 4])
def test_one_hot_mixtures_are_trees(
    make_net: MakeNet,
    images: Tensor,
    make_trees: MakeTrees,
    skip_layer: int | None,
    mode: NormMode,
    count: int,
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(count)
    soft = soft_forward(net, images, one_hot(trees), mode=mode)
    assert_equal_predictions(soft, tree_forward(net, images, trees, Conditions(mode)))


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("mode", MODES)
def test_paths_are_the_paths_of_trees(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, skip_layer: int | None, mode: NormMode
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(6)
    wanted = [[tuple(path) for path in paths(trees)[:, task].tolist()] for task in range(STREAMS)]
    found = path_forward(net, images, wanted, Conditions(mode))
    assert_equal_predictions(found, tree_forward(net, images, trees, Conditions(mode)))


def test_shapes_are_batch_preference_and_what_the_task_says(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees
) -> None:
    predictions = tree_forward(make_net(), images, make_trees(4), Conditions())
    assert [tuple(prediction.shape) for prediction in predictions] == [
        (5, 4, 4),
        (5, 4, 3, 6, 5),
        (5, 4, 1, 6, 5),
    ]


def test_a_soft_mixture_is_linear_in_the_choice_of_a_head(make_net: MakeNet, images: Tensor) -> None:
    # The classifier is linear in what it reads, so mixing its inputs is mixing its outputs.
    net = make_net()
    probs = torch.full((1, LAYERS, STREAMS, STREAMS), 1 / STREAMS, dtype=torch.float64)
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    mixed = probs.clone()
    mixed[0, -1, 0] = weights
    corners = []
    for stream in range(STREAMS):
        corner = probs.clone()
        corner[0, -1, 0] = one_hot(torch.tensor(stream))
        corners.append(soft_forward(net, images, corner)[0])
    expected = sum(weight * corner for weight, corner in zip(weights, corners, strict=True))
    torch.testing.assert_close(soft_forward(net, images, mixed)[0], expected)


@pytest.mark.parametrize("skip_layer", SKIPS)
def test_soft_mixtures_side_by_side_equal_separate_calls(
    make_net: MakeNet, images: Tensor, skip_layer: int | None
) -> None:
    net = make_net(skip_layer=skip_layer)
    logits = torch.randn(4, LAYERS, STREAMS, STREAMS, generator=torch.Generator().manual_seed(2)).double()
    probs = logits.softmax(dim=-1)
    together = soft_forward(net, images, probs)
    for p in range(4):
        alone = soft_forward(net, images, probs[p : p + 1])
        assert_equal_predictions([prediction[:, p : p + 1] for prediction in together], alone)


def test_soft_skip_features_follow_the_probability_of_each_path(make_net: MakeNet, images: Tensor) -> None:
    net = make_net(skip_layer=0)
    generator = torch.Generator().manual_seed(3)
    probs = torch.randn(1, LAYERS, STREAMS, STREAMS, generator=generator).double().softmax(dim=-1)
    seen: list[Tensor] = []
    hook = net.head(1).register_forward_hook(lambda _node, inputs, _out: seen.append(inputs[1]))
    soft_forward(net, images, probs)
    hook.remove()
    expected = torch.zeros_like(seen[0])
    for top in range(STREAMS):
        for middle in range(STREAMS):
            for bottom in range(STREAMS):
                chance = probs[0, 2, 1, top] * probs[0, 1, top, middle] * probs[0, 0, middle, bottom]
                expected += chance * net.block(0, bottom)(images.unsqueeze(1), NormCall())
    torch.testing.assert_close(seen[0], expected)


@pytest.mark.parametrize("count", [1, 5])
def test_the_first_layer_of_a_mixture_runs_once_whatever_the_number_of_preferences(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, count: int
) -> None:
    net = make_net()
    with counted_calls(net) as calls:
        soft_forward(net, images, one_hot(make_trees(count)))
    for stream in range(STREAMS):
        assert calls["block", 0, stream] == [1]
        assert calls["block", 1, stream] == [count]


@pytest.mark.parametrize("skip_layer", [None, 0])
def test_a_tree_runs_its_reachable_nodes_and_each_once(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, skip_layer: int | None
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(7)
    used = reachable(trees.numpy())
    with counted_calls(net) as calls:
        tree_forward(net, images, trees, Conditions())
    for layer in range(LAYERS):
        for stream in range(STREAMS):
            users = int(used[:, layer, stream].sum())
            assert calls.get(("block", layer, stream), []) == ([users] if users else [])
    assert all(calls["head", task, 0] == [7] for task in range(STREAMS))


def test_paths_that_begin_alike_share_their_beginning(make_net: MakeNet, images: Tensor) -> None:
    net = make_net()
    wanted = [[(0, 0, 0), (0, 0, 1)], [(0, 0, 1), (2, 0, 1)], [(0, 1, 1)]]
    with counted_calls(net) as calls:
        path_forward(net, images, wanted, Conditions())
    prefixes = {path[:length] for of_task in wanted for path in of_task for length in (1, 2, 3)}
    expected = Counter((len(prefix) - 1, prefix[-1]) for prefix in prefixes)
    found = {name[1:]: sizes for name, sizes in calls.items() if name[0] == "block"}
    assert found == {node: [count] for node, count in expected.items()}


def test_block_zero_sees_the_images_once_per_stream_in_paths(make_net: MakeNet, images: Tensor) -> None:
    net = make_net()
    with counted_calls(net) as calls:
        path_forward(net, images, [[(0, 0, 0), (0, 1, 0), (0, 2, 2)]] * 3, Conditions())
    assert calls["block", 0, 0] == [1]


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("mode", MODES)
def test_adapted_trees_side_by_side_equal_each_alone(
    make_net: MakeNet,
    images: Tensor,
    make_trees: MakeTrees,
    make_adaptation: MakeAdaptation,
    skip_layer: int | None,
    mode: NormMode,
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(6)
    adaptation = make_adaptation(net, 6)
    together = tree_forward(net, images, trees, Conditions(mode, adaptation))
    for p in range(6):
        own = Adaptation(adaptation.scale_PD[p : p + 1], adaptation.shift_PD[p : p + 1])
        alone = tree_forward(net, images, trees[p : p + 1], Conditions(mode, own))
        assert_equal_predictions([prediction[:, p : p + 1] for prediction in together], alone)


def test_preferences_of_one_tree_differ_by_their_adaptation_only(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, make_adaptation: MakeAdaptation
) -> None:
    net, tree = make_net(), make_trees(1)
    adaptation = make_adaptation(net, 3)
    adaptation.scale_PD[2], adaptation.shift_PD[2] = adaptation.scale_PD[0], adaptation.shift_PD[0]
    for prediction in tree_forward(net, images, tree.expand(3, -1, -1), Conditions("batch", adaptation)):
        torch.testing.assert_close(prediction[:, 0], prediction[:, 2])
        assert not torch.isclose(prediction[:, 0], prediction[:, 1]).any()


def test_each_node_reads_its_own_columns_of_the_adaptation(make_net: MakeNet, images: Tensor) -> None:
    net, tree = make_net(), separate_streams(LAYERS, STREAMS)
    plain = tree_forward(net, images, tree, Conditions())
    start = 0
    for number, node in enumerate(net.nodes()):
        width, total = node.num_modulated(), sum(other.num_modulated() for other in net.nodes())
        shift = torch.zeros(1, total, dtype=torch.float64)
        shift[:, start : start + width] = 0.5
        start += width
        adapted = tree_forward(
            net, images, tree, Conditions("batch", Adaptation(torch.zeros_like(shift), shift))
        )
        changed = [not torch.equal(one, other) for one, other in zip(plain, adapted, strict=True)]
        is_block = number < LAYERS * STREAMS
        owner = number // LAYERS if is_block else number - LAYERS * STREAMS
        assert changed == [width > 0 and task == owner for task in range(STREAMS)]


def test_an_adaptation_of_zero_changes_nothing(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, make_adaptation: MakeAdaptation
) -> None:
    net, trees = make_net(), make_trees(3)
    zero = torch.zeros_like(make_adaptation(net, 3).scale_PD)
    adapted = tree_forward(net, images, trees, Conditions("batch", Adaptation(zero, zero)))
    assert_equal_predictions(adapted, tree_forward(net, images, trees, Conditions()))


@pytest.mark.parametrize("mode", MODES)
def test_separate_streams_are_the_single_task_nets(make_net: MakeNet, images: Tensor, mode: NormMode) -> None:
    net = make_net(skip_layer=1)
    found = tree_forward(net, images, separate_streams(LAYERS, STREAMS), Conditions(mode))
    for task in range(STREAMS):
        features, skip = images.unsqueeze(1), None
        for layer in range(LAYERS):
            features = net.block(layer, task)(features, NormCall(mode))
            skip = features if layer == 1 else skip
        torch.testing.assert_close(found[task], net.head(task)(features, skip, NormCall(mode)))


def test_single_task_nets_have_no_gradient_of_other_tasks(make_net: MakeNet, images: Tensor) -> None:
    net = make_net()
    predictions = tree_forward(net, images, separate_streams(LAYERS, STREAMS), Conditions())
    predictions[1].sum().backward()
    for stream in range(STREAMS):
        touched = any(parameter.grad is not None for parameter in net.streams[stream].parameters())
        assert touched == (stream == 1)


def test_a_net_of_one_stream_serves_all_heads(make_net: MakeNet, images: Tensor) -> None:
    net = make_net(num_streams=1)
    trees = shared_stream(LAYERS, STREAMS).expand(2, -1, -1)
    with counted_calls(net) as calls:
        predictions = tree_forward(net, images, trees, Conditions())
    assert all(calls["block", layer, 0] == [2] for layer in range(LAYERS))
    assert_equal_predictions([p[:, 0] for p in predictions], walk(net, images, trees[0], "batch"))


@pytest.mark.parametrize("forward", ["tree", "paths"])
def test_unadapted_predictions_do_not_depend_on_the_company(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees, forward: str
) -> None:
    net, trees = make_net(skip_layer=0), make_trees(8)

    def run(chosen: Tensor) -> list[Tensor]:
        if forward == "tree":
            return tree_forward(net, images, chosen, Conditions())
        wanted = [[tuple(path) for path in paths(chosen)[:, task].tolist()] for task in range(STREAMS)]
        return path_forward(net, images, wanted, Conditions())

    company = run(trees)
    for subset in ([3], [6, 3], [0, 3, 5, 7]):
        for one, other in zip(run(trees[subset]), company, strict=True):
            torch.testing.assert_close(one, other[:, subset])


def test_a_frozen_anchor_gets_no_gradient_and_the_choices_do(make_net: MakeNet, images: Tensor) -> None:
    net = make_net().requires_grad_(False)
    probs = torch.full((2, LAYERS, STREAMS, STREAMS), 1 / STREAMS, dtype=torch.float64, requires_grad=True)
    sum(prediction.square().mean() for prediction in soft_forward(net, images, probs)).backward()  # type: ignore[union-attr]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert probs.grad is not None
    assert (probs.grad != 0).all()


def test_a_frozen_anchor_gets_no_gradient_and_the_adaptation_does(
    make_net: MakeNet, images: Tensor, make_adaptation: MakeAdaptation
) -> None:
    net = make_net().requires_grad_(False)
    start = make_adaptation(net, 1)
    adaptation = Adaptation(start.scale_PD.requires_grad_(), start.shift_PD.requires_grad_())
    trees = separate_streams(LAYERS, STREAMS)
    predictions = tree_forward(net, images, trees, Conditions("batch", adaptation))
    torch.stack([prediction.square().mean() for prediction in predictions]).sum().backward()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert adaptation.scale_PD.grad is not None
    assert (adaptation.scale_PD.grad != 0).any()


def test_a_forward_pass_leaves_a_frozen_anchor_as_it_was(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees
) -> None:
    net = make_net().requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tree_forward(net, images, make_trees(3), Conditions("batch"))
    soft_forward(net, images, one_hot(make_trees(3)))
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_gradients_of_a_mixture_agree_with_finite_differences(make_net: MakeNet, images: Tensor) -> None:
    net = make_net(skip_layer=0, tasks=(Task(name="digit", kind="classification", num_outputs=2),) * 3)
    net.requires_grad_(False)
    generator = torch.Generator().manual_seed(4)
    logits = torch.randn(1, LAYERS, STREAMS, STREAMS, generator=generator, dtype=torch.float64)

    def run(logits: Tensor) -> Tensor:
        return torch.stack(soft_forward(net, images[:2], logits.softmax(dim=-1))).mean(dim=(1, 2))

    assert torch.autograd.gradcheck(run, logits.requires_grad_())


@pytest.mark.parametrize("adapted", [False, True])
def test_replayed_statistics_are_the_trees_own(
    make_net: MakeNet,
    images: Tensor,
    make_trees: MakeTrees,
    make_adaptation: MakeAdaptation,
    *,
    adapted: bool,
) -> None:
    net, trees = make_net(skip_layer=0), make_trees(4)
    adaptation = make_adaptation(net, 4) if adapted else None

    def replayed(rows: slice) -> list[Tensor]:
        own = adaptation and Adaptation(adaptation.scale_PD[rows], adaptation.shift_PD[rows])
        memory: dict[Hashable, dict[int, Moments]] = {}
        tree_forward(net, images, trees[rows], Conditions("collect", own, memory))
        return tree_forward(net, images[:1], trees[rows], Conditions("replay", own, memory))

    together = replayed(slice(0, 4))
    for p in range(4):
        alone = replayed(slice(p, p + 1))
        assert_equal_predictions([prediction[:, p : p + 1] for prediction in together], alone)


def test_replayed_paths_are_replayed_trees(make_net: MakeNet, images: Tensor, make_trees: MakeTrees) -> None:
    net, trees = make_net(skip_layer=1), make_trees(4)
    wanted = [[tuple(path) for path in paths(trees)[:, task].tolist()] for task in range(STREAMS)]
    of_trees: dict[Hashable, dict[int, Moments]] = {}
    of_paths: dict[Hashable, dict[int, Moments]] = {}
    tree_forward(net, images, trees, Conditions("collect", None, of_trees))
    path_forward(net, images, wanted, Conditions("collect", None, of_paths))
    assert_equal_predictions(
        path_forward(net, images[:2], wanted, Conditions("replay", None, of_paths)),
        tree_forward(net, images[:2], trees, Conditions("replay", None, of_trees)),
    )


def test_paths_refuse_adaptation(make_net: MakeNet, images: Tensor, make_adaptation: MakeAdaptation) -> None:
    net = make_net()
    with pytest.raises(AssertionError, match="depend on the preference"):
        path_forward(net, images, [[(0, 0, 0)]] * 3, Conditions("batch", make_adaptation(net, 1)))


@pytest.fixture
def own_images() -> Tensor:
    """(B, N, C, H, W): an image for every task."""
    return torch.randn(5, STREAMS, 2, 6, 5, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("mode", MODES)
def test_with_images_of_their_own_a_tasks_prediction_is_its_path_on_its_image(
    make_net: MakeNet, own_images: Tensor, make_trees: MakeTrees, skip_layer: int | None, mode: NormMode
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(4)
    found = tree_forward(net, own_images, trees, Conditions(mode))
    for p, tree in enumerate(trees):
        expected = [walk(net, own_images[:, task], tree, mode)[task] for task in range(STREAMS)]
        assert_equal_predictions([prediction[:, p] for prediction in found], expected)


def test_with_images_of_their_own_a_node_runs_for_the_tasks_on_whose_path_it_lies(
    make_net: MakeNet, own_images: Tensor
) -> None:
    net = make_net()
    tree = torch.tensor([[[0, 0, 2], [0, 1, 1], [1, 1, 2]]])  # tasks 0, 1: nodes 0, 0, 1 ... task 2: 0, 1, 2
    per_node = Counter(
        (layer, int(stream)) for path in paths(tree)[0] for layer, stream in enumerate(path.tolist())
    )
    with counted_calls(net) as calls:
        tree_forward(net, own_images, tree, Conditions("batch"))
    ran = {key[1:]: widths for key, widths in calls.items() if key[0] == "block"}
    assert ran == {node: [count] for node, count in per_node.items()}
    assert [calls["head", task, 0] for task in range(STREAMS)] == [[1]] * STREAMS


@pytest.mark.parametrize("skip_layer", SKIPS)
def test_with_images_of_their_own_trees_and_paths_agree(
    make_net: MakeNet, own_images: Tensor, make_trees: MakeTrees, skip_layer: int | None
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(3)
    wanted = [[tuple(path) for path in paths(trees)[:, task].tolist()] for task in range(STREAMS)]
    found = path_forward(net, own_images, wanted, Conditions("batch"))
    assert_equal_predictions(found, tree_forward(net, own_images, trees, Conditions("batch")))


@pytest.mark.parametrize("skip_layer", SKIPS)
@pytest.mark.parametrize("size_P", [1, 3])
def test_with_images_of_their_own_one_hot_probabilities_are_a_tree(
    make_net: MakeNet, own_images: Tensor, make_trees: MakeTrees, skip_layer: int | None, size_P: int
) -> None:
    net, trees = make_net(skip_layer=skip_layer), make_trees(size_P)
    found = soft_forward(net, own_images, one_hot(trees))
    assert_equal_predictions(found, tree_forward(net, own_images, trees, Conditions("batch")))


def test_the_same_image_for_every_task_is_one_image_for_all(
    make_net: MakeNet, images: Tensor, make_trees: MakeTrees
) -> None:
    net, trees = make_net(skip_layer=1), make_trees(3)
    probs = torch.rand(3, LAYERS, STREAMS, STREAMS, dtype=torch.float64).softmax(dim=-1)
    repeated = images.unsqueeze(1).expand(-1, STREAMS, -1, -1, -1)
    assert_equal_predictions(
        tree_forward(net, repeated, trees, Conditions("batch")),
        tree_forward(net, images, trees, Conditions("batch")),
    )
    assert_equal_predictions(soft_forward(net, repeated, probs), soft_forward(net, images, probs))


def test_with_images_of_their_own_each_preference_keeps_its_adaptation(
    make_net: MakeNet, own_images: Tensor, make_trees: MakeTrees, make_adaptation: MakeAdaptation
) -> None:
    net, trees = make_net(skip_layer=1), make_trees(3)
    adaptation = make_adaptation(net, 3)
    together = tree_forward(net, own_images, trees, Conditions("batch", adaptation))
    for p in range(3):
        mine = Adaptation(adaptation.scale_PD[p : p + 1], adaptation.shift_PD[p : p + 1])
        alone = tree_forward(net, own_images, trees[p : p + 1], Conditions("batch", mine))
        assert_equal_predictions([prediction[:, p : p + 1] for prediction in together], alone)


def test_turns_hold_every_path_once_and_no_more_than_asked() -> None:
    wanted = [[(0, 1), (2, 0), (0, 0)], [], [(0, 1), (1, 1)]]
    turns = list(in_turns(wanted, 2))
    assert turns == [[[(0, 0), (0, 1)], [], []], [[], [], [(0, 1), (1, 1)]], [[(2, 0)], [], []]]
    assert list(in_turns(wanted, 9)) == [[[(0, 0), (0, 1), (2, 0)], [], [(0, 1), (1, 1)]]]


def test_a_task_without_paths_has_no_predictions(make_net: MakeNet, images: Tensor) -> None:
    net = make_net(skip_layer=1)
    found = path_forward(net, images, [[(0, 0, 1)], [], [(2, 1, 1)]], Conditions("batch"))
    assert found[1].shape == (len(images), 0)
    whole = path_forward(net, images, [[(0, 0, 1)], [(0, 0, 1)], [(2, 1, 1)]], Conditions("batch"))
    assert_equal_predictions([found[0], found[2]], [whole[0], whole[2]])
