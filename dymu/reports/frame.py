"""Records as one wide table, for analyses of one's own: a row per question, arm and seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.record import read_provenance, read_record
from dymu.artifacts.store import Store
from dymu.errors import ReportError
from dymu.reports.collect import EVALUATE

_ORIGIN = ("git_revision", "git_dirty", "device", "workers", "wall_s", "cpu_s")


def records_frame(store: Store, manifests: Sequence[Manifest]) -> pd.DataFrame:
    """All records of some manifests.

    Args:
        store: Where records are.
        manifests: Whose arms and seeds become rows, also ad hoc ones, which say so.

    Returns:
        Columns ``name``, ``study``, ``arm``, ``seed``, ``ad_hoc``, ``address``, ``method``, ``data_digest``,
        how the evaluation came about, and one for every value of a record. A value that a method does not
        have is NaN. What is not finished has no row.
    """
    rows: list[dict[str, Any]] = []
    for manifest in manifests:
        for arm in manifest.arms:
            for seed, steps in sorted(arm.steps.items(), key=lambda item: int(item[0])):
                address = steps[EVALUATE]
                if not store.has(address):
                    continue
                folder = store.path(address)
                record = read_record(folder)
                told = read_provenance(folder)
                rows.append(
                    {
                        "name": manifest.name,
                        "study": manifest.study,
                        "arm": arm.name,
                        "seed": int(seed),
                        "ad_hoc": bool(arm.ad_hoc),
                        "address": address,
                        "method": record.method,
                        "data_digest": record.data_digest,
                        **{name: told.get(name) for name in _ORIGIN},
                        **{name: value.value for name, value in record.values.items()},
                    }
                )
    return pd.DataFrame(rows)


def write_frame(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of the file's name.

    Raises:
        ReportError: If the name ends otherwise, or the file cannot be written.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise ReportError(f"--out is {str(path)!r}; expected a name that ends in .csv or .parquet.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    except OSError as error:
        raise ReportError(f"{path} cannot be written: {error.strerror}. Name another file.") from error
