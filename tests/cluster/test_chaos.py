"""Nothing is lost when parts of a running system are killed or its store is damaged.

One cluster, one tracking server and one undisturbed study serve all tests. ``make chaos`` does more of it and
measures; docs/faults.md says what holds.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.harness.campaign import Campaign
from tests.cluster.harness.places import new_places
from tests.cluster.harness.schedule import DAMAGES, KILLS, Blow

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.timeout(1200)]

# Half way through the second of the three trained stages.
POSITION = 0.5
MENDED = ("worker", "trial", "raylet", "mlflow")  # without a second command


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    with tempfile.TemporaryDirectory(prefix="dc-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Campaign(new_places(Path(folder), gcs_patience_s=15), workers=2)
        try:
            started.start()
            reference = started.study()
            assert reference.problems == []
            assert reference.course.codes == [0]
            yield started
        finally:
            started.end()


def blow(kind: str, position: float = POSITION) -> Blow:
    return Blow(kind=kind, position=position, delay_s=0.0, down_s=8.0, choice=0.3)


@pytest.mark.parametrize("kind", KILLS)
def test_a_study_survives_a_kill(campaign: Campaign, kind: str) -> None:
    verdict = campaign.study([blow(kind)])
    assert [hit.kind for hit in verdict.course.hits] == [kind]
    assert verdict.problems == []
    assert verdict.identical
    if kind in MENDED:
        assert verdict.course.codes == [0]


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_study_survives_a_damaged_store(campaign: Campaign, kind: str) -> None:
    verdict = campaign.study([blow(kind)])
    assert [hit.kind for hit in verdict.course.hits] == [kind]
    assert verdict.problems == []
    assert verdict.identical


def test_two_commands_at_once_compute_what_they_share_once(campaign: Campaign) -> None:
    assert campaign.twins() == []
