"""Studies and questions that verbs only ask about."""

from pathlib import Path

import pytest

from dymu.commands.targets import can_run


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("studies.digits:ours", True),
        ("studies.digits:nothing", False),
        ("studies.nothing:ours", False),
        ("ablations.branching_regularizer", True),
        ("ablations.nothing", False),
        ("ablations.adaptation --study studies.digits:ours --arm recalibrated", True),
        ("ablations.adaptation --study studies.digits:ours --arm nothing", False),
        ("ablations.adaptation --study studies.nyuv2:small_unadapted --arm recalibrated", False),
    ],
)
def test_what_can_be_loaded_can_be_run(
    root: Path, monkeypatch: pytest.MonkeyPatch, text: str, there: bool
) -> None:
    monkeypatch.chdir(root)
    assert can_run(text) is there
