"""Spells configs and record values the way MLflow accepts them.

Keys may hold letters, digits and ``_ - . : /`` and spaces; a value may hold 6000 characters, and MLflow cuts
longer ones in silence.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dymu.artifacts.fingerprint import TYPE_KEY, digest

MAX_KEY = 250
MAX_PARAM = 6000
MAX_TAG = 5000
# What the table of runs shows, so short that it fits into a column.
SHORT = {"hypervolume": "HV", "uniformity": "unif", "active_parameters": "params"}

_ILLEGAL = re.compile(r"[^\w\-.: /]", re.ASCII)
_PREFERENCE = re.compile(r"/c=(?=[\d.e+-]+(/|$))")
_LONG = re.compile(rf"^(best/)?({'|'.join(SHORT)})(?=/c=|/sd$|$)")


def metric_keys(names: Iterable[str]) -> dict[str, str]:
    """A legal key for each name: ``hypervolume/c=0`` becomes ``HV/c0``, ``loss/left/c=1`` ``loss/left/c1``.

    Characters that MLflow refuses become ``_``; names that would meet in one key keep apart by a digest.
    """
    keys: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names):
        short = _LONG.sub(lambda found: (found[1] or "") + SHORT[found[2]], name)
        key = _ILLEGAL.sub("_", _PREFERENCE.sub("/c", short))
        if key in taken or len(key) > MAX_KEY:
            key = f"{key[: MAX_KEY - 20]}-{digest(name)}"
        taken.add(key)
        keys[name] = key
    return keys


def metric_prefix(stage: str) -> str:
    """What the keys of all metrics of a stage begin with, as :func:`metric_keys` spells them."""
    return _ILLEGAL.sub("_", stage) + "/"


def shortened(text: str, limit: int, *, whole: str) -> str:
    """``text``, or its beginning with a word on where the whole of it is."""
    if len(text) <= limit:
        return text
    notice = f" ... (cut: {len(text)} characters; the whole is in {whole})"
    return text[: limit - len(notice)] + notice


def flat_params(form: Any, prefix: str) -> dict[str, str]:
    """Scalars of a canonical form by dotted path below ``prefix``.

    A nested config also appears as its class name under its own path, so that one can group by it.
    """
    return {
        _ILLEGAL.sub("_", path)[:MAX_KEY]: shortened(text, MAX_PARAM, whole="config.json")
        for path, text in _scalars(form, prefix)
    }


def _scalars(form: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(form, Mapping):
        for key in sorted(form):
            if key != TYPE_KEY:
                below = form[key]
                if isinstance(below, Mapping) and TYPE_KEY in below:
                    yield f"{path}.{key}", str(below[TYPE_KEY]).rpartition(".")[2]
                yield from _scalars(below, f"{path}.{key}")
    elif isinstance(form, list | tuple):
        if any(isinstance(item, Mapping) for item in form):
            for index, item in enumerate(form):
                yield from _scalars(item, f"{path}.{index}")
        else:
            yield path, json.dumps(list(form))
    else:
        yield path, form if isinstance(form, str) else json.dumps(form)
