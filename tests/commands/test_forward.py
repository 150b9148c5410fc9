import inspect
from pathlib import Path
from typing import Any

from dymu.commands.forward import flags_of_run, takes_run_flags, words_of
from dymu.commands.options import Device


def test_what_travels_is_all_but_the_place() -> None:
    names = set(flags_of_run())
    assert {"arm", "seeds", "override", "device", "threads", "workers", "resource", "data_root"} <= names
    assert not names & {"target", "backend", "address", "store"}


def test_a_verb_gets_the_flags() -> None:
    def verb(target: str, loud: bool = False, **flags: Any) -> None:
        """Do it."""

    parameters = inspect.signature(takes_run_flags(verb, without=("seeds",))).parameters
    assert list(parameters)[:2] == ["target", "loud"]
    assert "device" in parameters
    assert not {"seeds", "flags"} & set(parameters)


def test_defaults_are_left_out() -> None:
    assert words_of({}) == []
    assert words_of({"device": Device.CPU, "no_tracking": False, "arm": [], "seeds": None}) == []


def test_values_become_words() -> None:
    words = words_of(
        {
            "arm": ["double", "half"],
            "device": Device.CUDA,
            "no_tracking": True,
            "workers": 0,
            "data_root": Path("/data"),
            "override": ["method.edge.scale=2"],
        }
    )
    assert words == [
        *("--override", "method.edge.scale=2", "--arm", "double", "--arm", "half"),
        *("--workers", "0", "--device", "cuda", "--data-root", "/data", "--no-tracking"),
    ]
