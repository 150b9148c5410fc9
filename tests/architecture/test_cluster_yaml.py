"""cluster.yaml and its variants in the documents are what `ray up` accepts: Ray ships a schema."""

import json
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]


def launcher_files() -> dict[str, Any]:
    """The file of the repository, and every block of the documents that names a cluster."""
    found = {"aws": yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))}
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        form = yaml.safe_load(block)
        found[form["provider"]["type"]] = form
    return found


FILES = launcher_files()


@pytest.fixture(params=sorted(FILES))
def cluster(request: pytest.FixtureRequest) -> Any:
    return FILES[request.param]


def test_there_are_variants() -> None:
    assert set(FILES) == {"aws", "gcp", "local"}


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


def test_every_process_of_ray_asks_for_a_token(cluster: Any) -> None:
    starts = [*cluster["head_start_ray_commands"], *cluster["worker_start_ray_commands"]]
    started = [command for command in starts if "ray start" in command]
    assert len(started) == 2
    assert all("RAY_AUTH_MODE=token ray start" in command for command in started)
    assert cluster["file_mounts"]["/home/ray/.ray/auth_token"] == "~/.ray/auth_token"


def test_nothing_listens_for_strangers(cluster: Any) -> None:
    commands = " ".join(cluster["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in commands
    assert "mlflow server --host 127.0.0.1" in commands
    assert "0.0.0.0" not in commands


def test_all_nodes_share_storage(cluster: Any) -> None:
    assert "-v /mnt/dymu:/mnt/dymu" in cluster["docker"]["run_options"]


def test_a_provider_without_an_autoscaler_has_all_its_workers_at_once() -> None:
    local = FILES["local"]
    kind = local["available_node_types"]["worker"]
    assert kind["min_workers"] == kind["max_workers"] == len(local["provider"]["worker_ips"])


def test_ray_is_the_locked_release_everywhere(cluster: Any) -> None:
    (locked,) = re.findall(
        r"^ray==(\S+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert f"rayproject/ray:{locked}-" in cluster["docker"]["image"]
