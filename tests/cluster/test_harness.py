"""The harness itself: a check that cannot fail says nothing."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.harness import checks, damage
from tests.cluster.harness.account import Verdict, form, summary, table
from tests.cluster.harness.disturbed import Course, Hit
from tests.cluster.harness.processes import Command, at_work, wait_until
from tests.cluster.harness.schedule import KILLS, MAX_DELAY_S, again, schedule
from tests.cluster.harness.watch import Watcher


def publish(store: Path, address: str, **files: str) -> Path:
    attempt = store / "artifacts" / address / "att-1"
    attempt.mkdir(parents=True)
    listed = {}
    for name, text in files.items():
        path = attempt / name.replace("_", ".")
        path.write_text(text)
        listed[path.name] = {"sha256": checks.contents_of(path), "size": len(text)}
    (attempt.parent / "DONE.json").write_text(json.dumps({"attempt": "att-1", "files": listed}))
    return attempt


@pytest.fixture
def store(tmp_path: Path) -> Path:
    publish(tmp_path, "anchor/1", anchor_safetensors="a" * 500, provenance_json="{}", metrics_jsonl="")
    line = json.dumps({"step": 4, "metrics": {"objective": 0.5}})
    publish(tmp_path, "edge/2", edge_safetensors="e" * 500, metrics_jsonl=line + "\n")
    record = json.dumps({"values": {"hypervolume/c=0": {"value": 2.0}}})
    publish(tmp_path, "evaluate/3", record_json=record)
    steps = {"anchor": "anchor/1", "edge": "edge/2", "evaluate": "evaluate/3"}
    (tmp_path / "manifests").mkdir()
    manifest = {"arms": [{"name": "baseline", "steps": {"0": steps}}]}
    (tmp_path / "manifests" / "study.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_schedule_is_a_function_of_its_seed_and_treats_all_kinds_alike() -> None:
    drawn = list(schedule(blows=12, per_study=5, seed=3))
    assert drawn == list(schedule(blows=12, per_study=5, seed=3))
    assert drawn != list(schedule(blows=12, per_study=5, seed=4))
    assert [len(study) for study in drawn] == [5, 5, 2]
    assert Counter(blow.kind for study in drawn for blow in study) == dict.fromkeys(KILLS, 2)
    for study in drawn:
        positions = [blow.position for blow in study]
        assert positions == sorted(positions)
        assert all(0 <= blow.delay_s <= MAX_DELAY_S for blow in study)


def test_a_missed_blow_is_dealt_again_at_another_moment() -> None:
    missed = next(schedule(blows=2, per_study=2, seed=0))
    later = again(missed, seed=1)
    assert sorted(blow.kind for blow in later) == sorted(blow.kind for blow in missed)
    assert [blow.position for blow in later] != [blow.position for blow in missed]


def test_contents_are_those_of_the_disk_without_what_tells_about_the_run(store: Path) -> None:
    reference = checks.contents(store, "study")
    assert set(reference) == {"anchor/1", "edge/2", "evaluate/3"}
    assert set(reference["anchor/1"]) == {"anchor.safetensors", "metrics.jsonl"}
    assert checks.differences(reference, reference) == []
    damage.flip(store, 0.0)
    assert checks.differences(checks.contents(store, "study"), reference) == [
        "anchor/1: anchor.safetensors differs"
    ]
    assert checks.checksums(store) == ["anchor/1: anchor.safetensors is not what was published"]


def test_a_step_that_is_missing_or_too_many_is_a_difference(store: Path) -> None:
    reference = checks.contents(store, "study")
    damage.delete(store, 0.0)
    assert checks.differences(checks.contents(store, "study"), reference) == ["anchor/1 is missing"]
    assert checks.differences(reference, {}) == [f"{name} is not of this study" for name in sorted(reference)]


def test_a_cut_file_is_seen(store: Path) -> None:
    damage.cut(store, 0.99)
    assert checks.checksums(store) == ["edge/2: edge.safetensors is not what was published"]


def test_histories_are_compared_step_by_step(store: Path) -> None:
    steps = {"anchor": "anchor/1", "edge": "edge/2", "evaluate": "evaluate/3"}
    expected = checks.expected_history(store, steps)
    assert expected == {"edge/objective": [(4, 0.5)], "HV/c0": [(0, 2.0)]}
    assert checks.compared(expected | {"seconds/wall": [(0, 3.0)]}, expected) == []
    assert checks.compared({**expected, "edge/objective": []}, expected) == ["edge/objective lacks steps [4]"]
    assert checks.compared({**expected, "more": [(0, 1.0)]}, expected) == [
        "MLflow has more, which nobody logged"
    ]
    assert checks.twice({"edge/objective": [(4, 0.5), (4, 0.5)]}) == ["edge/objective has step 4 2 times"]


def test_training_again_beyond_the_last_checkpoint_is_a_problem() -> None:
    account = [{"resumed_at": 20, "reached": 45, "redone": 25}]
    assert checks.repetitions({"edge/2": account}, cadence=25) == []
    assert len(checks.repetitions({"edge/2": account}, cadence=20)) == 1


def test_a_watcher_sees_who_trains_and_what_they_do_again(tmp_path: Path) -> None:
    work = tmp_path / "work" / "edge" / "2"
    work.mkdir(parents=True)

    def tell(step: int, pid: int) -> None:
        (work / "progress.json").write_text(json.dumps({"step": step, "total": 100, "pid": pid}))

    with Watcher(tmp_path, steps=100) as watch:
        tell(40, 1)
        wait_until(lambda: watch.last is not None, "a sight", patience_s=120)
        assert watch.last is not None
        moment = watch.last.at
        assert watch.position == pytest.approx(40 / 300)
        assert watch.after(moment, but=1) is None
        (work / "attempts.jsonl").write_text(json.dumps({"resumed_at": 30, "redone": 10}) + "\n")
        tell(31, 2)
        wait_until(lambda: watch.after(moment, but=1) is not None, "a second sight", patience_s=120)
        seen = watch.after(moment, but=1)
        assert seen is not None
        assert (seen.stage, seen.step, seen.pid) == ("edge", 31, 2)
        assert watch.redone(moment, seen) == 10


def test_a_command_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import time; time.sleep(600)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = Command([sys.executable, "-c", code], {}, tmp_path, tmp_path / "log")
    wait_until(lambda: len(command.members()) == 2, "both processes", patience_s=120)
    assert at_work(command.members()) == []
    command.kill()
    assert command.members() == []
    assert command.code == -9


def test_the_account_has_a_row_for_each_blow_and_one_for_each_kind(tmp_path: Path) -> None:
    hits = [
        Hit(kind="worker", what="1 of 2", at_s=12.34, where="edge 5/30", recovery_s=seconds, redone=redone)
        for seconds, redone in ((3.0, 4), (5.0, 20))
    ]
    course = Course(name="chaos-1", store=tmp_path, log=tmp_path, codes=[0], hits=hits)
    verdicts = [Verdict(course=course, identical=True)]
    assert table(verdicts).splitlines()[2].split("|")[2:7] == [
        " worker ",
        " 1 of 2 ",
        " 12.3 s ",
        " edge 5/30 ",
        " 3.0 s    ",
    ]
    assert "| worker | 2     | 4.0 s            | 5.0 s   | 20           | 2 of 2    |" in summary(verdicts)
    assert form(verdicts, {})["studies"][0]["hits"][1]["redone"] == 20


@pytest.mark.slow
def test_the_script_says_what_can_be_killed() -> None:
    script = Path(__file__).with_name("chaos.py")
    words = [sys.executable, "-W", "ignore", str(script), "--targets", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert done.returncode == 2
    assert "nothing" in done.stderr
    assert all(kind in done.stderr for kind in KILLS)
