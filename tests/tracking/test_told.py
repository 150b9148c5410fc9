from pathlib import Path

from dymu.artifacts.store import Store
from dymu.tracking.cursor import Cursor, RunCursor
from dymu.tracking.told import Told, told_to_mlflow


def test_runs_are_counted_by_state(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    runs = {
        f"arm {number}": RunCursor(run_id=str(number), started_ms=0, status=status)
        for number, status in enumerate(["FINISHED", "RUNNING", "FINISHED"])
    }
    cursor = Cursor(
        uri="http://mlflow:5000",
        experiment_id="7",
        parent=RunCursor(run_id="p", started_ms=0),
        runs=runs,
    )
    cursor.save(store.mlflow_dir / "cursors" / "toy.json")
    assert told_to_mlflow(store, "toy") == Told(
        uri="http://mlflow:5000", experiment_id="7", run_id="p", runs={"FINISHED": 2, "RUNNING": 1}
    )


def test_nothing_told_is_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    assert told_to_mlflow(store, "toy") == Told()
    (store.mlflow_dir / "cursors").mkdir(parents=True)
    (store.mlflow_dir / "cursors" / "toy.json").write_text("{")
    assert told_to_mlflow(store, "toy") == Told()
