"""Normalisation of a batch in pieces, against torch's own on the whole batch; ranks are threads here."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dymu.networks.batch_statistics import Peers, batch_statistics, in_order, normalise
from dymu.networks.initialise import build
from dymu.networks.norm import Norm, NormCall, NormMode

T = TypeVar("T")

CHANNELS = 3
PIECES = [[6], [3, 3], [1, 5], [2, 1, 3], [1, 1, 2, 2]]  # lengths of the pieces of a batch of six
EPS = 1e-5


class Thread:
    """One of several threads that wait for each other."""

    def __init__(self, rank: int, told: list[Tensor], barrier: Barrier) -> None:
        self.rank, self.told, self.barrier = rank, told, barrier
        self.size = len(told)

    def gather(self, tensor: Tensor) -> Tensor:
        self.told[self.rank] = tensor.detach().clone()
        self.barrier.wait(timeout=60)
        everything = torch.stack(self.told)
        self.barrier.wait(timeout=60)
        return everything


def on_ranks(pieces: Sequence[Tensor], work: Callable[[Tensor, Peers], T]) -> list[T]:
    """What each of the ranks makes of its piece."""
    told, barrier = [torch.empty(0)] * len(pieces), Barrier(len(pieces))
    with ThreadPoolExecutor(len(pieces)) as pool:
        peers = [Thread(rank, told, barrier) for rank in range(len(pieces))]
        return list(pool.map(work, pieces, peers))


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 5 + 3 * torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("lengths", PIECES)
@pytest.mark.parametrize("shape", [(), (4, 5)], ids=["flat", "image"])
def test_statistics_are_those_of_the_whole_batch(lengths: list[int], shape: tuple[int, ...]) -> None:
    whole = numbers(6, CHANNELS, *shape)
    over = [0, *range(2, whole.dim())]
    for found in on_ranks(whole.split(lengths), batch_statistics):
        torch.testing.assert_close(found.mean, whole.mean(dim=over))
        torch.testing.assert_close(found.variance, whole.var(dim=over, correction=0))
        assert found.count == whole.numel() // CHANNELS


@pytest.mark.parametrize("lengths", PIECES)
def test_all_ranks_have_the_same_bits(lengths: list[int]) -> None:
    found = on_ranks(numbers(6, CHANNELS, 4, 5).float().split(lengths), batch_statistics)
    for other in found[1:]:
        assert torch.equal(found[0].mean, other.mean)
        assert torch.equal(found[0].variance, other.variance)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("lengths", PIECES)
@pytest.mark.parametrize("shape", [(), (4, 5)], ids=["flat", "image"])
def test_output_and_gradients_are_those_of_the_whole_batch(
    lengths: list[int], shape: tuple[int, ...], affine: bool
) -> None:
    whole, pull = numbers(6, CHANNELS, *shape), numbers(6, CHANNELS, *shape, seed=1)
    parameters = [numbers(CHANNELS, seed=2), numbers(CHANNELS, seed=3)] if affine else [None, None]

    def leaves() -> list[Tensor | None]:
        return [None if p is None else p.clone().requires_grad_() for p in parameters]

    def piece(index: Tensor, peers: Peers) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        mine = whole[index].clone().requires_grad_()
        weight, bias = leaves()
        out = normalise(mine, weight, bias, batch_statistics(mine, peers), EPS, peers)
        (out.sin() * pull[index]).sum().backward()
        assert mine.grad is not None
        return out.detach(), mine.grad, [None if p is None else p.grad for p in (weight, bias)]

    found = on_ranks(torch.arange(6).split(lengths), piece)
    inputs, (weight, bias) = whole.clone().requires_grad_(), leaves()
    expected = functional.batch_norm(inputs, None, None, weight, bias, True, 0.0, EPS)
    (expected.sin() * pull).sum().backward()
    torch.testing.assert_close(torch.cat([out for out, _, _ in found]), expected.detach())
    torch.testing.assert_close(torch.cat([grad for _, grad, _ in found]), inputs.grad)
    for number, leaf in enumerate((weight, bias)):
        grads = [grad for _, _, both in found if (grad := both[number]) is not None]
        assert (leaf is not None) == bool(grads)
        if leaf is not None:
            torch.testing.assert_close(torch.stack(grads).sum(dim=0), leaf.grad)


def test_features_that_need_no_gradient_exchange_nothing_backwards() -> None:
    def piece(mine: Tensor, peers: Peers) -> Tensor | None:
        weight = numbers(CHANNELS).requires_grad_()
        out = normalise(mine, weight, None, batch_statistics(mine, peers), EPS, peers)
        assert isinstance(peers, Thread)
        peers.barrier.abort()  # whoever waits for others fails
        out.sum().backward()
        return weight.grad

    assert all(grad is not None for grad in on_ranks([numbers(2, CHANNELS)], piece))


@pytest.mark.parametrize("mode", ["train", "batch"])
def test_a_normalisation_with_peers_is_the_one_of_the_whole_batch(mode: NormMode) -> None:
    whole = numbers(6, 1, CHANNELS, 4, 5)

    def filled() -> Norm:
        return build(lambda: Norm(CHANNELS), torch.Generator()).double()

    def piece(mine: Tensor, peers: Peers) -> tuple[Tensor, Norm]:
        norm = filled()
        return norm(mine, NormCall(mode, peers=peers)).detach(), norm

    alone = filled()
    expected = alone(whole, NormCall(mode)).detach()
    found = on_ranks(whole.split([1, 2, 3]), piece)
    torch.testing.assert_close(torch.cat([out for out, _ in found]), expected)
    for _, norm in found:
        torch.testing.assert_close(norm.running_mean, alone.running_mean)
        torch.testing.assert_close(norm.running_var, alone.running_var)


def test_running_statistics_need_no_exchange() -> None:
    norm = build(lambda: Norm(CHANNELS), torch.Generator()).double()
    mine = numbers(2, 1, CHANNELS, 4)
    nobody = Thread(0, [torch.empty(0)] * 2, Barrier(2))
    out = norm(mine, NormCall("running", peers=nobody))
    assert torch.equal(out, norm(mine, NormCall("running")))


@pytest.mark.parametrize("mode", ["collect", "replay"])
def test_collected_statistics_are_those_of_one_process(mode: NormMode) -> None:
    norm = build(lambda: Norm(CHANNELS), torch.Generator()).double()
    nobody = Thread(0, [torch.empty(0)] * 2, Barrier(2))
    with pytest.raises(AssertionError, match="one process"):
        norm(numbers(2, 1, CHANNELS, 4), NormCall(mode, peers=nobody))


def test_sums_are_taken_in_the_order_of_the_ranks() -> None:
    parts = torch.tensor([1e30, -1e30, 1.0, 1e-9])
    assert in_order(parts) == torch.tensor(1.0)
    assert in_order(parts.flip(0)) == torch.tensor(0.0)


@pytest.mark.parametrize("lengths", [[6], [2, 1, 3]])
def test_low_precision_features_are_normalised_by_single_precision_statistics(lengths: list[int]) -> None:
    whole = numbers(6, CHANNELS, 4, 5).to(torch.bfloat16)

    def piece(mine: Tensor, peers: Peers) -> tuple[Tensor, Tensor]:
        mine = mine.clone().requires_grad_()
        out = normalise(mine, None, None, batch_statistics(mine, peers), EPS, peers)
        out.float().sin().sum().backward()
        assert mine.grad is not None
        return out.detach(), mine.grad

    found = on_ranks(whole.split(lengths), piece)
    wide = whole.float().requires_grad_()
    expected = functional.batch_norm(wide, None, None, None, None, True, 0.0, EPS)
    rounded = expected.to(torch.bfloat16)
    rounded.float().sin().sum().backward()
    assert {out.dtype for out, _ in found} == {grad.dtype for _, grad in found} == {torch.bfloat16}
    torch.testing.assert_close(torch.cat([out for out, _ in found]), rounded.detach())
    assert wide.grad is not None
    torch.testing.assert_close(
        torch.cat([grad for _, grad in found]).float(), wide.grad, atol=2e-2, rtol=2e-2
    )
