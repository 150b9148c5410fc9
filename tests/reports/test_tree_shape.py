import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.reports.tree_shape import shared_depth, stream_share

# Four layers, three tasks: the heads read node 0 throughout; all three streams; shared below, split above.
ONE_STREAM = [[0, 0, 0]] * 4
APART = [[0, 1, 2]] * 4
SPLIT_ABOVE_TWO = [[1, 1, 1], [1, 1, 1], [0, 1, 2], [0, 1, 2]]


def test_depth_counts_layers_with_one_node_from_the_image_up() -> None:
    assert shared_depth([ONE_STREAM, APART, SPLIT_ABOVE_TWO]).tolist() == [4, 0, 2]


def test_layers_shared_above_a_split_do_not_count() -> None:
    # Heads read one node of the last layer, which reads one node of each layer below: the rest does not run.
    assert shared_depth([[[0, 1, 2], [0, 1, 2], [0, 1, 2], [2, 2, 2]]]).tolist() == [4]


def test_the_share_of_a_stream_counts_nodes_that_run() -> None:
    assert stream_share([ONE_STREAM, ONE_STREAM], [0, 1]).tolist() == [1.0, 0.0]
    assert stream_share([APART], [2]).tolist() == pytest.approx([1 / 3])
    # Stream 1 runs in layers 0 to 3, streams 0 and 2 in layers 2 and 3.
    assert stream_share([SPLIT_ABOVE_TWO], [1]).tolist() == pytest.approx([4 / 8])


@given(st.integers(0, 2**31))
def test_shares_of_all_streams_sum_to_one(seed: int) -> None:
    parents = np.random.default_rng(seed).integers(0, 3, size=(1, 5, 3))
    assert sum(stream_share(parents, [stream])[0] for stream in range(3)) == pytest.approx(1)
    assert 0 <= shared_depth(parents)[0] <= 5
