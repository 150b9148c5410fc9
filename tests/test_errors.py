import inspect

import pytest

from dymu import errors
from dymu.errors import DymuError, did_you_mean

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, DymuError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_error_is_caught_as_one_of_dymu_and_leads_to_an_exit_code(cls: type[DymuError]) -> None:
    with pytest.raises(DymuError, match="what to do"):
        raise cls("what to do")
    assert 1 <= cls.exit_code <= 4


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SpecError", 2),
        ("DataError", 2),
        ("StoreError", 3),
        ("CorruptArtifactError", 3),
        ("BackendError", 3),
        ("TrackingError", 3),
        ("ReportError", 4),
        ("NothingToDoError", 4),
        ("TrainingError", 1),
        ("FailedArmsError", 1),
    ],
)
def test_exit_codes_are_stable(name: str, code: int) -> None:
    assert getattr(errors, name).exit_code == code


def test_spec_errors_are_no_value_errors() -> None:
    # pydantic would swallow a ValueError raised while a config is made.
    assert not any(issubclass(cls, ValueError | AssertionError) for cls in CLASSES)


def test_the_nearest_name_is_suggested_and_no_other() -> None:
    assert did_you_mean("egde", ["anchor", "edge"]) == " (did you mean 'edge'?)"
    assert did_you_mean("egde", ["anchor"]) == ""
    assert did_you_mean("edge", []) == ""
