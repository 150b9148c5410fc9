import dataclasses

import pytest

from dymu.run.verdict import Check


def test_a_check_is_a_value() -> None:
    check = Check(name="store", ok=True, found="can be written")
    assert check == Check(name="store", ok=True, found="can be written")
    with pytest.raises(dataclasses.FrozenInstanceError):
        check.ok = False  # type: ignore[misc]
