"""What is killed and when, as a function of a seed."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["worker", "trial", "raylet", "driver", "head", "mlflow"]
KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_DELAY_S = 3.0
MLFLOW_DOWN_S = (5.0, 20.0)


@dataclass(frozen=True, kw_only=True)
class Kill:
    """One kill.

    Attributes:
        kind: Of what.
        position: Share of the study's training steps that are done by then, from 0 to 1.
        delay_s: Further time that passes; so starts, ends of stages and publications are hit, too.
        down_s: How long an MLflow server stays away.
        victim: Chooses among several candidates, from 0 to 1.
    """

    kind: Kind
    position: float
    delay_s: float
    down_s: float
    victim: float


def schedule(*, kills: int, per_study: int, seed: int, kinds: Sequence[Kind] = KINDS) -> Iterator[list[Kill]]:
    """The kills of each study, by position; every kind comes equally often, as far as it divides.

    Args:
        kills: In all studies together.
        per_study: Most in one study.
        seed: Same seed, same schedule.
        kinds: What may be killed.
    """
    rng = random.Random(seed)
    order: list[Kind] = []
    while len(order) < kills:
        order += rng.sample(kinds, len(kinds))
    for start in range(0, kills, per_study):
        chosen = order[start : min(start + per_study, kills)]
        positions = sorted(rng.random() for _ in chosen)
        yield [
            Kill(
                kind=kind,
                position=position,
                delay_s=rng.uniform(0.0, MAX_DELAY_S),
                down_s=rng.uniform(*MLFLOW_DOWN_S),
                victim=rng.random(),
            )
            for kind, position in zip(chosen, positions, strict=True)
        ]
