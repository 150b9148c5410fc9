"""Portions in which values travel: as few requests as MLflow's limits allow."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

MAX_ITEMS = 1000  # values of all kinds in one request, MLflow's limit
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_CHARACTERS = 800_000  # MLflow refuses a request above 1 MB
_METRIC_CHARACTERS = 110  # of a metric as JSON, besides its key

Metric = tuple[str, float, int, int]
"""Key, value, time in ms, step."""


@dataclass(kw_only=True)
class Parcel:
    """What one request tells about one run.

    Attributes:
        metrics: Key, value, time in ms and step of each.
        params: Name to value.
        tags: Name to value.
        characters: Of everything in it, as text.
    """

    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    characters: int = 0

    @property
    def size(self) -> int:
        """Values of all kinds."""
        return len(self.metrics) + len(self.params) + len(self.tags)


def parcels(
    groups: Iterable[Sequence[Metric]], *, params: Mapping[str, str], tags: Mapping[str, str]
) -> Iterator[Parcel]:
    """Pack params, tags and metrics, in this order, into as few parcels as the limits allow.

    Args:
        groups: Metrics that arrive whole or not at all, for instance those of one training step. A group that
            is larger than a request may be is split.
        params: Params; their values fit MLflow.
        tags: Tags; their values fit MLflow.
    """
    parcel = Parcel()
    for key, value in params.items():
        weight = _weight(key, value)
        if len(parcel.params) == MAX_PARAMS or not _fits(parcel, 1, weight):
            yield parcel
            parcel = Parcel()
        parcel.params[key] = value
        parcel.characters += weight
    for key, value in tags.items():
        weight = _weight(key, value)
        if len(parcel.tags) == MAX_TAGS or not _fits(parcel, 1, weight):
            yield parcel
            parcel = Parcel()
        parcel.tags[key] = value
        parcel.characters += weight
    for group in groups:
        for start in range(0, len(group), MAX_ITEMS):
            piece = group[start : start + MAX_ITEMS]
            weight = sum(len(metric[0]) + _METRIC_CHARACTERS for metric in piece)
            if not _fits(parcel, len(piece), weight):
                yield parcel
                parcel = Parcel()
            parcel.metrics += piece
            parcel.characters += weight
    if parcel.size:
        yield parcel


def _fits(parcel: Parcel, count: int, characters: int) -> bool:
    if not parcel.size:
        return True
    return parcel.size + count <= MAX_ITEMS and parcel.characters + characters <= MAX_CHARACTERS


def _weight(key: str, value: str) -> int:
    return len(key) + len(json.dumps(value)) + 24
