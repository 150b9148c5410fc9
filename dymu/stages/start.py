"""How a net starts that is about to be trained: from weights that were trained before.

Streams exchange features only if they start alike (docs/log.md): from one file of weights, from the stream of
a shared net, or from the random numbers that they were built with.
"""

import json
import logging
from typing import Literal

from dymu.artifacts.files import disk_errors
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.pretrained import load_pretrained
from dymu.stages.context import RunContext

Initialisation = Literal["common", "independent", "shared"]

REPORT = "pretrained.json"

_LOGGER = logging.getLogger(__name__)


def start_pretrained(net: AnchorNet, context: RunContext) -> None:
    """Fill a net from the file that its backbone names, if it names one; publishes ``pretrained.json``.

    It says which keys of the file were loaded or not used, and which tensors of the net keep their random
    numbers because the file has nothing for them.

    Raises:
        DataError: If the file is missing, is another one or does not fit; the net is unchanged then.
        StoreError: If the disk refuses.
    """
    if net.backbone.pretrained is None:
        return
    report = load_pretrained(net, context.data.root)
    _LOGGER.info("%s starts from %s", context.step.address, report.summary())
    form = {
        "file": report.weights.file,
        "sha256": report.weights.sha256,
        "loaded": report.loaded,
        "unused": report.unused,
        "fresh": report.fresh,
    }
    path = context.out_dir / REPORT
    with disk_errors(path, doing="write"):
        path.write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")


def start_from_shared(net: AnchorNet, shared: AnchorNet) -> None:
    """Give every stream the numbers of a shared net's one stream, and every head those of its task's head."""
    assert shared.num_streams == 1, "a shared net has one stream"
    copy_stem(net, shared)
    for stream in net.streams:
        stream.load_state_dict(shared.streams[0].state_dict())
    heads = {task.name: head for task, head in zip(shared.tasks, shared.heads, strict=True)}
    for task, head in zip(net.tasks, net.heads, strict=True):
        head.load_state_dict(heads[task.name].state_dict())


def copy_stem(net: AnchorNet, source: AnchorNet) -> None:
    """Give a net the stem of another; streams that are brought together had the same one all along."""
    if net.stem is not None and source.stem is not None:
        net.stem.load_state_dict(source.stem.state_dict())
