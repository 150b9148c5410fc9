"""Validation: the evaluation's measurements on the validation split, and never a look at the test split."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dymu.artifacts.record import Record, read_record
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.spec.study import Study
from dymu.stages.validate import run_validate, validation_step

Runner = Callable[..., Path]


def test_it_shares_what_was_trained(study: Study) -> None:
    final = study.evaluation_step(0)
    step = validation_step(final)
    assert step.stage == "validate"
    assert step.address != final.address
    assert {below.address for below in step.closure()} - {step.address} == {
        below.address for below in final.closure()
    } - {final.address}


def test_its_address_follows_the_protocol_and_the_seed(study: Study) -> None:
    steps = [validation_step(study.evaluation_step(seed)) for seed in (0, 1)]
    assert steps[0].address != steps[1].address
    assert [step.config.protocol for step in steps] == [study.evaluation] * 2


@pytest.mark.parametrize("method", ["controllable", "single_task", "static_grid", "phn_bn"])
def test_a_record_has_the_values_of_an_evaluation_from_other_data(
    method: str,
    study_of: Callable[[str], Study],
    record_of: Callable[[Study], Record],
    published: Runner,
) -> None:
    study = study_of(method)
    record = read_record(published(validation_step(study.evaluation_step(0))))
    evaluated = record_of(study)
    named = {name for name in record.values if "correlation" not in name}
    assert named == {name for name in evaluated.values if "correlation" not in name}
    assert record.points[0].losses != evaluated.points[0].losses


def test_the_test_split_is_never_opened(
    study: Study, run_steps: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[Split] = []
    load = Digits.load

    def note(self: Digits, split: Split, place: DataPlace) -> Examples:
        opened.append(split)
        return load(self, split, place)

    monkeypatch.setattr(Digits, "load", note)
    run_steps(validation_step(study.evaluation_step(0)), tmp_path)
    assert Split.VAL in opened
    assert Split.TEST not in opened


def test_a_step_that_is_no_evaluation_is_refused(study: Study) -> None:
    anchor = study.evaluation_step(0).inputs["anchor"]
    with pytest.raises(SpecError, match=r"anchor/\w+ is no evaluation step of dymu.*function validation"):
        validation_step(anchor)


def test_it_travels_to_a_worker(study: Study) -> None:
    step: Step = validation_step(study.evaluation_step(0))
    assert step.run is run_validate
