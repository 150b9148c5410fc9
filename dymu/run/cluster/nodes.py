"""What a cluster has, what it can grow to, and what must not stay behind on it."""

import math
from collections.abc import Mapping
from typing import Any

_UNLIMITED = 64  # nodes of a kind whose number has no limit; more would not change what fits


def nodes_there() -> list[Mapping[str, float]]:
    """Resources of each node that is alive, under Ray's names."""
    import ray

    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in listed if node["Alive"]]


def nodes_possible() -> list[Mapping[str, float]]:
    """The nodes that an autoscaler may start at most or, without one, those that are alive."""
    from ray._private.state import state

    config = state.get_cluster_config()
    kinds = list(config.node_group_configs) if config is not None else []
    possible: list[Mapping[str, float]] = []
    for kind in kinds:
        count = _UNLIMITED if kind.max_count < 0 else kind.max_count
        # An autoscaler need not know how much memory the machines will have.
        possible += [{"memory": math.inf, **kind.resources}] * count
    return possible or nodes_there()


def remove_orphaned_groups() -> int:
    """Remove the placement groups whose creator has died; how many there were.

    The controller of a worker group creates its placement group. When the trial that started the controller
    is killed, both die, but Ray keeps the placement group until the whole job ends, and its CPUs with it. It
    keeps for ever what a controller creates in the instant after its job has ended.
    """
    import ray
    from ray._private.state import state
    from ray._raylet import ActorID, PlacementGroupID
    from ray.core.generated import gcs_pb2 as generated
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    gcs_pb2: Any = generated  # made without types
    job = ray.get_runtime_context().get_job_id()
    jobs: list[dict[str, Any]] = state.job_table()  # type: ignore[no-untyped-call]
    over = {str(each["JobID"]) for each in jobs if each["IsDead"]}
    removed = 0
    for data in state._connect_and_get_accessor().get_placement_group_table():
        group = gcs_pb2.PlacementGroupTableData.FromString(data)
        if group.is_detached or group.state == gcs_pb2.PlacementGroupTableData.REMOVED:
            continue
        creator = group.creator_job_id.hex()
        # What the driver has created, for its trials, has no actor as creator; that counts as dead.
        by_dead_actor = group.creator_actor_dead and not ActorID(group.creator_actor_id).is_nil()
        if creator in over or (creator == job and by_dead_actor):
            remove_placement_group(PlacementGroup(PlacementGroupID(group.placement_group_id)))
            removed += 1
    return removed
