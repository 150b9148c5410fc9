import os
import platform
from pathlib import Path

import pytest

from dymu.artifacts.store import Store
from dymu.run.live import announce, drain_flag, live_runs, stop_now_flag

NAME = "digits-ours.branching_regularizer"


def test_a_run_is_seen_while_it_lives(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYMU_SUBMISSION", "dymu-4711")
    with announce(store, [NAME, "other"]):
        (run,) = live_runs(store, [NAME])
        assert (run.manifest, run.pid, run.host, run.job) == (NAME, os.getpid(), platform.node(), "dymu-4711")
        assert [each.manifest for each in live_runs(store, ["other"])] == ["other"]
    assert live_runs(store, [NAME, "other"]) == []
    assert list(store.works()) == []


def test_two_runs_of_a_study_are_told_apart(store: Store) -> None:
    with announce(store, [NAME]):
        with announce(store, [NAME]):
            assert len(live_runs(store, [NAME])) == 2
        assert len(live_runs(store, [NAME])) == 1


def test_a_fifth_run_of_a_study_runs_all_the_same(store: Store) -> None:
    with announce(store, [NAME] * 4), announce(store, [NAME]):
        assert len(live_runs(store, [NAME])) == 4


def test_a_store_that_is_read_only_can_be_asked(store: Store, tmp_path: Path) -> None:
    with announce(store, [NAME]):
        (run,) = live_runs(Store(tmp_path / "store", read_only=True), [NAME])
        assert run.pid == os.getpid()


def test_flags_of_a_study_have_names_that_a_store_takes(store: Store) -> None:
    flags = [store.flag(drain_flag(NAME)), store.flag(stop_now_flag(NAME)), store.flag(drain_flag("digits"))]
    flags[0].raise_()
    assert [flag.raised() for flag in flags] == [True, False, False]
