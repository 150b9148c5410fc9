from collections.abc import Callable
from typing import Any

import pytest

Dymu = Callable[..., Any]


def test_status_tells_every_stage(finished: Dymu) -> None:
    (study,) = finished("status", "--json").json["studies"]
    states = {(entry["arm"], entry["stage"]): entry["state"] for entry in study["stages"]}
    assert study["state"] == "failed"
    assert states["baseline", "evaluate"] == "done"
    assert states["broken", "weight"] == "failed"
    assert states["broken", "evaluate"] == "waiting"
    said = finished("status", "toy_studies-ours.toy_question")
    assert "failed 3/5" in said.out
    assert "not finite at step 3" in said.err
    assert "knows no study 'other'" in finished("status", "other").err


def test_only_watching_clears_the_terminal(finished: Dymu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal, as far as rich can tell
    monkeypatch.setenv("TERM", "xterm")
    assert "\N{ESCAPE}[2J" not in finished("status").out
    assert "\N{ESCAPE}[2J" in finished("status", "--watch").out


def test_a_study_is_named_as_run_takes_it(finished: Dymu) -> None:
    (study,) = finished("status", "toy_question", "--json").json["studies"]
    assert study["name"] == "toy_studies-ours.toy_question"
