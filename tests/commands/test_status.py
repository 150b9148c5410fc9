from collections.abc import Callable
from typing import Any

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
