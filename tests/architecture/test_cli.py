"""The command line is frozen: verbs say what to do, flags where and how, and a new flag is a decision.

Hyperparameters are never flags (ADR 0002). A difference to tests/golden/cli.json is either a mistake or is
explained in CHANGELOG.md and accepted with `python tests/golden/update.py cli`.
"""

from pathlib import Path
from types import ModuleType


def test_verbs_and_flags_are_the_frozen_ones(golden: Path, update: ModuleType) -> None:
    frozen = golden / "cli.json"
    assert frozen.exists(), "run `python tests/golden/update.py cli`"
    assert update.cli() == frozen.read_text(encoding="utf-8"), (
        "verbs or flags moved. If intended, explain it in CHANGELOG.md and run "
        "`python tests/golden/update.py cli`"
    )
