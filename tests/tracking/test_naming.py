import re

from hypothesis import given
from hypothesis import strategies as st

from dymu.tracking.naming import MAX_KEY, MAX_PARAM, flat_params, metric_keys, shortened

LEGAL = re.compile(r"[A-Za-z0-9_\-.: /]+")


def test_a_resource_preference_loses_its_equals_sign() -> None:
    names = ["loss/left/c=0.5", "task/left/accuracy", "uniformity_floor/c=1/sd"]
    assert list(metric_keys(names).values()) == [
        "loss/left/c0.5",
        "task/left/accuracy",
        "uniformity_floor/c1/sd",
    ]


def test_what_the_table_of_runs_shows_has_short_names() -> None:
    names = [
        "active_parameters/c=0",
        "best/hypervolume/c=0",
        "hypervolume",
        "hypervolume/c=1/sd",
        "uniformity/sd",
    ]
    assert list(metric_keys(names).values()) == ["params/c0", "best/HV/c0", "HV", "HV/c1/sd", "unif/sd"]
    longer = ["edge/uniformity", "skewed_active_parameters", "uniformity/left"]
    assert list(metric_keys(longer).values()) == longer


@given(st.lists(st.text(min_size=1, max_size=400), unique=True))
def test_keys_are_legal_and_as_different_as_the_names(names: list[str]) -> None:
    keys = metric_keys(names)
    assert len(set(keys.values())) == len(names)
    assert all(LEGAL.fullmatch(key) and len(key) <= MAX_KEY for key in keys.values())


def test_params_are_dotted_paths_to_scalars() -> None:
    form = {
        "type": "dymu.stages.edge.EdgeConfig",
        "active_threshold": 0.3,
        "detach": False,
        "floor": None,
        "mode": "soft",
        "dataset": {"type": "dymu.data.digits.Digits", "size": 7},
        "points": [3.0, 3.0],
        "tasks": [{"name": "left"}, {"name": "right"}],
    }
    assert flat_params(form, "edge") == {
        "edge.active_threshold": "0.3",
        "edge.detach": "false",
        "edge.floor": "null",
        "edge.mode": "soft",
        "edge.dataset": "Digits",
        "edge.dataset.size": "7",
        "edge.points": "[3.0, 3.0]",
        "edge.tasks.0.name": "left",
        "edge.tasks.1.name": "right",
    }


def test_a_long_param_says_that_it_was_cut_and_where_the_whole_is() -> None:
    value = flat_params({"points": list(range(3000))}, "edge")["edge.points"]
    assert len(value) == MAX_PARAM
    assert value.endswith("characters; the whole is in config.json)")


def test_a_short_text_stays_as_it_is() -> None:
    assert shortened("short", 10, whole="there") == "short"
