"""What the user named on the command line, as studies and arms.

``studies.digits:ours`` is one study, ``studies.digits`` every study of that module and
``ablations.branching_regularizer`` a question. Modules are found from the working directory, so that users
keep studies of their own beside the ones that come with dymu.
"""

import importlib
import json
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical, digest
from dymu.errors import SpecError, did_you_mean
from dymu.spec.ablation import BASELINE, Arm, Question
from dymu.spec.study import Study, override

QUESTION = "QUESTION"
_PLACES = ("studies", "ablations")
_AD_HOC_LENGTH = 6


@dataclass(frozen=True, kw_only=True)
class Target:
    """One study or one question, with the arms that it has and those that were asked for.

    Attributes:
        name: Name of its manifest.
        text: What the user typed, with the study that a question is asked about if it is not its own:
            ``dymu run`` takes it.
        study: Name of the baseline study.
        title: The question, or the study's name.
        source: The paper's table or figure; empty for a study.
        arms: All arms, baseline first.
        selected: Names of the arms to run.
    """

    name: str
    text: str
    study: str
    title: str
    source: str
    arms: tuple[Arm, ...]
    selected: frozenset[str]

    @property
    def chosen(self) -> tuple[Arm, ...]:
        """The arms to run, in order."""
        return tuple(arm for arm in self.arms if arm.name in self.selected)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What stands on the command line.

    Attributes:
        text: The target.
        study: Target of the study that replaces the baseline of a question.
        overrides: Texts ``path=value`` that change the baseline, in order.
        arms: Names of the arms to run; empty for all.
    """

    text: str
    study: str | None = None
    overrides: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


def resolve(request: Request, *, folder: Path) -> tuple[Target, ...]:
    """The targets that a request names.

    Args:
        request: What stands on the command line.
        folder: Where modules are looked up first, usually the working directory.

    Raises:
        SpecError: If a module, attribute or arm does not exist (the message lists what does), if importing
            the module fails, or if an override is a typo or changes nothing.
    """
    ad_hoc = dict(parse_override(text) for text in request.overrides)
    module_name, _, attribute = request.text.partition(":")
    module = load_module(module_name, folder)
    question = getattr(module, attribute or QUESTION, None)
    if isinstance(question, Question):
        if request.study is not None:
            question = question.on(load_study(request.study, folder=folder))
        return (_question_target(request, question, module_name.rpartition(".")[2], ad_hoc),)
    if request.study is not None:
        raise SpecError(
            f"--study replaces the baseline of a question, but {request.text} is not a question; "
            f"run `{request.study}` by itself."
        )
    studies = [load_study(request.text, folder=folder)] if attribute else list(_studies(module).values())
    if not studies:
        raise SpecError(f"{module_name} holds neither a {QUESTION} nor a Study; give the module of a study.")
    return tuple(_study_target(request, study, ad_hoc) for study in studies)


def load_study(text: str, *, folder: Path) -> Study:
    """The study that ``module:attribute`` names.

    Raises:
        SpecError: If there is no such study; lists those that exist.
    """
    module_name, _, attribute = text.partition(":")
    module = load_module(module_name, folder)
    have = _studies(module)
    if not attribute:
        raise SpecError(f"{text} names a module; name one of its studies: {_choices(module_name, have)}.")
    if attribute not in have:
        kind = type(getattr(module, attribute)).__name__ if hasattr(module, attribute) else None
        absent = f"{module_name} has no study {attribute!r}{did_you_mean(attribute, have)}"
        what = f"{text} is a {kind}, not a Study" if kind else absent
        raise SpecError(f"{what}; {module_name} has {_choices(module_name, have)}.")
    return have[attribute]


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``path=value``; the value is JSON where it parses as JSON and text otherwise, lists are tuples.

    Raises:
        SpecError: If there is no ``=`` or no path.
    """
    path, equals, written = text.partition("=")
    if not equals or not path:
        raise SpecError(f"override {text!r} has no '='; write it as method.edge.active_threshold=0.3.")
    try:
        return path, _frozen(json.loads(written))
    except json.JSONDecodeError:
        return path, written


def parse_seeds(count: int | None, listed: str | None) -> tuple[int, ...]:
    """Seeds ``0 .. count - 1``, or those listed as ``0,4``; one seed if nothing is said.

    Raises:
        SpecError: If both are given or a seed is not a whole number that is at least 0.
    """
    if count is not None and listed is not None:
        raise SpecError("--seeds and --seed-list say the same thing twice; give one of them.")
    if listed is None:
        if count is not None and count < 1:
            raise SpecError(f"--seeds is {count}; expected at least 1.")
        return tuple(range(count or 1))
    parts = [part.strip() for part in listed.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SpecError(f"--seed-list is {listed!r}; expected whole numbers from 0 on, such as 0,4.")
    return tuple(sorted({int(part) for part in parts}))


def _question_target(request: Request, question: Question, leaf: str, ad_hoc: Mapping[str, Any]) -> Target:
    if ad_hoc:
        asked = question.as_asked()
        question = asked.on(_overridden(asked.baseline, ad_hoc))
    return _target(
        request,
        name=f"{question.baseline.name}.{leaf}",
        title=question.title,
        source=question.source,
        arms=question.arms(),
        ad_hoc=ad_hoc,
    )


def _study_target(request: Request, study: Study, ad_hoc: Mapping[str, Any]) -> Target:
    arm = Arm(name=BASELINE, label=study.name, study=_overridden(study, ad_hoc))
    return _target(request, name=study.name, title=study.name, source="", arms=(arm,), ad_hoc=ad_hoc)


def _target(
    request: Request, *, name: str, title: str, source: str, arms: tuple[Arm, ...], ad_hoc: Mapping[str, Any]
) -> Target:
    names = [arm.name for arm in arms]
    for wanted in request.arms:
        if wanted not in names:
            raise SpecError(
                f"{request.text} has no arm {wanted!r}{did_you_mean(wanted, names)}; "
                f"it has {', '.join(names)}."
            )
    # An ad hoc run has a manifest of its own, so that it never takes the place of the study's results.
    mark = f"-adhoc-{digest(ad_hoc)[:_AD_HOC_LENGTH]}" if ad_hoc else ""
    return Target(
        name=name + mark,
        text=f"{request.text} --study {request.study}" if request.study is not None else request.text,
        study=arms[0].study.name,
        title=title,
        source=source,
        arms=tuple(changed(arm, {"ad_hoc": ad_hoc}) for arm in arms),
        selected=frozenset(request.arms or names),
    )


def _overridden(study: Study, ad_hoc: Mapping[str, Any]) -> Study:
    for path, value in ad_hoc.items():
        if path == "name":
            raise SpecError("a study's name cannot be overridden; its results are found by it.")
        try:
            canonical(value)
            study = override(study, path, value)
        except SpecError as error:
            raise SpecError(f"override {path}={value!r} of study {study.name}: {error}") from None
    return study


def load_question(text: str, *, folder: Path) -> Question:
    """The question that a module of ``ablations/`` holds, or that ``module:attribute`` names.

    Raises:
        SpecError: If there is none.
    """
    module_name, _, attribute = text.partition(":")
    found = getattr(load_module(module_name, folder), attribute or QUESTION, None)
    if not isinstance(found, Question):
        raise SpecError(f"{text} is not a question; expected a module with a {QUESTION}.")
    return found


def load_module(name: str, folder: Path) -> ModuleType:
    """Import a module, found below ``folder`` first.

    Raises:
        SpecError: If there is none, or importing it fails; names the file and line.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        hint = name.removesuffix(".py").strip("/").replace("/", ".")
        raise SpecError(
            f"{name!r} is not the name of a module; write it with dots, as in {hint or 'studies.digits'}."
        )
    place = str(folder)
    if place in sys.path:
        sys.path.remove(place)
    sys.path.insert(0, place)
    try:
        return importlib.import_module(name)
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent is not None and (name == absent or name.startswith(absent + ".")):
            raise SpecError(_absent(name, folder)) from None
        raise SpecError(_import_failure(name, error, folder)) from error


def _import_failure(name: str, error: Exception, folder: Path) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)] or list(frames)
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno
    file = error.filename if isinstance(error, SyntaxError) else own[-1].filename
    return f"importing {name} failed ({file}, line {line}): {type(error).__name__}: {error}"


def _absent(name: str, folder: Path) -> str:
    file = folder / (name.replace(".", "/") + ".py")
    package = name.partition(".")[0]
    if file.exists() and package in sys.modules:
        other = next(iter(sys.modules[package].__path__), "elsewhere")
        return (
            f"{file} is hidden by another package {package} in {other}, which is on Python's path; put an "
            "empty __init__.py beside it, or take that folder from PYTHONPATH."
        )
    known = _modules(name, folder)
    above, _, last = name.rpartition(".")
    if above and (folder / (above.replace(".", "/") + ".py")).exists():
        right = above if last == "py" else f"{above}:{last}"
        return f"there is no module {name}, but {above} is one; write {right}."
    there = (
        f"there is {', '.join(known)}" if known else "change to the folder that holds studies/ and ablations/"
    )
    return f"there is no module {name} below {folder}{did_you_mean(name, known)}; {there}."


def _modules(name: str, folder: Path) -> list[str]:
    """Modules beside one that does not exist; for a bare name, those in which studies and questions are."""
    package = name.rpartition(".")[0].replace(".", "/")
    places = [package] if package else ["", *_PLACES]
    files = [file for place in places for file in sorted((folder / place).glob("*.py"))]
    return [
        ".".join((*file.relative_to(folder).parts[:-1], file.stem)) for file in files if file.stem[0] != "_"
    ]


def _studies(module: ModuleType) -> dict[str, Study]:
    return {
        name: value for name, value in vars(module).items() if isinstance(value, Study) and name[0] != "_"
    }


def _choices(module_name: str, have: Mapping[str, Study]) -> str:
    return ", ".join(f"{module_name}:{name}" for name in have) or "no study"


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value
