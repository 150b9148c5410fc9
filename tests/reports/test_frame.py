from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dymu.errors import ReportError
from dymu.reports.frame import records_frame, write_frame


def test_every_record_is_a_row_with_all_its_values(study: Any) -> None:
    study.without = (("no-affinity", 2),)
    study.publish()
    frame = records_frame(study.store, [study.manifest])
    assert len(frame) == len(study.arms) * len(study.seeds) - 1
    row = frame[(frame["arm"] == "baseline") & (frame["seed"] == 1)].iloc[0]
    expected = study.record("baseline", 1)
    assert row["address"] == expected.address
    assert row["git_revision"] == "abc"
    for name, value in expected.values.items():
        assert row[name] == value.value


def test_a_store_without_records_gives_no_rows(study: Any) -> None:
    study.store.save_manifest(study.manifest)
    assert records_frame(study.store, study.store.manifests()).empty


@pytest.mark.parametrize("name", ["results.csv", "below/results.parquet"])
def test_a_table_is_read_back_as_it_was_written(study: Any, tmp_path: Path, name: str) -> None:
    study.publish()
    frame = records_frame(study.store, [study.manifest])
    write_frame(frame, tmp_path / name)
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    again = read(tmp_path / name)
    assert list(again.columns) == list(frame.columns)
    pd.testing.assert_series_equal(again["hypervolume/c=0"], frame["hypervolume/c=0"])


def test_an_ending_that_is_not_known_is_refused(study: Any, tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"ends in \.csv or \.parquet"):
        write_frame(records_frame(study.store, []), tmp_path / "results.xlsx")


def test_a_file_that_cannot_be_written_is_told(study: Any, tmp_path: Path) -> None:
    study.publish()
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(ReportError, match="cannot be written"):
        write_frame(records_frame(study.store, [study.manifest]), tmp_path / "results.csv")
