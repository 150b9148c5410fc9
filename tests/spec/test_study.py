from typing import Any

import pytest

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical, differences
from dymu.errors import SpecError
from dymu.spec.study import Method, Study, override


def test_study_gives_the_step_that_publishes_its_record(study: Study) -> None:
    step = study.evaluation_step(3)
    assert step.stage == "evaluate"
    assert [below.stage for below in step.closure()] == ["anchor", "edge", "evaluate"]
    assert step.address == study.evaluation_step(3).address
    assert step.address != study.evaluation_step(4).address


def test_config_with_an_evaluation_is_a_method(study: Study) -> None:
    assert isinstance(study.method, Method)
    assert not isinstance(study.dataset, Method)


def test_reference_point_must_have_a_coordinate_per_task(study: Study, pairs: Any) -> None:
    with pytest.raises(
        SpecError, match=r"reference_point has 2 coordinates, but Pairs has 3 tasks; give one"
    ):
        changed(study, {"dataset": pairs(names=("a", "b", "c"))})


def test_tasks_must_differ_in_name(study: Study, pairs: Any) -> None:
    with pytest.raises(SpecError, match="task names must differ, but the dataset has left, left"):
        changed(study, {"dataset": pairs(names=("left", "left"))})


@pytest.mark.parametrize("name", ["", "a/b", "a b", "a.b", "..", "ä"])
def test_name_must_be_fit_for_a_file(study: Study, name: str) -> None:
    with pytest.raises(SpecError, match=r"Study\.name is .*; expected letters, digits, '-' and '_'"):
        changed(study, {"name": name})


def test_what_is_no_dataset_or_method_is_refused(study: Study) -> None:
    with pytest.raises(SpecError, match=r"Study\.dataset is 3 \(int\)"):
        changed(study, {"dataset": 3})
    with pytest.raises(SpecError, match=r"Study\.method is Pairs"):
        changed(study, {"method": study.dataset})


# --- override -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ("method.edge.active_threshold", 0.3),
        ("method.edge.widths", (8, 32)),
        ("method.edge.mode", "tabulated"),
        ("method.edge.limit", 2.5),
        ("method.anchor_steps", 10),
        ("dataset.num_train", 7),
        ("evaluation.resource_preferences", (0.5,)),
    ],
)
def test_override_changes_one_field_and_nothing_else(study: Study, path: str, new: object) -> None:
    before = canonical(study)
    found = list(differences(before, canonical(override(study, path, new))))
    assert len(found) >= 1
    assert all(where.partition("[")[0] == path for where, _, _ in found)
    assert canonical(study) == before


def test_override_can_set_a_whole_config(study: Study) -> None:
    edge = override(study, "method.edge.steps", 7).method.edge
    assert override(study, "method.weight", edge).method.weight == edge


def test_override_is_undone_by_the_old_value(study: Study) -> None:
    changed_once = override(study, "method.edge.steps", 7)
    assert override(changed_once, "method.edge.steps", 100) == study


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "method.edge.active_treshold",
            r"EdgeConfig has no field 'active_treshold' \(did you mean 'active_threshold'\?\); it has active",
        ),
        (
            "method.egde.steps",
            r"Branched has no field 'egde' \(did you mean 'edge'\?\); it has edge",
        ),
        ("metod.edge.steps", r"Study has no field 'metod' \(did you mean 'method'\?\); it has name, dataset"),
        ("", "Study has no field ''"),
        ("method.", "Branched has no field ''"),
        (".method", "Study has no field ''"),
        ("method.evaluation", "Branched has no field 'evaluation'"),
    ],
)
def test_typo_is_refused_with_the_fields_that_exist(study: Study, path: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        override(study, path, 1)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("method.edge.steps.more", "100"),
        ("method.weight.steps", "None"),
        ("method.edge.widths.0", r"\(8, 16\)"),
    ],
)
def test_path_below_a_plain_value_is_refused(study: Study, path: str, value: str) -> None:
    with pytest.raises(SpecError, match=rf"cannot be set below {value} .*: not a config"):
        override(study, path, 1)


@pytest.mark.parametrize(
    ("path", "new", "message"),
    [
        ("method.edge.steps", "100", r"EdgeConfig\.steps is '100' \(str\)"),
        ("method.edge.steps", 100.5, r"EdgeConfig\.steps is 100.5 \(float\)"),
        ("method.edge.active_threshold", True, r"EdgeConfig\.active_threshold is True \(bool\)"),
        ("method.edge.active_threshold", None, r"EdgeConfig\.active_threshold is None"),
        ("method.edge.widths", [8, 32], r"EdgeConfig\.widths is \[8, 32\] \(list\)"),
        ("method.edge.mode", "table", r"EdgeConfig\.mode is 'table'"),
        ("method.edge.active_threshold", 1.0, "expected a number between 0 and 1"),
        ("method.edge", 3, r"Branched\.edge is 3"),
        ("evaluation.reference_point", (1.0, 1.0, 1.0), "3 coordinates, but Pairs has 2 tasks"),
    ],
)
def test_wrong_type_or_value_is_refused(study: Study, path: str, new: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        override(study, path, new)


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("method.edge.steps", 100),
        ("method.edge.active_threshold", 0.2),
        ("method.edge.limit", None),
        ("evaluation.resource_preferences", (0, 1)),
        ("evaluation.reference_point", (2, 2)),
    ],
)
def test_change_that_changes_nothing_is_refused(study: Study, path: str, same: object) -> None:
    field = path.rpartition(".")[2]
    with pytest.raises(
        SpecError, match=rf"{field} already equals .*: this change would compare a study with itself"
    ):
        override(study, path, same)


def test_pairs_of_tasks_that_the_dataset_does_not_have_are_refused(study: Study) -> None:
    known = override(
        override(study, "evaluation.pair_preferences", 5), "evaluation.pairs", (("left", "right"),)
    )
    assert known.evaluation.pairs == (("left", "right"),)
    with pytest.raises(SpecError, match=r"evaluation\.pairs names depth, but Pairs has"):
        override(known, "evaluation.pairs", (("left", "depth"),))
