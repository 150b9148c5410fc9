from collections.abc import Callable
from pathlib import Path
from typing import Any

Dymu = Callable[..., Any]


def test_the_doctor_looks_at_everything(dymu: Dymu) -> None:
    said = dymu("doctor", "--json")
    assert said.code == 0, said.out
    names = {entry["name"] for entry in said.json}
    assert {"python", "packages", "store", "disk", "torch", "ray", "mlflow", "git"} <= names


def test_the_doctor_tells_what_fails(dymu: Dymu, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text('{"format": 99}')
    said = dymu("doctor")
    assert said.code == 3
    assert "fails" in said.out
    assert "format 99" in said.flat


def test_version(dymu: Dymu) -> None:
    assert dymu("version").out == "0.1.0\n"
