"""Predicted networks as modules: the same predictions as the tree form, from used nodes alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.forward import Adaptation, Conditions, tree_forward
from dymu.networks.norm import Norm
from dymu.networks.predicted_network import PredictedNetwork
from dymu.networks.shared_nodes import SharedNodes
from dymu.networks.tree import shared_stream
from dymu.networks.weight_hypernet import num_modulated_channels
from dymu.spec.task import Task

MakeNet = Callable[..., AnchorNet]
MakeTrees = Callable[..., Tensor]
MakeAdaptation = Callable[..., Adaptation]
DENSE = (
    Task(name="rooms", kind="segmentation", num_outputs=3),
    Task(name="depth", kind="depth", num_outputs=1),
)


def row(adaptation: Adaptation, number: int) -> Adaptation:
    rows = slice(number, number + 1)
    return Adaptation(adaptation.scale_PD[rows], adaptation.shift_PD[rows])


def network_of(
    net: AnchorNet,
    parents_LN: Tensor,
    adaptation: Adaptation | None = None,
    statistics: Literal["batch", "running"] = "batch",
) -> PredictedNetwork:
    """The network of a tree, adapted by perturbations (1, D) of all nodes."""
    nodes, start, adaptations = SharedNodes(net), 0, {}
    for number, node in enumerate(net.nodes()):
        stop = start + node.num_modulated()
        if adaptation is not None:
            adaptations[number] = Adaptation(
                adaptation.scale_PD[:, start:stop], adaptation.shift_PD[:, start:stop]
            )
        start = stop
    return PredictedNetwork(nodes, nodes.used(parents_LN), adaptations, statistics=statistics)


def expected(net: AnchorNet, images: Tensor, parents_LN: Tensor, conditions: Conditions) -> dict[str, Tensor]:
    predictions = tree_forward(net, images, parents_LN[None], conditions)
    return {task.name: out[:, 0] for task, out in zip(net.tasks, predictions, strict=True)}


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("own_images", [False, True])
@pytest.mark.parametrize("skip_layer", [None, 1])
@pytest.mark.parametrize("statistics", ["batch", "running"])
def test_predictions_are_those_of_the_tree(
    make_net: MakeNet,
    make_trees: MakeTrees,
    make_adaptation: MakeAdaptation,
    images: Tensor,
    adapted: bool,
    own_images: bool,
    skip_layer: int | None,
    statistics: Literal["batch", "running"],
) -> None:
    net = make_net(skip_layer=skip_layer)
    adaptation = make_adaptation(net, 6)
    if own_images:
        images = torch.stack([images, 2 * images, images.flip(0) - 1], dim=1)
    for number, parents_LN in enumerate(make_trees(6)):
        mine = row(adaptation, number) if adapted else None
        network = network_of(net, parents_LN, mine, statistics)
        reference = expected(net, images, parents_LN, Conditions(statistics, mine))
        torch.testing.assert_close(network(images), reference)


@pytest.mark.parametrize("own_images", [False, True])
def test_recalibrated_predictions_are_those_of_the_tree(
    make_net: MakeNet,
    make_trees: MakeTrees,
    make_adaptation: MakeAdaptation,
    images: Tensor,
    own_images: bool,
) -> None:
    net = make_net(skip_layer=1)
    adaptation = make_adaptation(net, 1)
    if own_images:
        images = torch.stack([images, 2 * images, images.flip(0) - 1], dim=1)
    batches = [images + 1, 3 * images]
    for parents_LN in make_trees(4):
        network = network_of(net, parents_LN, adaptation)
        network.recalibrate(batches)
        collecting = Conditions("collect", adaptation)
        for batch in batches:
            expected(net, batch, parents_LN, collecting)
        replay = Conditions("replay", adaptation, collecting.memory)
        torch.testing.assert_close(network(images), expected(net, images, parents_LN, replay))


def test_the_state_is_that_of_used_nodes(make_net: MakeNet) -> None:
    net = make_net()
    network = network_of(net, shared_stream(3, 3, stream=1)[0])
    nodes = [net.block(layer, 1) for layer in range(3)] + [net.head(task) for task in range(3)]
    assert sum(parameter.numel() for parameter in network.parameters()) == (
        sum(node.num_parameters() for node in nodes)
    )
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == (
        sum(node.num_parameters() for node in nodes)
    )
    assert not any(isinstance(module, Norm) and module.weight is not None for module in network.modules())


def test_adaptation_is_added_to_scales_and_shifts(make_net: MakeNet, make_adaptation: MakeAdaptation) -> None:
    net = make_net()
    adaptation = make_adaptation(net, 1)
    network = network_of(net, shared_stream(3, 3)[0], adaptation)
    scales = torch.cat([norm.weight for norm in net.block(0, 0).norms() if norm.weight is not None])
    expected_D = scales + adaptation.scale_PD[0, : len(scales)]
    torch.testing.assert_close(network.state_dict()["blocks.layer0_stream0.scale"], expected_D)


def test_the_anchor_is_unchanged(
    make_net: MakeNet, make_trees: MakeTrees, make_adaptation: MakeAdaptation, images: Tensor
) -> None:
    net = make_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    network = network_of(net, make_trees(1)[0], make_adaptation(net, 1))
    network.recalibrate([images])
    network(images)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)


def test_a_shared_stem_and_norms_without_scales_belong_to_it() -> None:
    generator = torch.Generator().manual_seed(0)
    net = single_task_nets(
        MobileNetV2(final_affine=False), DENSE, (3, 32, 32), generator, common_initialisation=False
    )
    assert net.stem is not None
    images = torch.randn(3, 3, 32, 32, generator=generator)
    parents_LN = torch.randint(2, (net.num_layers, 2), generator=generator)
    scale, shift = 0.1 * torch.randn(2, 1, num_modulated_channels(net), generator=generator)
    adaptation = Adaptation(scale, shift)
    network = network_of(net, parents_LN, adaptation)
    with torch.no_grad():
        reference = expected(net, images, parents_LN, Conditions("batch", adaptation))
        torch.testing.assert_close(network(images), reference)
    assert any(name.startswith("stem.") for name in network.state_dict())


def test_images_of_another_shape_are_refused(make_net: MakeNet, make_trees: MakeTrees) -> None:
    network = network_of(make_net(), make_trees(1)[0])
    with pytest.raises(SpecError, match=r"\(1, 2, 6, 6\); expected \(B, 2, 6, 5\), or \(B, 3, 2, 6, 5\)"):
        network(torch.zeros(1, 2, 6, 6, dtype=torch.float64))


@pytest.mark.parametrize(
    ("images", "said"), [([[0.0]], "list"), (torch.zeros(1, 2, 6, 5, dtype=torch.uint8), r"torch\.uint8")]
)
def test_what_is_no_tensor_of_numbers_is_refused(
    make_net: MakeNet, make_trees: MakeTrees, images: Any, said: str
) -> None:
    with pytest.raises(SpecError, match=f"images are {said}; expected a tensor of floating-point numbers"):
        network_of(make_net(), make_trees(1)[0])(images)


def test_images_of_double_precision_are_refused_by_a_network_of_single(
    make_net: MakeNet, make_trees: MakeTrees
) -> None:
    network = network_of(make_net(), make_trees(1)[0]).float()
    images = torch.zeros(2, *network.image_shape, dtype=torch.float64)
    with pytest.raises(
        SpecError, match=r"images are torch\.float64; expected torch\.float32, as images\.float"
    ):
        network(images)
    assert network.double()(images)


def test_a_recalibrated_network_wants_the_same_kind_of_images(
    make_net: MakeNet, make_trees: MakeTrees, images: Tensor
) -> None:
    network = network_of(make_net(), make_trees(1)[0])
    network.recalibrate([images])
    with pytest.raises(SpecError, match="recalibrated on images of the other kind"):
        network(images[:, None].expand(-1, 3, -1, -1, -1))


def test_calibration_images_are_of_one_kind(make_net: MakeNet, make_trees: MakeTrees, images: Tensor) -> None:
    network = network_of(make_net(), make_trees(1)[0])
    for batches in ([], [images, images[:, None].expand(-1, 3, -1, -1, -1)]):
        with pytest.raises(SpecError, match="at least one batch of images, each of the same kind"):
            network.recalibrate(batches)
    assert network.statistics == "batch"


@pytest.mark.parametrize(("statistics", "own_images"), [("batch", True), ("stored", False)])
def test_it_can_be_exported(
    make_net: MakeNet,
    make_adaptation: MakeAdaptation,
    images: Tensor,
    statistics: str,
    own_images: bool,
) -> None:
    net = make_net(skip_layer=1)
    parents_LN = torch.tensor([[0, 0, 2], [0, 1, 1], [0, 1, 0]])
    network = network_of(net, parents_LN, make_adaptation(net, 1))
    if own_images:
        images = torch.stack([images, 2 * images, images.flip(0) - 1], dim=1)
    if statistics == "stored":
        network.recalibrate([images])
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(network, (images,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(images[:3]), network(images[:3]))


@pytest.mark.slow  # the exporter takes five seconds a network
@pytest.mark.filterwarnings("ignore")  # of the exporter, about itself
@pytest.mark.parametrize("statistics", ["batch", "stored"])
def test_onnx_predicts_the_same(make_net: MakeNet, images: Tensor, tmp_path: Path, statistics: str) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason="ONNX is the optional extra `export`")
    runtime = pytest.importorskip("onnxruntime", reason="ONNX is the optional extra `export`")
    net = make_net(skip_layer=1).float()
    network = network_of(net, torch.tensor([[0, 0, 2], [0, 1, 1], [0, 1, 0]]))
    pictures = images.float()
    if statistics == "stored":
        network.recalibrate([pictures])
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.onnx.export(
        network,
        (pictures,),
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: batch},),
        input_names=["images"],
        output_names=list(network.tasks),
    )
    assert program is not None
    program.save(str(tmp_path / "network.onnx"))
    session = runtime.InferenceSession(str(tmp_path / "network.onnx"))
    found = session.run(list(network.tasks), {"images": pictures[:3].numpy()})
    for prediction, expected in zip(found, network(pictures[:3]).values(), strict=True):
        torch.testing.assert_close(torch.from_numpy(prediction), expected, rtol=1e-4, atol=1e-4)
