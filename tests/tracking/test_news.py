from typing import Any

import pytest

from dymu.artifacts.store import Store
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.news import News, Newsroom, cells_of


def newsroom(study: Any) -> Newsroom:
    return Newsroom(study.store, cells_of(study.manifest))


def collected(study: Any, cursor: Cursor | None = None) -> dict[str, News]:
    found = newsroom(study).collect(cursor or Cursor(uri="u"))
    return {f"{news.cell.arm} s{news.cell.seed}": news for news in found}


def test_a_cell_is_named_by_manifest_arm_seed_and_evaluation(study: Any) -> None:
    keys = [cell.key for cell in cells_of(study.manifest)]
    assert keys[1] == "toy.parts/baseline/s1/baseline-1"
    assert len(set(keys)) == 4


def test_nothing_has_happened_in_an_empty_store(study: Any) -> None:
    assert collected(study) == {}


def test_looking_creates_no_folder(study: Any) -> None:
    collected(study)
    assert [path.name for path in study.store.root.iterdir()] == ["store.json"]


def test_metrics_of_a_running_step_are_news_of_its_arm(study: Any) -> None:
    study.spool("no-affinity", 1).log(4, {"loss": 0.5})
    found = collected(study)
    assert list(found) == ["no-affinity s1"]
    assert found["no-affinity s1"].lines == {"edge": [(4, {"loss": 0.5})]}
    assert found["no-affinity s1"].size == 1


def test_a_shared_step_is_news_of_all_its_arms(study: Any) -> None:
    study.publish("baseline", 0, "anchor")
    found = collected(study)
    assert list(found) == ["baseline s0", "no-affinity s0"]
    assert all(news.complete == ["anchor"] for news in found.values())
    assert found["baseline s0"].params["anchor"] == {"anchor.active_threshold": "0.2", "anchor.steps": "3"}


def test_steps_that_were_told_are_not_news(study: Any) -> None:
    spool = study.spool("baseline", 0)
    for step in range(5):
        spool.log(step, {"loss": 1.0})
    key = cells_of(study.manifest)[0].key
    cursor = Cursor(uri="u", runs={key: RunCursor(run_id="r", started_ms=0, told={"edge": 2})})
    assert [step for step, _ in collected(study, cursor)["baseline s0"].lines["edge"]] == [3, 4]


def test_publishing_a_step_repeats_none_of_its_lines(study: Any) -> None:
    room = newsroom(study)
    spool = study.spool("baseline", 0)
    spool.log(0, {"loss": 1.0, "temperature": 5.0})
    assert len(room.collect(Cursor(uri="u"))) == 1
    study.publish("baseline", 0, "edge", steps=3)
    key = cells_of(study.manifest)[0].key
    cursor = Cursor(uri="u", runs={key: RunCursor(run_id="r", started_ms=0, told={"edge": 0})})
    (news,) = room.collect(cursor)
    assert [step for step, _ in news.lines["edge"]] == [1, 2]


def test_lines_are_handed_out_once_unless_they_are_forgotten(study: Any) -> None:
    room = newsroom(study)
    study.spool("baseline", 0).log(0, {"loss": 1.0})
    assert room.collect(Cursor(uri="u"))
    assert room.collect(Cursor(uri="u")) == []
    room.forget()
    assert room.collect(Cursor(uri="u"))


def test_a_result_comes_with_its_record_and_provenance(study: Any) -> None:
    study.publish_all()
    news = collected(study)["no-affinity s1"]
    assert news.record is not None
    assert news.record.seed == 1
    assert news.provenance["evaluate"]["git_revision"] == "abc123"
    assert list(news.provenance) == ["anchor", "edge", "evaluate"]
    assert news.complete == ["anchor", "edge", "evaluate"]


def test_a_finished_run_is_not_looked_at(study: Any) -> None:
    study.publish_all()
    runs = {
        cell.key: RunCursor(run_id="r", started_ms=0, status="FINISHED") for cell in cells_of(study.manifest)
    }
    assert collected(study, Cursor(uri="u", runs=runs)) == {}


def test_of_a_published_step_only_what_is_told_is_brought(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.publish_all()
    brought: set[str] = set()
    read = Store.read

    def reading(store: Store, address: str, name: str) -> bytes:
        brought.add(name)
        return read(store, address, name)

    monkeypatch.setattr(Store, "read", reading)
    monkeypatch.setattr(Store, "path", lambda *_: pytest.fail("all files of an artifact were asked for"))
    assert len(collected(study)) == 4
    assert brought == {"metrics.jsonl", "provenance.json", "record.json", "step.json"}


@pytest.mark.parametrize(
    ("stage", "name"), [("edge", "metrics.jsonl"), ("anchor", "step.json"), ("evaluate", "record.json")]
)
def test_a_damaged_step_leaves_its_arm_for_later_and_the_others_alone(
    study: Any, stage: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    study.publish_all()
    address = study.address("baseline", 0, stage)
    file = study.store.path(address) / name
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    room = newsroom(study)
    told = {f"{news.cell.arm} s{news.cell.seed}" for news in room.collect(Cursor(uri="u"))}
    assert "baseline s0" not in told
    assert told >= {"baseline s1", "no-affinity s1"}
    room.collect(Cursor(uri="u"))
    assert len([record for record in caplog.records if "baseline" in record.message]) == 1
    file.write_bytes(whole)
    assert len(room.collect(Cursor(uri="u"))) == 4
