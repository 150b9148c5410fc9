"""Active parameters of methods that store different nets, as part of one and the same anchor net."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dymu.artifacts.record import Record
from dymu.reports.collect import Results, results_of
from dymu.reports.shares import active_shares, anchor_of, common_anchor
from dymu.reports.tables import study_table


@pytest.fixture
def beside(study: Any, other_arm: Callable[..., Any]) -> Callable[..., Results]:
    """A controller of 24 000 parameters and PHN-BN, whose one net of 8000 always runs."""

    def publish(baseline: str = "controllable") -> Results:
        study.arms = {"baseline": other_arm("Ours"), "phn-bn": other_arm("PHN-BN", resources=(None,))}

        def finish(arm: str, _: int, record: Record) -> Record:
            if arm == "baseline":
                return replace(record, method=baseline)
            sizes = {"active_parameters": 8000.0, "active_parameter_fraction": 1.0}
            values = {name: replace(record.values[name], value=size) for name, size in sizes.items()}
            return replace(
                record, method="phn_bn", anchor_parameters=8000.0, values={**record.values, **values}
            )

        study.publish(finish)
        return results_of(study.store, study.manifest)

    return publish


def test_a_shared_net_is_a_part_of_the_anchor_net(beside: Callable[..., Results]) -> None:
    results = beside()
    assert active_shares(results, results.arm("phn-bn"), None) == pytest.approx(
        dict.fromkeys((0, 1, 2), 1 / 3)
    )


def test_a_controller_has_the_share_of_its_record(beside: Callable[..., Results]) -> None:
    results = beside()
    own = results.values("baseline", "active_parameter_fraction/c=0")
    assert active_shares(results, results.arm("baseline"), 0.0) == pytest.approx(own)


def test_without_an_anchor_net_each_row_is_related_to_its_own(beside: Callable[..., Results]) -> None:
    results = beside(baseline="bmtas")
    assert common_anchor(results) is None
    assert anchor_of(results, results.of("phn-bn")[0]) == 8000.0


def test_the_table_and_its_note_have_one_anchor_net(beside: Callable[..., Results]) -> None:
    table = study_table(beside())
    shares = [row[3] for row in table.rows]
    assert [(share.text, share.detail) for share in shares][2] == ("33.3", "8.0k")
    assert shares[2].mark == "best"
    assert "Params: active parameters as part of the anchor net's 24.0k." in table.footnotes
