"""The arms of a question, each at its own best setting, as a target like any other."""

from collections.abc import Mapping

from dymu.artifacts.config import changed
from dymu.artifacts.trials import SearchResult
from dymu.errors import ReportError, SpecError
from dymu.run.target import Target
from dymu.spec.ablation import Arm, Question
from dymu.spec.search import ArmSearch, Search
from dymu.spec.space import active, proposed


def best_arms(
    search: ArmSearch,
    question: Question,
    parts: Mapping[str, tuple[Arm | None, Search]],
    results: Mapping[str, SearchResult],
    *,
    text: str,
) -> Target:
    """The comparison at the end of a search of arms.

    The paper's values are left out: its arms were not at their own best.

    Args:
        search: The search.
        question: Its question.
        parts: Arm name to arm and search.
        results: Arm name to what its search has found.
        text: What the user typed.

    Raises:
        ReportError: If the search of an arm has not spent its budget, or has no complete trial.
    """
    arms = tuple(_best(arm, part, results[name]) for name, (arm, part) in parts.items() if arm is not None)
    return Target(
        name=f"{question.baseline.name}.{search.name}",
        text=text,
        study=question.baseline.name,
        title=f"{question.title} Each row at its own best of {search.trials} trials",
        source="",
        arms=arms,
        selected=frozenset(arm.name for arm in arms),
    )


def check_seeds(search: ArmSearch, seeds: tuple[int, ...]) -> None:
    """Refuse to compare arms at seeds that chose their settings.

    Raises:
        SpecError: Names the seeds.
    """
    both = sorted(set(search.seeds) & set(seeds))
    if both:
        raise SpecError(
            f"search {search.name} chooses the settings of its arms at seed {both[0]}; compare them at other "
            "seeds, with --seeds or --seed-list."
        )


def _best(arm: Arm, search: Search, result: SearchResult) -> Arm:
    answered = [trial for trial in result.trials if trial.state != "running"]
    if len(answered) < search.trials:
        raise ReportError(
            f"search {search.name} has {len(answered)} of {search.trials} trials; the same command goes on."
        )
    ranked = result.ranked()
    if not ranked:
        raise ReportError(f"search {search.name}: none of its {len(answered)} trials is complete.")
    params = ranked[0].params
    found = {
        entry.path: entry.real(params[entry.path])
        for entry in search.space
        if entry.path in params and active(entry, params)
    }
    return changed(
        arm,
        {
            "label": f"{arm.label}, best of {search.trials}",
            "study": proposed(arm.study, search.space, params),
            "paper": {},
            "source": "",
            "changes": {**arm.changes, **found},
        },
    )
