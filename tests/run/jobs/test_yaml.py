from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dymu.run.jobs.yaml import to_yaml

TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")))
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
FORMS = st.recursive(
    SCALARS,
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.from_regex(r"[a-z.-]+", fullmatch=True), below)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(["a", "b-c", "d.e", "nvidia.com/gpu"])


@given(st.dictionaries(KEYS, FORMS, min_size=1))
def test_it_can_be_read_again(form: dict[str, Any]) -> None:
    assert yaml.safe_load(to_yaml(form)) == form


@pytest.mark.parametrize("key", ["no", "on", "y", "null", "~", "1.5", "-", "", "a: b", "#"])
def test_a_key_stays_a_text(key: str) -> None:
    assert yaml.safe_load(to_yaml({"a": {key: 1}})) == {"a": {key: 1}}


def test_texts_that_other_readers_take_for_numbers_are_quoted() -> None:
    assert to_yaml({"a": "1e3", "b": ["0o7"]}) == 'a: "1e3"\nb:\n  - "0o7"\n'


@pytest.mark.parametrize("text", ["yes", "1.0", "null", "0x1f", "- a", "a: b", "#", "'", '"', "é", ""])
def test_a_text_stays_a_text(text: str) -> None:
    assert yaml.safe_load(to_yaml({"a": text, "b": [text]})) == {"a": text, "b": [text]}


def test_lines_stay_lines() -> None:
    written = to_yaml({"a": {"b": "x: 1\ny: 2\n"}})
    assert written == "a:\n  b: |\n    x: 1\n    y: 2\n"
    assert yaml.safe_load(written) == {"a": {"b": "x: 1\ny: 2\n"}}


def test_lists_and_mappings_are_indented() -> None:
    form = {"a": [{"b": 1, "c": [2, 3]}, []], "d": {}}
    assert to_yaml(form) == "a:\n  - b: 1\n    c:\n      - 2\n      - 3\n  - []\nd: {}\n"
    assert yaml.safe_load(to_yaml(form)) == form
