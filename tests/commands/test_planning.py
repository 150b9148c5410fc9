from collections.abc import Callable
from pathlib import Path
from typing import Any

Dymu = Callable[..., Any]


def test_a_plan_makes_no_store(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("plan", "toy_question", "--json")
    assert said.code == 0
    assert said.json["to_run"] == 10
    assert not (tmp_path / "store").exists()


def test_a_plan_shows_what_is_cached(finished: Dymu) -> None:
    assert "10 steps: 8 cached" in finished("plan", "toy_question").flat
    assert "20 steps: 8 cached" in finished("plan", "toy_question", "--seeds", "2").flat
