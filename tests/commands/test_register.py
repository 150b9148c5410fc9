"""The verb that makes a model of MLflow out of a trained controller."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.product import published, registering
from dymu.tracking.mlflow_models import RegisteredVersion

Dymu = Callable[..., Any]


@dataclass
class Asked:
    """What the verb asked of the modules that do the work."""

    read: list[str] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    registered: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Toy studies have no controller: what would read and register one is taken down instead."""
    asked = Asked()

    def read(_: Store, address: str) -> Any:
        asked.read.append(address)
        return type("Step", (), {"address": address})()

    def with_images(_: Store, step: Any, *, num_batches: int, **__: Any) -> str:
        asked.images.append(num_batches)
        return f"controller of {step.address}"

    def register(controller: str, **settings: Any) -> RegisteredVersion:
        asked.registered.append({"controller": controller, **settings})
        return RegisteredVersion(name=settings["name"], version="3", model_id="m-1", run_id="")

    monkeypatch.setattr(published, "published_step", read)
    monkeypatch.setattr(registering, "controller_with_images", with_images)
    monkeypatch.setattr(registering, "register", register)
    return asked


def evaluation(finished: Dymu) -> str:
    return str(finished("cache", "ls", "evaluate", "--json").json[0]["address"])


def test_an_address_is_registered_in_the_experiment_of_its_study(finished: Dymu, asked: Asked) -> None:
    address = evaluation(finished)
    said = finished("register", address, "--name", "toy", "--calibration", "0")
    assert said.code == 0
    assert f"models:/toy/3 is {address}" in said.out
    assert "mlflow models serve -m models:/toy/3 --env-manager local" in said.out
    assert asked.read == [address]
    assert asked.images == [0]
    (settings,) = asked.registered
    assert settings["controller"] == f"controller of {address}"
    assert settings["experiment"].startswith("toy")


def test_a_study_is_registered_at_a_seed(finished: Dymu, asked: Asked) -> None:
    said = finished("register", "toy_studies:ours", "--name", "toy", "--seed", "1", "--json")
    assert said.code == 0
    assert said.json["uri"] == "models:/toy/3"
    assert said.json["address"] == asked.read[0]
    assert asked.images == [4]
    assert asked.registered[0]["experiment"] == "toy_studies-ours"


def test_an_address_that_no_study_knows_has_an_experiment_of_its_own(finished: Dymu, asked: Asked) -> None:
    finished("register", "evaluate/0123456789abcdef", "--name", "toy")
    assert asked.registered[0]["experiment"] == "controllers"


def test_the_server_may_be_named(finished: Dymu, asked: Asked) -> None:
    finished("register", "toy_studies:ours", "--name", "toy", "--tracking-uri", "http://127.0.0.1:5000")
    assert asked.registered[0]["tracking_uri"] == "http://127.0.0.1:5000"


def test_a_missing_artifact_is_named(dymu: Dymu, tmp_path: Path) -> None:
    Store(tmp_path / "store")
    said = dymu("register", "evaluate/0123456789abcdef", "--name", "toy")
    assert said.code == 3
    assert "evaluate/0123456789abcdef" in said.err
