"""What the user named on the command line, as a search."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from dymu.errors import SpecError
from dymu.run.search.budget import extent_of
from dymu.run.target import load_module, load_question
from dymu.spec.ablation import Arm
from dymu.spec.search import ArmSearch, Search
from dymu.spec.study import Study

AnySearch = Search | ArmSearch


def find_search(text: str, *, folder: Path, trials: int | None = None) -> AnySearch | None:
    """The search that ``module:attribute`` names; ``None`` if it names something else.

    Args:
        text: The target.
        folder: Where modules are looked up first.
        trials: Another budget than the declared one.

    Raises:
        SpecError: If the module holds searches and none, or no existing one, is named; lists those it has.
            Also if another budget is given for what is no search.
    """
    module_name, _, attribute = text.partition(":")
    module = load_module(module_name, folder)
    have = searches_of(module)
    listed = ", ".join(f"{module_name}:{name}" for name in have)
    if attribute in have:
        return have[attribute].with_trials(trials)
    is_study = any(isinstance(value, Study) for value in vars(module).values())
    if have and (not attribute or not hasattr(module, attribute)) and not is_study:
        raise SpecError(f"{text} names no search; name one of {listed}.")
    if trials is not None:
        raise SpecError(f"--trials is the budget of a search, but {text} is none.")
    return None


def searches_of(module: ModuleType) -> dict[str, AnySearch]:
    """Searches of a module by the name of their variable."""
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Search | ArmSearch) and not name.startswith("_")
    }


def stages_of(search: AnySearch, *, folder: Path) -> set[str]:
    """Names of all stages that a search, and the comparison at its end, may run.

    Raises:
        SpecError: If the study cannot be built at an end of an entry's range.
    """
    found: set[str] = set()
    for arm, part in parts_of(search, folder=folder).values():
        found |= extent_of(part).stages
        if arm is not None:
            found |= {step.stage for step in arm.study.evaluation_step(0).closure()}
    return found


def parts_of(search: AnySearch, *, folder: Path) -> Mapping[str, tuple[Arm | None, Search]]:
    """Arm name to its arm and search; a search that is not of arms has one part, without an arm.

    Raises:
        SpecError: If the question does not exist, or the space does not fit an arm.
    """
    if isinstance(search, Search):
        return {"": (None, search)}
    question = load_question(search.question, folder=folder)
    return {arm.name: (arm, part) for arm, part in search.of_arms(question)}
