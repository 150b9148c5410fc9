from typing import Any

from matplotlib.figure import Figure

from dymu.reports.collect import Results, results_of
from dymu.reports.figure_notes import in_order, missing_lines, resource_label, wrapped, write_notes


def test_missing_seeds_are_listed_by_arm(study: Any) -> None:
    study.without = (("no-affinity", 1), ("no-affinity", 2))
    study.publish()
    lines = missing_lines(results_of(study.store, study.manifest))
    assert lines == ["No record of no task affinity at seed 1, 2"]


def test_nothing_is_said_where_nothing_is_missing(results: Results) -> None:
    figure = Figure()
    write_notes(figure, missing_lines(results))
    assert figure.texts == []


def test_long_notes_are_broken_and_kept_whole() -> None:
    text = "word " * 40
    assert " ".join(wrapped([text], 3.35)).split() == text.split()
    assert all(len(line) <= 80 for line in wrapped([text], 3.35))
    assert len(wrapped([text], 6.9)) < len(wrapped([text], 3.35))


def test_methods_without_c_come_first_and_say_so() -> None:
    assert in_order({1.0, None, 0.0}) == [None, 0.0, 1.0]
    assert [resource_label(c) for c in (None, 0.5)] == ["no c", "c = 0.5"]
