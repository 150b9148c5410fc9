"""A trained controller as a folder: all that inference needs, without the store, the study or its data.

::

    controller.json          structure: backbone, tasks, sizes of the hypernets; where it comes from
    anchor.safetensors       weights of stem, streams and heads
    edge.safetensors         of the edge hypernet
    weight.safetensors       of the weight hypernet, unless the anchor's weights are used as they are
    calibration.safetensors  batches of images for recalibrated statistics, if it was given any
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dymu import __version__
from dymu.artifacts.files import disk_errors
from dymu.artifacts.fingerprint import canonical, rebuild
from dymu.errors import CorruptArtifactError, StoreError
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.controller import Controller
from dymu.networks.edge_hypernet import EdgeHypernet, make_edge_hypernet
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.weight_hypernet import WeightHypernet, make_weight_hypernet
from dymu.product.controller import TrainedController
from dymu.product.own_classes import import_own_classes
from dymu.stages.tensors import load_module, save_module, save_tensors

FORMAT = 1
DESCRIPTION = "controller.json"
_CALIBRATION = "calibration.safetensors"


def save_controller(controller: TrainedController, folder: Path) -> None:
    """Write a controller below a folder, which is made.

    Raises:
        SpecError: If its backbone has no canonical form.
        StoreError: If the disk refuses.
    """
    parts = controller.parts
    net = parts.net
    form = {
        "format": FORMAT,
        "dymu": __version__,
        "source": controller.source,
        "backbone": canonical(net.backbone),
        "tasks": canonical(net.tasks),
        "image_shape": list(net.image_shape),
        "edge": _size(parts.edge),
        "weight": None if parts.weight is None else _size(parts.weight),
        "statistics": controller.statistics,
        "calibration_batches": len(controller.calibration),
    }
    with disk_errors(folder, doing="write"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DESCRIPTION).write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")
    save_module(net, folder / "anchor.safetensors")
    save_module(parts.edge, folder / "edge.safetensors")
    if parts.weight is not None:
        save_module(parts.weight, folder / "weight.safetensors")
    if controller.calibration:
        batches = {str(number): images for number, images in enumerate(controller.calibration)}
        save_tensors(batches, folder / _CALIBRATION)


def read_folder(folder: Path) -> TrainedController:
    """The controller of a folder; nothing in it is executed or unpickled. The dataset is not needed.

    Raises:
        StoreError: If it is no such folder, or a newer dymu wrote it.
        SpecError: If its backbone is not one of this version of dymu, nor found from the working directory.
        CorruptArtifactError: If a file is damaged.
    """
    form = _description(folder / DESCRIPTION)
    import_own_classes(form["backbone"], str(folder), folder=Path.cwd())
    with torch.device("meta"):
        tasks, image_shape = rebuild(form["tasks"]), tuple(form["image_shape"])
        net = AnchorNet(rebuild(form["backbone"]), tasks, image_shape, num_streams=len(tasks))
    net = net.to_empty(device="cpu")
    nothing = torch.Generator()
    edge = make_edge_hypernet(
        HypernetConfig(**form["edge"]), nothing, num_tasks=len(tasks), num_layers=net.num_layers
    )
    load_module(net, folder / "anchor.safetensors")
    load_module(edge, folder / "edge.safetensors")
    weight: WeightHypernet | None = None
    if form["weight"] is not None:
        weight = make_weight_hypernet(HypernetConfig(**form["weight"]), net, nothing)
        load_module(weight, folder / "weight.safetensors")
        weight.requires_grad_(False)
    return TrainedController(
        Controller(net.requires_grad_(False).eval(), edge.requires_grad_(False), weight),
        source=form["source"],
        statistics=form["statistics"],
        calibration=_calibration(folder / _CALIBRATION, form["calibration_batches"]),
    )


def _size(hypernet: EdgeHypernet | WeightHypernet) -> dict[str, int]:
    embedding_dim, hidden_dim = hypernet.trunk.embeddings.shape[1], hypernet.heads.in_features
    return {"embedding_dim": embedding_dim, "hidden_dim": hidden_dim}


def _description(path: Path) -> dict[str, Any]:
    try:
        form: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        written = form["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path.parent} holds no controller: {error}. Name a folder that dymu has saved."
        ) from error
    if written != FORMAT:
        raise StoreError(
            f"{path} has format {written}; this dymu reads format {FORMAT}. Install the dymu that wrote it "
            f"({form.get('dymu')})."
        )
    return form


def _calibration(path: Path, count: int) -> Sequence[Tensor]:
    if count == 0:
        return ()
    try:
        batches = load_file(path)
        return [batches[str(number)] for number in range(count)]
    except (SafetensorError, OSError, KeyError) as error:
        raise CorruptArtifactError(f"{path} does not hold {count} batches of images: {error}.") from error
