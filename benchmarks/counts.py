"""Parameters, multiply-accumulates and hypernet sizes of the paper's settings, ours beside the printed ones.

    python benchmarks/counts.py

Nothing is trained and no memory is taken: nets are built without numbers. *Single-Task* is one complete net
per task, *shared* one backbone with all heads, *control* edge and weight hypernet together. What the paper
calls GFLOPs counts multiply-accumulates, and a little beyond those of convolutions and linear layers.
CIFAR-100's row cannot come from a ResNet-9 of regular width (docs/protocol.md); its counts are printed for
comparison only. There, multiply-accumulates are those of one image per task.
"""

from dataclasses import dataclass

import torch

from dymu.networks.anchor_net import AnchorNet
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.protocol import Backbone, Shape
from dymu.networks.backbones.resnet9 import ResNet9
from dymu.networks.backbones.resnet34 import ResNet34
from dymu.networks.costs import node_costs
from dymu.networks.edge_hypernet import EdgeHypernet
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import WeightHypernet, num_modulated_channels
from dymu.spec.task import Task

_SEGMENTATION = Task(name="segmentation", kind="segmentation", num_outputs=21)
_PARTS = Task(name="parts", kind="segmentation", num_outputs=7)
_SALIENCY = Task(name="saliency", kind="saliency", num_outputs=1)
_NORMALS = Task(name="normals", kind="normals", num_outputs=3)
_EDGES = Task(name="edges", kind="edges", num_outputs=1)
_DEPTH = Task(name="depth", kind="depth", num_outputs=1)
_NYU_SEGMENTATION = Task(name="segmentation", kind="segmentation", num_outputs=40)
_CIFAR = tuple(Task(name=f"group{index}", kind="classification", num_outputs=5) for index in range(20))

_NAMES = (
    "single-task parameters, M",
    "shared parameters, M",
    "single-task GMACs",
    "shared GMACs",
    "edge hypernet, M",
    "control parameters, M",
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One table of the paper.

    Attributes:
        title: Table, dataset and backbone.
        backbone: Ours.
        tasks: Its tasks.
        image_shape: Of the network's input.
        paper: Printed values in the order of the rows.
    """

    title: str
    backbone: Backbone
    tasks: tuple[Task, ...]
    image_shape: Shape
    paper: tuple[float, ...]


_SETTINGS = (
    Setting(
        title="Table 1, PASCAL-Context, 5 tasks, MobileNetV2, 512x512",
        backbone=MobileNetV2(),
        tasks=(_SEGMENTATION, _PARTS, _SALIENCY, _NORMALS, _EDGES),
        image_shape=(3, 512, 512),
        paper=(9.84, 2.15, 16.17, 6.28, 0.06, 15.32),
    ),
    Setting(
        title="Table 2, PASCAL-Context, 3 tasks, MobileNetV2, 512x512",
        backbone=MobileNetV2(),
        tasks=(_SEGMENTATION, _PARTS, _SALIENCY),
        image_shape=(3, 512, 512),
        paper=(5.91, 2.06, 9.75, 4.81, 0.03, 9.25),
    ),
    Setting(
        title="Table 3, NYU-v2, 3 tasks, ResNet-34, 448x576",
        backbone=ResNet34(),
        tasks=(_NYU_SEGMENTATION, _NORMALS, _DEPTH),
        image_shape=(3, 448, 576),
        paper=(64.47, 21.59, 58.78, 21.02, 0.03, 5.72),
    ),
    *(
        Setting(
            title=f"Table 4, CIFAR-100, 20 tasks, ResNet-9 of width {width}, 32x32",
            backbone=ResNet9(width=width),
            tasks=_CIFAR,
            image_shape=(3, 32, 32),
            paper=(36.18, 16.35, 348.79, 73.13, 0.34, 3.10),
        )
        for width in (64, 32)
    ),
)


def counts(setting: Setting) -> tuple[float, ...]:
    """Ours, in the order of the rows."""
    num_tasks = len(setting.tasks)
    with torch.device("meta"):
        anchor = AnchorNet(setting.backbone, setting.tasks, setting.image_shape, num_streams=num_tasks)
        shared = AnchorNet(setting.backbone, setting.tasks, setting.image_shape, num_streams=1)
        edge = EdgeHypernet(HypernetConfig(), num_tasks=num_tasks, num_layers=anchor.num_layers)
        weight = WeightHypernet(
            HypernetConfig(), num_tasks=num_tasks, num_channels=num_modulated_channels(anchor)
        )
    costs = node_costs(anchor)
    stream, heads = costs.stem_macs + costs.macs_LS[:, 0].sum(), costs.head_macs_N.sum()
    # Twenty inputs pass through a shared stream twenty times.
    passes = num_tasks if setting.tasks is _CIFAR else 1
    edge_size = sum(parameter.numel() for parameter in edge.parameters())
    weight_size = sum(parameter.numel() for parameter in weight.parameters())
    return (
        anchor.num_parameters() / 1e6,
        shared.num_parameters() / 1e6,
        float(num_tasks * stream + heads) / 1e9,
        float(passes * stream + heads) / 1e9,
        edge_size / 1e6,
        (edge_size + weight_size) / 1e6,
    )


def main() -> None:
    """Print one block per table."""
    for setting in _SETTINGS:
        print(setting.title)
        print(f"  {'':28}{'paper':>9}{'ours':>11}{'ratio':>9}")
        for name, paper, ours in zip(_NAMES, setting.paper, counts(setting), strict=True):
            print(f"  {name:28}{paper:9.2f}{ours:11.4f}{ours / paper:9.3f}")
        print()


if __name__ == "__main__":
    main()
