"""Task affinity of the anchor net by representational similarity (Appendix D)."""

import torch
from torch import Tensor

from dymu.artifacts.config import check, config
from dymu.artifacts.step import Step
from dymu.data.examples import Examples, draw_batch
from dymu.data.splits import Split
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.norm import NormCall
from dymu.objectives.affinity import AffinityScale, similarity, task_affinity
from dymu.stages.anchor import load_anchor
from dymu.stages.context import RunContext
from dymu.stages.tensors import load_tensor, save_tensors

STAGE = "affinity"
REVISION = 1
FILE = "affinity.safetensors"


@config
class AffinityConfig:
    """Configuration of the affinity stage.

    Attributes:
        num_instances: K training images; not stated in the paper (docs/protocol.md, no. 8).
        scale: How dissimilarities are brought to [0, 1]; ``row`` as printed (docs/protocol.md, no. 7).
    """

    num_instances: int = 200
    scale: AffinityScale = "row"

    def __post_init__(self) -> None:
        check(self.num_instances >= 2, self, "num_instances", "at least 2")


def affinity_step(settings: AffinityConfig, *, anchor: Step) -> Step:
    """The step that measures affinity; its draw of instances follows the anchor's seed."""
    return Step(
        stage=STAGE,
        revision=REVISION,
        config=settings,
        run=run_affinity,
        inputs={"anchor": anchor},
        seed=anchor.seed,
    )


def run_affinity(step: Step, context: RunContext) -> None:
    """Measure affinity; publishes ``affinity.safetensors`` with ``affinity`` (N, N)."""
    settings: AffinityConfig = step.config
    anchor = step.inputs["anchor"]
    examples: Examples = anchor.config.dataset.load(Split.TRAIN, context.data)
    net = load_anchor(anchor, context)
    features = layer_features(net, _instances(examples, settings.num_instances, context))
    similarity_LNKK = torch.stack([similarity(torch.stack(layer)) for layer in features])
    affinity_NN = task_affinity(similarity_LNKK, settings.scale).cpu()
    names = [task.name for task in anchor.config.dataset.tasks]
    context.spool.rewind(0)  # what an attempt told that was killed before it was published
    context.log(
        0,
        {
            f"affinity/{a}/{b}": float(affinity_NN[i, j])
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if i != j
        },
    )
    context.spool.progress(1, 1)
    save_tensors({"affinity": affinity_NN}, context.out_dir / FILE)


def _instances(examples: Examples, count: int, context: RunContext) -> Tensor:
    """(K, C, H, W) images; tasks with images of their own give equally many each."""
    per_example = examples.images.shape[1] if examples.images.ndim == 5 else 1
    index = draw_batch(len(examples), -(-count // per_example), context.random.torch("instances"))
    images = examples.batch(index, context.device).images
    return images if per_example == 1 else images.flatten(0, 1)[:count]


@torch.no_grad()
def layer_features(net: AnchorNet, images_KCHW: Tensor) -> list[list[Tensor]]:
    """Per layer and stream the flattened features (K, C*H*W) of the anchor in evaluation mode."""
    call = NormCall("running")
    features = [net.entry(images_KCHW.unsqueeze(1))] * net.num_streams
    layers = []
    for layer in range(net.num_layers):
        features = [net.block(layer, stream)(features[stream], call) for stream in range(net.num_streams)]
        layers.append([out.flatten(1) for out in features])
    return layers


def load_affinity(context: RunContext) -> Tensor:
    """(N, N) affinity of the step's input, float32."""
    affinity = load_tensor(context.input_dirs["affinity"] / FILE, "affinity")
    return affinity.to(torch.float32).to(context.device)
