from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from dymu.artifacts.config import changed, config
from dymu.artifacts.record import Record, read_record
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.methods.bmtas import BMTAS
from dymu.methods.controllable import Controllable
from dymu.methods.ltb import LTB
from dymu.methods.phn_bn import PHNBN
from dymu.methods.retrained import Retrained
from dymu.methods.single_task import SingleTask
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.coarse import Coarse
from dymu.networks.backbones.protocol import Block, Head, Shape, Stem
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.norm import Norm, NormCall, convolve
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.pretrained import PretrainedWeights
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Method, Study, override
from dymu.spec.task import Task
from dymu.stages.affinity import AffinityConfig
from dymu.stages.anchor import AnchorRecipe, anchor_step
from dymu.stages.bmtas import BMTASRecipe
from dymu.stages.context import RunContext
from dymu.stages.edge import EdgeConfig
from dymu.stages.ltb import LTBRecipe
from dymu.stages.optimisation import Optimisation
from dymu.stages.path_losses import PathLossConfig
from dymu.stages.shared import SharedConfig, shared_step
from dymu.stages.weight import WeightConfig
from dymu.tracking.spool import METRICS

NUM_STEPS = 6
BACKBONE = SmallBackbone(channels=(2, 3, 3), resolutions=("halve", "halve", "keep"))
HYPERNET = HypernetConfig(embedding_dim=4, hidden_dim=8)

Runner = Callable[..., Path]


def toy_tensors() -> dict[str, Tensor]:
    """A file of weights for :class:`ToyBackbone`, as training on something else would leave it."""
    generator = torch.Generator().manual_seed(8)
    shapes = {"conv1": (2, 3, 3, 3), "conv2": (2, 2, 3, 3)}
    tensors = {
        f"toy.0.{conv}.weight": 0.5 * torch.randn(shape, generator=generator)
        for conv, shape in shapes.items()
    }
    for name, size in (("toy.stem.norm", 3), ("toy.0.norm1", 2), ("toy.0.norm2", 2)):
        for key in ("weight", "bias", "running_mean", "running_var"):
            tensors[f"{name}.{key}"] = 0.5 + torch.rand(size, generator=generator)
    tensors["toy.stem.conv.weight"] = torch.randn(3, 1, 3, 3, generator=generator)
    tensors["classifier.weight"] = torch.ones(4)
    return tensors


TOY_FILE = save(toy_tensors())
TOY_WEIGHTS = PretrainedWeights(file="toy.safetensors", sha256=sha256(TOY_FILE).hexdigest())


class ToyStem(Stem):
    """One strided convolution."""

    pretrained_names = MappingProxyType({"conv": "toy.stem.conv", "norm": "toy.stem.norm"})

    def __init__(self, image_shape: Shape) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv = nn.Conv2d(channels, 3, 3, stride=2, padding=1, bias=False)
        self.norm = Norm(3)
        self.out_shape = (3, (height + 1) // 2, (width + 1) // 2)

    def forward(self, images_BPCHW: Tensor) -> Tensor:
        """Features (B, P, 3, H/2, W/2)."""
        features: Tensor = self.norm(convolve(self.conv, images_BPCHW), NormCall("running"))
        return features


@config
class ToyBackbone:
    """A small backbone behind a stem; stem and first block are in a file of weights."""

    blocks: SmallBackbone
    pretrained: PretrainedWeights | None

    @property
    def num_layers(self) -> int:
        """As the small one."""
        return self.blocks.num_layers

    @property
    def skip_layer(self) -> int | None:
        """As the small one."""
        return self.blocks.skip_layer

    def stem(self, image_shape: Shape) -> Stem:
        """Three channels at half the size."""
        return ToyStem(image_shape)

    def block(self, layer: int, in_shape: Shape) -> Block:
        """A small block; the first has a name in files."""
        block = self.blocks.block(layer, in_shape)
        if layer == 0:
            block.pretrained_names = {
                module: f"toy.0.{module}" for module in ("conv1", "norm1", "conv2", "norm2")
            }
        return block

    def head(self, task: Task, in_shape: Shape, skip_shape: Shape | None, image_shape: Shape) -> Head:
        """As the small one."""
        return self.blocks.head(task, in_shape, skip_shape, image_shape)


PRETRAINED = Coarse(backbone=ToyBackbone(blocks=BACKBONE, pretrained=TOY_WEIGHTS), ends=(1, 2))


class Darker:
    """Augmentation that needs one draw an image: how much light is left."""

    num_draws = 1

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        """As stored."""
        return images, targets

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Every example as dark as its draw says."""
        return images * draws_BK.view(-1, *[1] * (images.ndim - 1)), targets


@config
class OwnImages:
    """Digits of which every task sees others, augmented in training."""

    digits: Digits

    @property
    def tasks(self) -> tuple[Task, ...]:
        """As of the digits."""
        return self.digits.tasks

    @property
    def input_shape(self) -> Shape:
        """Of one image."""
        return self.digits.input_shape

    def load(self, split: Split, place: DataPlace) -> Examples:
        """Task k sees the digits from the k-th on."""
        shown = self.digits.load(split, place)
        images = torch.stack([shown.images.roll(k, 0) for k in range(len(self.tasks))], dim=1)
        targets = {task.name: shown.targets[task.name].roll(k, 0) for k, task in enumerate(self.tasks)}
        return Examples(images=images, targets=targets, digest=shown.digest, preparation=Darker())


@pytest.fixture(scope="session")
def pretrained_backbone() -> Coarse:
    """A backbone with stem, weights and groups of blocks, at its smallest."""
    return PRETRAINED


@pytest.fixture(scope="session")
def pretrained_tensors() -> Mapping[str, Tensor]:
    """What its file holds."""
    return toy_tensors()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Whatever tests of other folders set: results of one session are compared bit for bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def study() -> Study:
    """The paper's method at its smallest; tests change what they are about with ``override``."""
    return tiny_study()


@pytest.fixture(scope="session")
def methods(study: Study) -> Mapping[str, Method]:
    """Every method at its smallest, by name; the controllable one also without adaptation."""
    return methods_beside(study)


@pytest.fixture(scope="session")
def study_of(study: Study, methods: Mapping[str, Method]) -> Callable[[str], Study]:
    """The tiny study with another method."""
    return lambda name: with_method(study, methods[name])


@pytest.fixture(scope="session")
def steps() -> Mapping[str, Step]:
    """Every stage's step at seed 0, by name."""
    return tiny_steps()


@pytest.fixture(scope="session")
def shared_start(steps: Mapping[str, Step]) -> Step:
    """An anchor whose streams start from a shared net."""
    return steps["shared_start"]


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> DataPlace:
    """One cache of generated data and one root with weights for all tests of a session."""
    root = tmp_path_factory.mktemp("root")
    (root / "weights").mkdir()
    (root / "weights" / TOY_WEIGHTS.file).write_bytes(TOY_FILE)
    return DataPlace(cache_dir=tmp_path_factory.mktemp("data"), root=root)


@pytest.fixture(scope="session")
def context_of(place: DataPlace, published: Runner) -> Callable[..., RunContext]:
    """The context of one attempt at a step below a folder; its inputs are published first."""

    def make(step: Step, folder: Path, **settings: Any) -> RunContext:
        inputs = {role: published(below) for role, below in step.inputs.items()}
        return make_context(step, folder, inputs, place, **settings)

    return make


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory, place: DataPlace) -> Runner:
    """Folder with the files of a step, which runs with all that it needs when it is first asked for."""
    root = tmp_path_factory.mktemp("published")
    return lambda step: run_steps_below(step, root, place)


@pytest.fixture(scope="session")
def run_steps(place: DataPlace) -> Runner:
    """Run the closure of a step below a folder, as if nothing had ever been published."""
    return lambda step, folder: run_steps_below(step, folder, place)


@pytest.fixture(scope="session")
def record_of(published: Runner) -> Callable[[Study], Record]:
    """The record of a study at seed 0."""
    return lambda study: read_record(published(study.evaluation_step(0)))


def tiny_study(num_steps: int = NUM_STEPS) -> Study:
    """The paper's method at its smallest; ``num_steps`` in every stage."""
    short = Optimisation(num_steps=num_steps, learning_rate=0.01)
    return Study(
        name="tiny",
        dataset=Digits(num_train=64, num_val=32, num_test=41),
        method=Controllable(
            anchor=AnchorRecipe(backbone=BACKBONE, optimisation=short, batch_size=8),
            affinity=AffinityConfig(num_instances=10),
            edge=EdgeConfig(
                optimisation=short,
                hypernet=HYPERNET,
                preferences_per_step=2,
                batch_size=4,
                temperature_every=2,
            ),
            path_losses=PathLossConfig(num_images=11, batch_size=5),
            weight=WeightConfig(optimisation=short, hypernet=HYPERNET, preferences_per_step=2, batch_size=4),
        ),
        evaluation=EvaluationConfig(
            reference_point=(4.0, 4.0, 4.0), num_preferences=5, num_cost_preferences=30, batch_size=20
        ),
    )


def methods_beside(study: Study) -> dict[str, Method]:
    """Every method at the size of a study's, by name."""
    controllable = study.method
    assert isinstance(controllable, Controllable)
    short = controllable.anchor.optimisation
    joint = PHNBN(
        backbone=BACKBONE,
        optimisation=short,
        static=short,
        hypernet=HYPERNET,
        preferences_per_step=2,
        batch_size=4,
    )
    return {
        "controllable": controllable,
        "unadapted": changed(controllable, {"weight": None}),
        "single_task": SingleTask(anchor=controllable.anchor),
        "static_grid": StaticGrid(backbone=BACKBONE, optimisation=short, batch_size=8),
        "phn_bn": joint,
        "frozen_phn_bn": changed(joint, {"convolutions": "frozen"}),
        **static_trees(controllable),
    }


def static_trees(controllable: Controllable) -> dict[str, Method]:
    """Methods that train one tree by itself; of six steps of a search two are warm-up."""
    recipe, ltb = controllable.anchor, LTBRecipe(optimisation=controllable.anchor.optimisation, batch_size=4)
    bmtas = BMTASRecipe(optimisation=recipe.optimisation, batch_size=4, warm_up=0.4, architecture_every=2)
    retrained = Retrained(anchor=recipe, affinity=controllable.affinity, edge=controllable.edge)
    return {
        "retrained": retrained,
        "retrained_initial": changed(retrained, {"start": "initial"}),
        "ltb": LTB(anchor=recipe, search=changed(ltb, {"warm_up": 0.4})),
        "bmtas": BMTAS(anchor=recipe, search=bmtas),
    }


def with_method(study: Study, method: Method) -> Study:
    """A study whose method is another one."""
    return Study(name=study.name, dataset=study.dataset, method=method, evaluation=study.evaluation)


def tiny_steps(num_steps: int = NUM_STEPS) -> dict[str, Step]:
    """Every stage's step at seed 0, by name."""

    def closure(study: Study) -> dict[str, Step]:
        return {below.stage: below for below in study.evaluation_step(0).closure()}

    study = tiny_study(num_steps)
    methods = methods_beside(study)
    tabulated = closure(override(study, "method.edge.objective", "tabulated"))
    frozen = closure(with_method(study, methods["frozen_phn_bn"]))
    heavy = override(with_method(study, methods["frozen_phn_bn"]), "dataset.parity_weight", 1e39)
    return closure(study) | {
        "anchor_stream": closure(study)["anchor"].parts[1],
        "shared_start": anchor_step(shared_start_recipe(study), dataset=study.dataset, seed=0),
        "path_losses": tabulated["path_losses"],
        "tabulated_edge": tabulated["edge"],
        "shared": frozen["shared"],
        "frozen_phn_bn": frozen["phn_bn"],
        "heavy_shared": closure(heavy)["shared"],
        "phn_bn": closure(with_method(study, methods["phn_bn"]))["phn_bn"],
        "tree": closure(with_method(study, methods["retrained"]))["tree"],
        "retrain": closure(with_method(study, methods["retrained"]))["retrain"],
        "initial_retrain": closure(with_method(study, methods["retrained_initial"]))["retrain"],
        "ltb": closure(with_method(study, methods["ltb"]))["ltb"],
        "bmtas": closure(with_method(study, methods["bmtas"]))["bmtas"],
        **{f"own_images_{name}": step for name, step in closure(own_images_study(study)).items()},
        **{f"pretrained_{name}": step for name, step in pretrained_steps(study).items()},
    }


def own_images_study(study: Study) -> Study:
    """A study whose tasks have images of their own, and whose streams start from a shared net."""
    assert isinstance(study.dataset, Digits)
    other = override(study, "dataset", OwnImages(digits=study.dataset))
    return override(other, "method.anchor", shared_start_recipe(study))


def pretrained_steps(study: Study) -> dict[str, Step]:
    """Steps with :data:`PRETRAINED`, by stage."""
    other = override(study, "method.anchor.backbone", PRETRAINED)
    steps = {below.stage: below for below in other.evaluation_step(0).closure()}
    static = SharedConfig(
        dataset=study.dataset, backbone=PRETRAINED, optimisation=steps["anchor"].config.recipe.optimisation
    )
    phn_bn = override(
        with_method(study, methods_beside(study)["phn_bn"]), "method.backbone", PRETRAINED
    ).evaluation_step(0)
    return steps | {
        "anchor_stream": steps["anchor"].parts[1],
        "shared": shared_step(static, seed=0),
        "phn_bn": phn_bn.inputs["phn_bn"],
    }


def shared_start_recipe(study: Study) -> AnchorRecipe:
    """A study's recipe with streams that start from a shared net."""
    assert isinstance(study.method, Controllable)
    recipe = study.method.anchor
    return changed(
        recipe,
        {"initialisation": "shared", "pretraining": recipe.optimisation, "pretraining_batch_size": 5},
    )


def make_context(
    step: Step, folder: Path, inputs: Mapping[str, Path], place: DataPlace, **settings: Any
) -> RunContext:
    """An attempt of its own name writes into an empty folder; what the others left to go on from is there."""
    out_dir, work_dir = folder / settings.pop("attempt", "out"), folder / "work"
    for below in (out_dir, work_dir):
        below.mkdir(parents=True, exist_ok=True)
    settings = {"checkpoint_seconds": 1e9} | settings
    return RunContext(
        step=step, out_dir=out_dir, work_dir=work_dir, input_dirs=inputs, data=place, **settings
    )


def run_steps_below(step: Step, root: Path, place: DataPlace) -> Path:
    for below in step.closure():
        folder = root / below.address
        if not (folder / "done").exists():
            inputs = {role: root / other.address / "out" for role, other in below.inputs.items()}
            context = make_context(below, folder, inputs, place)
            below.run(below, context)
            metrics = context.work_dir / METRICS
            if metrics.exists():
                metrics.rename(context.out_dir / METRICS)
            (folder / "done").touch()
    return root / step.address / "out"


@pytest.fixture
def lose_target(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From now on the tiny dataset has no targets of a task in a split."""
    load = Digits.load

    def lose(task: str, lacking: Split) -> None:
        def load_without(self: Digits, split: Split, place: DataPlace) -> Examples:
            examples = load(self, split, place)
            if split is not lacking:
                return examples
            targets = {name: target for name, target in examples.targets.items() if name != task}
            return Examples(images=examples.images, targets=targets, digest=examples.digest)

        monkeypatch.setattr(Digits, "load", load_without)

    return lose
