import time

import pytest

from dymu.artifacts.store import Store
from dymu.errors import StoreError
from dymu.run.cluster import stopping
from dymu.run.cluster.stopping import StopWatch


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "LOOK_S", 0.01)


def seen(watch: StopWatch) -> bool:
    deadline = time.monotonic() + 20
    while not watch.requested() and time.monotonic() < deadline:
        time.sleep(0.01)
    return watch.requested()


def test_a_flag_is_seen(store: Store) -> None:
    flag = store.flag("stop/1")
    with StopWatch(flag) as watch:
        assert not watch.requested()
        flag.raise_()
        assert seen(watch)


def test_a_storage_that_is_away_for_a_moment_is_asked_again() -> None:
    class Away:
        calls = 0

        def raised(self) -> bool:
            self.calls += 1
            if self.calls < 3:
                raise StoreError("no route to host")
            return True

        def raise_(self) -> None: ...

        def lower(self) -> None: ...

    with StopWatch(Away()) as watch:
        assert seen(watch)
