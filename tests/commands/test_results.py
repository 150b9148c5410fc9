from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Dymu = Callable[..., Any]


def test_a_table_without_records_is_refused(dymu: Dymu, run_here: Dymu) -> None:
    run_here("toy_studies:ours")
    said = dymu("table", "6")
    assert said.code == 4
    assert "no results for table 6" in said.err


@pytest.mark.parametrize(
    ("style", "part"), [("markdown", "| --: |"), ("csv", ","), ("latex", r"\toprule"), ("terminal", "HV")]
)
def test_tables_come_in_four_styles(finished: Dymu, style: str, part: str) -> None:
    said = finished("table", "6", "--style", style)
    assert said.code == 0
    assert part in said.out


def test_a_table_can_name_addresses_and_be_json(finished: Dymu) -> None:
    assert "evaluate/" in finished("table", "6", "--provenance").out
    assert finished("table", "--question", "toy_question", "--json").json["rows"]


def test_figures_are_listed_by_path(finished: Dymu, tmp_path: Path) -> None:
    said = finished("figure", "curves", "--out", str(tmp_path / "figures"))
    assert said.code == 0
    listed = {Path(line) for line in said.out.split()}
    assert listed
    assert listed <= set((tmp_path / "figures").iterdir())


def test_claims_are_judged(finished: Dymu) -> None:
    assert "undecided" in finished("claims").out
    assert finished("claims", "--json").json["rows"]
