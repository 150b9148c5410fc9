"""cluster.yaml is what `ray up` accepts: it holds to the schema that Ray ships."""

import json
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml


@pytest.fixture(scope="module")
def cluster(root: Path) -> Any:
    return yaml.safe_load((root / "cluster.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def schema() -> Any:
    package = find_spec("ray")  # found, not imported: importing Ray takes seconds
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "autoscaler" / "ray-schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_launcher_accepts_it(cluster: Any, schema: Any) -> None:
    jsonschema.validate(cluster, schema)


def test_the_schema_refuses_a_typo(cluster: Any, schema: Any) -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_wrokers"):
        jsonschema.validate({**cluster, "max_wrokers": 4}, schema)


def test_the_head_is_one_of_the_node_types(cluster: Any) -> None:
    assert cluster["head_node_type"] in cluster["available_node_types"]


def test_drivers_run_on_the_head_and_training_does_not(cluster: Any) -> None:
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"]["CPU"] == 0


def test_workers_fit_below_the_limit(cluster: Any) -> None:
    workers = [
        kind for name, kind in cluster["available_node_types"].items() if name != cluster["head_node_type"]
    ]
    assert workers
    assert all(kind["max_workers"] <= cluster["max_workers"] for kind in workers)


def test_commands_can_be_parsed_by_a_shell(cluster: Any) -> None:
    for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"):
        assert all(shlex.split(command) for command in cluster[key])


def test_the_environment_is_the_locked_one(cluster: Any) -> None:
    assert any("--require-hashes -r requirements.lock" in command for command in cluster["setup_commands"])
