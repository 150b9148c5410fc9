"""A study on a real S3 server: killed on one machine, finished on another, looked at from a third."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.connect import open_bucket
from dymu.artifacts.location import open_store
from dymu.artifacts.record import RECORD
from dymu.artifacts.remote_work import RemoteWork
from dymu.artifacts.store import Store
from dymu.stages.checkpoint import Checkpoints, unpack
from dymu.tracking.spool import METRICS, PROGRESS

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "run" / "toys"
RUN = (
    "run",
    "toy_studies:slow",
    "-o",
    "method.edge.num_steps=80",
    "--backend",
    "local",
    "--no-tracking",
    "--seeds",
    "1",
)


def addresses(store: Store) -> dict[str, str]:
    (manifest,) = store.manifests()
    return dict(manifest.arms[0].steps["0"])


def step_of(store: Store, address: str) -> int:
    file = store.look_work(address) / PROGRESS
    return int(json.loads(file.read_text())["step"]) if file.exists() else 0


def wait_for_step(store: Store, process: "subprocess.Popen[bytes]", wanted: int) -> None:
    deadline = time.monotonic() + 120
    while not store.manifests() or step_of(store, addresses(store)["edge"]) < wanted:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_study_killed_on_one_machine_ends_on_another_with_the_same_bytes(
    dymu: Any, s3: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location, environment = s3
    here = {**os.environ, **environment, "DYMU_CACHE": str(tmp_path / "first"), "PYTHONPATH": str(ROOT)}
    first = subprocess.Popen(
        [sys.executable, "-m", "dymu", *RUN, "--store", location],
        cwd=TOYS,
        env={**here, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        store = open_store(location)
        wait_for_step(store, first, 20)
    finally:
        first.kill()
        first.wait()
    shutil.rmtree(tmp_path / "first")  # the machine is gone
    there = tmp_path / "there"
    RemoteWork(open_bucket(location), f"work/{addresses(store)['edge']}").pull(there)
    checkpoint = Checkpoints(there).read()
    assert checkpoint is not None
    assert unpack(checkpoint, "cpu")["step"] >= 20
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "second"))
    assert dymu(*RUN, "--store", location).code == 0
    assert dymu(*RUN, "--store", str(tmp_path / "undisturbed")).code == 0
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "third"))
    disturbed, undisturbed = open_store(location), open_store(tmp_path / "undisturbed")
    steps = addresses(disturbed)
    assert steps == addresses(undisturbed)
    for stage, name in (("evaluate", RECORD), ("edge", METRICS)):
        assert disturbed.read(steps[stage], name) == undisturbed.read(steps[stage], name)
    assert not {*steps.values()} & {*disturbed.works()}
    assert disturbed.holders(steps.values()) == {}


def test_every_verb_reads_a_study_from_elsewhere(
    dymu: Any, s3: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYMU_STORE", s3[0])
    ran = dymu("run", "toy_question", "--backend", "local", "--no-tracking")
    assert ran.code == 1  # one of its arms fails
    monkeypatch.setenv("DYMU_CACHE", str(tmp_path / "elsewhere"))
    status = dymu("status")
    assert "failed 3/5" in status.out
    assert "8 of 10 steps done" in status.out
    assert "8 artifacts" in dymu("cache", "ls").out
    assert "8 artifacts checked, 0 damaged" in dymu("cache", "verify").out
    assert dymu("cache", "gc", "--yes", "--json").json == []
    assert "double" in dymu("table", "--question", "toy_question").out
    assert "8 cached" in dymu("plan", "toy_question").flat
    steps = {row["address"] for row in dymu("cache", "ls", "edge", "--json").json}
    explained = dymu("explain", *sorted(steps))
    assert explained.code == 0
    assert "config.scale" in explained.out
