"""How a study is judged: the same protocol for every arm and every method."""

from typing import Literal

from dymu.artifacts.config import absent_means, check, config

Statistics = Literal["batch", "running", "recalibrated"]


@config
class EvaluationConfig:
    """The evaluation protocol of section 4.1 and Appendix J.

    Attributes:
        reference_point: Upper corner of the hypervolume box, one coordinate a task, in scaled-loss space.
        num_preferences: Task preferences whose losses give hypervolume and uniformity (paper: 20).
        num_cost_preferences: Task preferences over which cost is averaged (paper: 1000).
        resource_preferences: Values of c that are evaluated (paper: 0 and 1).
        preference_seed: Seed of the evaluation preferences; shared by all methods, arms and seeds.
        batch_size: Test batch size. Part of the protocol because batch statistics depend on it.
        statistics: Normalisation statistics: of the test batch (default, docs/protocol.md, no. 14), the
            anchor's running ones, or recalibrated per predicted network on training batches.
        recalibration_batches: Training batches used by ``statistics="recalibrated"``.
        order: Which examples share a batch: neighbours ``as_listed``, or ``shuffled`` once by the preference
            seed. Official lists go scene by scene, and batch statistics of one scene are not those of the
            split.
        pair_preferences: Task preferences at which each pair of tasks is evaluated besides, evenly spaced
            from one task alone to the other alone while all others have 0 (Figures 13 and 14); 0 for none.
            They enter no value of a record.
        pairs: Which pairs of tasks, by name; empty for all pairs of up to five tasks, and of more tasks for
            the first with the second, the third with the fourth and so on, because twenty tasks have 190.
    """

    reference_point: tuple[float, ...]
    num_preferences: int = 20
    num_cost_preferences: int = 1000
    resource_preferences: tuple[float, ...] = (0.0, 1.0)
    preference_seed: int = 20
    batch_size: int = 100
    statistics: Statistics = "batch"
    recalibration_batches: int = 4
    order: Literal["as_listed", "shuffled"] = absent_means("as_listed")
    pair_preferences: int = absent_means(0)
    pairs: tuple[tuple[str, str], ...] = absent_means(())

    def __post_init__(self) -> None:
        check(len(self.reference_point) >= 2, self, "reference_point", "a coordinate per task, at least two")
        check(all(x > 0 for x in self.reference_point), self, "reference_point", "positive coordinates")
        check(self.num_preferences >= 1, self, "num_preferences", "at least 1")
        check(self.num_cost_preferences >= 1, self, "num_cost_preferences", "at least 1")
        check(self.batch_size >= 2, self, "batch_size", "at least 2, batch statistics need two examples")
        check(self.recalibration_batches >= 1, self, "recalibration_batches", "at least 1")
        check(
            len(self.resource_preferences) > 0 and all(0 <= c <= 1 for c in self.resource_preferences),
            self,
            "resource_preferences",
            "at least one value, each in [0, 1]",
        )
        check(
            len({f"{c:g}" for c in self.resource_preferences}) == len(self.resource_preferences),
            self,
            "resource_preferences",
            "values that differ in their first six digits, by which results are named",
        )
        check(
            self.pair_preferences == 0 or self.pair_preferences >= 3,
            self,
            "pair_preferences",
            "0, or at least 3: each task of a pair alone, and what is between them",
        )
        check(
            not self.pairs or self.pair_preferences > 0,
            self,
            "pairs",
            "no pairs while pair_preferences is 0, since they would not be evaluated",
        )
        check(
            len({frozenset(pair) for pair in self.pairs}) == len(self.pairs)
            and all(one != other for one, other in self.pairs),
            self,
            "pairs",
            "two different tasks in each pair, and each pair once",
        )
