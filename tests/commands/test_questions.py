from collections.abc import Callable
from typing import Any

Dymu = Callable[..., Any]


def test_explain_finds_the_field(finished: Dymu) -> None:
    said = finished("explain", "toy_studies:ours", "toy_studies:slow")
    assert "inputs.edge.config.num_steps: 5 ->" in said.out
    edges = [row["address"] for row in finished("cache", "ls", "edge", "--json").json]
    (difference,) = finished("explain", *edges, "--json").json
    assert difference["path"] == "config.scale"
    assert "are the same" in finished("explain", "toy_studies:ours", "toy_studies:ours").out
