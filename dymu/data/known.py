"""The datasets in official layouts by the names that the command line knows them by.

Another dataset is a module of its own and a line here; a recipe, too, if it can be downloaded freely.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dymu.data.cifar100 import CIFAR100
from dymu.data.download import RemoteFile
from dymu.data.fetch import Archive, Member, Recipe
from dymu.data.multimnist import MultiMNIST
from dymu.data.nyuv2 import NYUv2
from dymu.data.official import Official
from dymu.data.pascal import PASCAL


@dataclass(frozen=True)
class Known:
    """A dataset that commands know by a name.

    Attributes:
        dataset: With its defaults.
        recipe: How it is downloaded; ``None`` where its publisher allows no free download.
    """

    dataset: Official
    recipe: Recipe | None = None


# Checksums of the publishers' archives as dataset libraries have pinned them for years; those of the members
# are of the files themselves.
CIFAR100_BINARY = Recipe(
    folder="cifar-100-binary",
    source="https://www.cs.toronto.edu/~kriz/",
    archives=(
        Archive(
            remote=RemoteFile(
                name="cifar-100-binary.tar.gz",
                size=168_513_733,
                sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            ),
            members=(
                Member(
                    name="train.bin",
                    inside="cifar-100-binary/train.bin",
                    size=153_700_000,
                    sha256="f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
                ),
                Member(
                    name="test.bin",
                    inside="cifar-100-binary/test.bin",
                    size=30_740_000,
                    sha256="d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a",
                ),
            ),
        ),
    ),
)


def _idx(name: str, *, packed: tuple[int, str], plain: tuple[int, str]) -> Archive:
    return Archive(
        remote=RemoteFile(name=f"{name}.gz", size=packed[0], sha256=packed[1]),
        members=(Member(name=name, size=plain[0], sha256=plain[1]),),
    )


MNIST_FILES = Recipe(
    folder="mnist",
    source="https://ossci-datasets.s3.amazonaws.com/mnist/",
    archives=(
        _idx(
            "train-images-idx3-ubyte",
            packed=(9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            plain=(47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ),
        _idx(
            "train-labels-idx1-ubyte",
            packed=(28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            plain=(60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ),
        _idx(
            "t10k-images-idx3-ubyte",
            packed=(1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            plain=(7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ),
        _idx(
            "t10k-labels-idx1-ubyte",
            packed=(4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            plain=(10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
        ),
    ),
)

KNOWN: Mapping[str, Known] = MappingProxyType(
    {
        "cifar100": Known(CIFAR100(), CIFAR100_BINARY),
        "nyuv2": Known(NYUv2()),
        "pascal3": Known(PASCAL(num_tasks=3)),
        "pascal5": Known(PASCAL(num_tasks=5)),
        "mnist": Known(MultiMNIST(), MNIST_FILES),
    }
)
