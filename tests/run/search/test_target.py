from pathlib import Path

import pytest

from dymu.errors import SpecError
from dymu.run.search.target import find_search, parts_of, stages_of
from dymu.spec.search import ArmSearch, Search

TOYS = Path(__file__).parents[1] / "toys"


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOYS))


def test_a_search_is_found_by_module_and_attribute() -> None:
    found = find_search("toy_search:one", folder=TOYS)
    assert isinstance(found, Search)
    assert found.trials == 5
    assert isinstance(find_search("toy_search:arms", folder=TOYS), ArmSearch)


def test_it_may_have_another_budget() -> None:
    found = find_search("toy_search:one", folder=TOYS, trials=50)
    assert found is not None
    assert found.trials == 50


@pytest.mark.parametrize("text", ["toy_studies:ours", "toy_studies", "toy_question"])
def test_other_targets_are_left_to_others(text: str) -> None:
    assert find_search(text, folder=TOYS) is None


def test_a_budget_of_something_else_is_refused() -> None:
    with pytest.raises(SpecError, match="--trials is the budget of a search, but toy_studies:ours is none"):
        find_search("toy_studies:ours", folder=TOYS, trials=3)


def test_a_module_of_searches_wants_to_know_which(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "only_searches.py").write_text("from toy_search import one, arms\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for text in ("only_searches", "only_searches:oen"):
        with pytest.raises(SpecError, match=f"{text} names no search; name one of only_searches:one, only"):
            find_search(text, folder=tmp_path)


def test_a_search_of_arms_has_a_part_for_each() -> None:
    found = find_search("toy_search:arms", folder=TOYS)
    assert isinstance(found, ArmSearch)
    parts = parts_of(found, folder=TOYS)
    assert {name: len(search.space) for name, (_, search) in parts.items()} == {"baseline": 2, "double": 1}


def test_it_runs_the_stages_of_the_search_and_of_the_comparison() -> None:
    arms, one = (find_search(f"toy_search:{name}", folder=TOYS) for name in ("arms", "one"))
    assert arms is not None
    assert one is not None
    assert stages_of(arms, folder=TOYS) - stages_of(one, folder=TOYS) == {"evaluate"}
    assert "validate" in stages_of(one, folder=TOYS)
