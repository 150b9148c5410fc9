"""What is done to a study and when, as a function of a seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

KILLS = ("worker", "trial", "raylet", "driver", "head", "mlflow")
"""Processes that are killed."""
DAMAGES = ("deleted", "flipped", "cut", "full", "readonly")
"""What is done to the store: a finished step removed, a bit or the length of its file changed, no room left,
no writing allowed."""

MAX_DELAY_S = 3.0
DOWN_S = (5.0, 20.0)
_LAST = 0.97  # of a study's training; later there may be nothing left to disturb


@dataclass(frozen=True, kw_only=True)
class Blow:
    """One disturbance.

    Attributes:
        kind: One of :data:`KILLS` and :data:`DAMAGES`.
        position: Share of the study's training steps that are done by then, from 0 to 1.
        delay_s: Further time that passes; so starts, ends of stages and publications are hit, too.
        down_s: How long an MLflow server or a disk stays away.
        choice: Chooses among several candidates, from 0 to 1.
    """

    kind: str
    position: float
    delay_s: float
    down_s: float
    choice: float


def schedule(*, blows: int, per_study: int, seed: int, kinds: Sequence[str] = KILLS) -> Iterator[list[Blow]]:
    """The blows of each study, by position; every kind comes equally often, as far as it divides.

    Args:
        blows: In all studies together.
        per_study: Most in one study.
        seed: Same seed, same schedule.
        kinds: What is done.
    """
    rng = random.Random(seed)
    order: list[str] = []
    while len(order) < blows:
        order += rng.sample(kinds, len(kinds))
    for start in range(0, blows, per_study):
        chosen = order[start : min(start + per_study, blows)]
        drawn = [_drawn(kind, rng) for kind in chosen]
        positions = sorted(blow.position for blow in drawn)
        yield [replace(blow, position=position) for blow, position in zip(drawn, positions, strict=True)]


def again(missed: Sequence[Blow], *, seed: int) -> list[Blow]:
    """Blows whose moment did not come before the end of a study, for another study."""
    rng = random.Random(seed)
    drawn = [_drawn(blow.kind, rng) for blow in missed]
    return sorted(drawn, key=lambda blow: blow.position)


def _drawn(kind: str, rng: random.Random) -> Blow:
    # Before a third of the training no step is finished that could be damaged and is needed again.
    first = 0.35 if kind in DAMAGES[:3] else 0.0
    return Blow(
        kind=kind,
        position=rng.uniform(first, _LAST),
        delay_s=rng.uniform(0.0, MAX_DELAY_S),
        down_s=rng.uniform(*DOWN_S),
        choice=rng.random(),
    )
