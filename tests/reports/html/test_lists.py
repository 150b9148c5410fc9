"""Lists of a report."""

from typing import Any

from dymu.reports.collect import results_of
from dymu.reports.html.lists import cost_table, environment_table, provenance_table, seeds_table
from dymu.reports.html.spent import provenance_of, spent_by_stage, uses_of
from dymu.reports.table import Table


def texts(table: Table) -> list[tuple[str, ...]]:
    return [tuple(cell.text for cell in row) for row in table.rows]


def test_seeds_say_what_is_missing(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.publish()
    rows = texts(seeds_table(results_of(study.store, study.manifest)))
    assert len(rows) == 9
    assert [row[:3] for row in rows if row[2] == "missing"] == [("no task affinity", "2", "missing")]


def test_steps_are_listed_once_with_their_users(study: Any) -> None:
    study.publish()
    uses = uses_of(results_of(study.store, study.manifest))
    rows = texts(provenance_table(uses, provenance_of(study.store, [address for *_, address in uses])))
    anchors = [row for row in rows if row[0] == "anchor"]
    assert len(anchors) == 3
    assert anchors[0][2] == "baseline s0, no-inactive-loss s0, no-affinity s0"
    assert anchors[0][4] == "missing"
    assert [row[3] for row in rows if row[0] == "evaluate"] == ["abc"] * 9


def test_uncommitted_code_is_named(study: Any) -> None:
    study.dirty = ("baseline",)
    study.publish()
    uses = uses_of(results_of(study.store, study.manifest))
    rows = texts(provenance_table(uses, provenance_of(study.store, [address for *_, address in uses])))
    assert [row[3] for row in rows if row[0] == "evaluate"].count("abc with changes") == 3


def test_environments_are_counted() -> None:
    said = {
        "a/1": {"python": "3.11", "versions": {"torch": "2"}},
        "a/2": {"python": "3.12", "versions": {"torch": "2"}},
    }
    rows = texts(environment_table(said))
    assert ("Python", "3.11", "1") in rows
    assert ("torch", "2", "2") in rows
    assert not texts(environment_table({"a/1": {}}))


def test_cost_ends_with_the_total_and_says_what_it_does_not_know() -> None:
    table = cost_table(spent_by_stage([("a", 0, "edge", "edge/1")], {"edge/1": {}}))
    assert [row[0] for row in texts(table)] == ["edge", "total"]
    assert any("do not say" in note for note in table.footnotes)
