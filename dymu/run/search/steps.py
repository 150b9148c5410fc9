"""The steps that measure a study of a search on the validation split, and the identity of the search."""

from dymu.artifacts.fingerprint import canonical, digest_of_form
from dymu.artifacts.step import Step
from dymu.spec.search import Search
from dymu.spec.study import Study
from dymu.stages.validate import validation_step

_LENGTH = 8


def final_step(study: Study, seed: int) -> Step:
    """What measures a study on the validation split; a method may bring its own ``validation``.

    Raises:
        SpecError: If the study cannot be built.
    """
    make = getattr(study.method, "validation", None)
    step: Step = validation_step(study.evaluation_step(seed)) if make is None else make(study, seed)
    return step


def identity_of(search: Search) -> str:
    """Digest of all that makes trials comparable; another budget is the same search."""
    form = {
        "finals": [final_step(search.baseline, seed).address for seed in search.seeds],
        "space": canonical(search.space),
        "objectives": canonical(search.objectives),
        "sampler": canonical(search.sampler),
        "pruner": canonical(search.pruner),
        "start_at_baseline": search.start_at_baseline,
    }
    return digest_of_form(form)[:_LENGTH]


def key_of(search: Search) -> str:
    """Name and identity in one: what its storage, its lease and its files are called."""
    return f"{search.name}-{identity_of(search)}"
