import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.errors import SpecError
from dymu.run.target import Request, Target, load_study, parse_override, parse_seeds, resolve


def one(text: str, folder: Path, **request: object) -> Target:
    (target,) = resolve(Request(text=text, **request), folder=folder)  # type: ignore[arg-type]
    return target


def test_a_study_is_one_arm(toys: Path) -> None:
    target = one("toy_studies:ours", toys)
    assert (target.name, target.study) == ("toy_studies-ours", "toy_studies-ours")
    assert [arm.name for arm in target.arms] == ["baseline"]


def test_a_module_is_all_its_studies(toys: Path) -> None:
    targets = resolve(Request(text="toy_studies"), folder=toys)
    assert [t.name for t in targets] == [f"toy_studies-{n}" for n in ("ours", "slow", "impatient")]


def test_a_question_names_its_manifest_after_study_and_module(toys: Path) -> None:
    target = one("toy_question", toys)
    assert target.name == "toy_studies-ours.toy_question"
    assert [arm.name for arm in target.arms] == ["baseline", "double", "broken"]


def test_a_question_can_be_asked_about_another_study(toys: Path) -> None:
    target = one("toy_question", toys, study="toy_studies:slow")
    assert target.name == "toy_studies-slow.toy_question"
    assert target.text == "toy_question --study toy_studies:slow"
    assert target.arms[1].study.method.edge.num_steps == 150  # type: ignore[attr-defined]
    assert target.arms[1].study.method.edge.scale == 2.0  # type: ignore[attr-defined]


def test_an_arm_filter_keeps_all_arms_but_selects_some(toys: Path) -> None:
    target = one("toy_question", toys, arms=("double",))
    assert [arm.name for arm in target.chosen] == ["double"]
    assert len(target.arms) == 3


def test_an_override_changes_every_arm_and_is_marked(toys: Path) -> None:
    target = one("toy_question", toys, overrides=("method.anchor.num_steps=7",))
    assert [arm.study.method.anchor.num_steps for arm in target.arms] == [7, 7, 7]  # type: ignore[attr-defined]
    assert all(dict(arm.ad_hoc) == {"method.anchor.num_steps": 7} for arm in target.arms)


@pytest.mark.usefixtures("toys")
def test_an_override_goes_before_what_a_question_needs_of_the_evaluation(tmp_path: Path) -> None:
    lines = ["from dymu.artifacts.config import changed", "from toy_question import QUESTION as TOYS"]
    lines += ["QUESTION = changed(TOYS, {'evaluation': {'pair_preferences': 11}})"]
    (tmp_path / "toy_pairs.py").write_text("\n".join(lines))
    plain = one("toy_pairs", tmp_path)
    assert {arm.study.evaluation.pair_preferences for arm in plain.arms} == {11}
    finer = one("toy_pairs", tmp_path, overrides=("evaluation.pair_preferences=21",))
    assert {arm.study.evaluation.pair_preferences for arm in finer.arms} == {21}
    other = one("toy_pairs", tmp_path, study="toy_studies:slow")
    assert {arm.study.evaluation.pair_preferences for arm in other.arms} == {11}


def test_an_ad_hoc_run_never_takes_the_name_of_the_study(toys: Path) -> None:
    names = {one("toy_studies:ours", toys, overrides=(f"method.edge.scale={x}",)).name for x in (3, 4)}
    assert len(names) == 2
    assert "toy_studies-ours" not in names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "toy_studies:oars",
            ["no study 'oars' (did you mean 'ours'?)", "toy_studies:ours", "toy_studies:slow"],
        ),
        ("toy_studies:toy_study", ["is a function, not a Study", "toy_studies:ours"]),
        (
            "toy_studdies",
            ["no module toy_studdies", "(did you mean 'toy_studies'?)", "toy_studies", "toy_question"],
        ),
        ("no_package.thing", ["no module no_package.thing", "studies/ and ablations/"]),
        ("toy_parts", ["neither a QUESTION nor a Study"]),
        ("toy_import", ["toy_import.py, line 3", "ModuleNotFoundError", "a_module_that_does_not_exist"]),
        ("toy_typo", ["toy_typo.py, line 5", "no field 'num_stepps'", "num_steps"]),
        ("toy_studies.py", ["no module", "write toy_studies."]),
        ("toy_studies.ours", ["no module", "write toy_studies:ours."]),
        ("toys/studies.py", ["write it with dots", "toys.studies"]),
        ("", ["is not the name of a module"]),
    ],
)
def test_a_wrong_target_is_told_with_what_exists(toys: Path, text: str, words: list[str]) -> None:
    with pytest.raises(SpecError) as error:
        resolve(Request(text=text), folder=toys)
    for word in words:
        assert word in str(error.value)


def test_a_syntax_error_names_its_line(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy_broken_syntax.py").write_text("x = 1\ny = = 2\n")
    monkeypatch.syspath_prepend(str(toys))
    with pytest.raises(SpecError, match=r"toy_broken_syntax\.py, line 2\): SyntaxError"):
        resolve(Request(text="toy_broken_syntax"), folder=tmp_path)


def test_a_mistyped_arm_is_told_with_the_nearest(toys: Path) -> None:
    with pytest.raises(
        SpecError, match=r"no arm 'duoble' \(did you mean 'double'\?\); it has baseline, double"
    ):
        one("toy_question", toys, arms=("duoble",))


def test_a_study_takes_no_other_baseline(toys: Path) -> None:
    with pytest.raises(SpecError, match="not a question"):
        one("toy_studies:ours", toys, study="toy_studies:slow")


def test_a_baseline_must_be_one_study(toys: Path) -> None:
    with pytest.raises(SpecError, match="name one of its studies: toy_studies:ours"):
        load_study("toy_studies", folder=toys)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method.edge.scael=2", "ToyTraining has no field 'scael' (did you mean 'scale'?); it has num_steps"),
        ("method.edge.scale=high", "scale"),
        ("method.edge.num_steps=1.5", "num_steps"),
        ("method.edge.scale=1.0", "already equals"),
        ("method.edge.scale=NaN", "cannot be part of an address"),
        ("method.edge.scale", "has no '='"),
        ("name=other", "name cannot be overridden"),
    ],
)
def test_a_wrong_override_is_refused(toys: Path, text: str, words: str) -> None:
    with pytest.raises(SpecError) as error:
        one("toy_studies:ours", toys, overrides=(text,))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=0.3", 0.3),
        ("a.b=3", 3),
        ("a.b=true", True),
        ("a.b=null", None),
        ("a.b=[1, [2, 3]]", (1, (2, 3))),
        ("a.b=cosine", "cosine"),
        ('a.b="0.3"', "0.3"),
        ("a.b=x=y", "x=y"),
        ("a.b=", ""),
    ],
)
def test_an_override_is_json_where_it_parses_as_json(text: str, value: object) -> None:
    assert parse_override(text) == ("a.b", value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_an_override(value: float) -> None:
    assert math.isclose(parse_override(f"x={value!r}")[1], value, rel_tol=0, abs_tol=0)


def test_seeds() -> None:
    assert parse_seeds(None, None) == (0,)
    assert parse_seeds(3, None) == (0, 1, 2)
    assert parse_seeds(None, "4, 0,4") == (0, 4)


@pytest.mark.parametrize(("count", "listed"), [(0, None), (None, "a"), (None, "-1"), (None, ""), (2, "1")])
def test_wrong_seeds_are_refused(count: int | None, listed: str | None) -> None:
    with pytest.raises(SpecError, match="seed"):
        parse_seeds(count, listed)


def test_a_study_that_another_package_hides_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("other/hidden_studies", "mine/hidden_studies"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "other" / "hidden_studies" / "__init__.py").touch()
    (tmp_path / "mine" / "hidden_studies" / "bars.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "other")
    with pytest.raises(SpecError, match=r"bars\.py is hidden by another package hidden_studies in .*other"):
        resolve(Request(text="hidden_studies.bars"), folder=tmp_path / "mine")
