"""What predicted trees look like: how deep they share, and whose stream they run.

``parents_SLN[s, l, child]`` is the node of layer l that node ``child`` of layer l + 1 reads, as in records.
Letters: S trees, L layers, N tasks.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dymu.metrics.cost import reachable

Floats = NDArray[np.float64]


def shared_depth(parents_SLN: ArrayLike) -> NDArray[np.int64]:
    """(S,) layers from the image up that have one node for all tasks: 0 if the first one splits already."""
    single_SL = reachable(parents_SLN)[:, :-1].sum(axis=2) == 1
    depth_S: NDArray[np.int64] = np.logical_and.accumulate(single_SL, axis=1).sum(axis=1)
    return depth_S


def stream_share(parents_SLN: ArrayLike, streams_S: ArrayLike) -> Floats:
    """(S,) share of the nodes that run, heads aside, that belong to one stream.

    Args:
        parents_SLN: The trees.
        streams_S: Which stream, for each tree.
    """
    used_SLN = reachable(parents_SLN)[:, :-1]
    streams = np.asarray(streams_S, dtype=np.int64)
    own_S = used_SLN[np.arange(len(used_SLN)), :, streams].sum(axis=1)
    share_S: Floats = own_S / used_SLN.sum(axis=(1, 2))
    return share_S
