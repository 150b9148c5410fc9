"""What a backbone must offer."""

import pytest

from dymu.errors import SpecError
from dymu.networks.backbones.protocol import Backbone, Block, Head
from dymu.networks.backbones.small import SmallBackbone
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.optimisation import Optimisation


def test_the_small_backbone_is_one() -> None:
    assert isinstance(SmallBackbone(), Backbone)


def test_something_else_is_refused_where_a_backbone_belongs() -> None:
    assert not isinstance("small", Backbone)
    with pytest.raises(SpecError, match=r"AnchorRecipe\.backbone"):
        AnchorRecipe(backbone="small", optimisation=Optimisation(num_steps=1))  # type: ignore[arg-type]


def test_a_block_without_forward_says_so() -> None:
    class Nothing(Block):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?forward'?"):
        Nothing()  # type: ignore[abstract]


def test_a_head_without_forward_says_so() -> None:
    class Nothing(Head):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?forward'?"):
        Nothing()  # type: ignore[abstract]
