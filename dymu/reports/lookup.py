"""Which manifests of a store answer a table or figure of the paper, by number, study or question.

Each table has one question that asks it of the paper's data, and stand-ins that ask the same of smaller data.
What has records goes before what has none, and the paper's own question before a stand-in. Of several that
fit equally well none is chosen: the user is asked.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dymu.artifacts.manifest import Manifest
from dymu.errors import ReportError, did_you_mean

Kind = Literal["table", "figure"]

# What compares methods, not ablations of one.
_COMPARE_METHODS = {"table": (1, 2, 3, 4), "figure": (6, 13, 14)}
# Figures that the paper draws of the arms of its Table 6, or of a single study.
_OF_TABLE_6 = (5, 7, 9, 10, 11, 12, 15, 16, 17, 18, 19)
# Trade-offs between two tasks; what evaluates no pairs alone stands in for the question that does.
_TRADE_OFFS = (13, 14)
_TRADE_OFF = "trade_off"
_BASELINES, _ARCHITECTURES = "baselines", "architectures"
_REGULARIZER, _SAMPLING = "branching_regularizer", "preference_sampling"
# Table to the question that asks it of the paper's data, and to the one that asks it of generated images.
_TABLES = {
    1: ("baselines_pascal5", _BASELINES),
    2: ("baselines_pascal3", _BASELINES),
    3: ("baselines_nyuv2", _BASELINES),
    4: ("baselines_cifar100", _BASELINES),
    5: ("architectures_pascal3", _ARCHITECTURES),
    6: (_REGULARIZER, _REGULARIZER),
    7: ("architectures_pascal5", _ARCHITECTURES),
    8: (_SAMPLING, _SAMPLING),
}
_FIGURES = {
    6: _BASELINES,
    8: "active_threshold",
    **dict.fromkeys(_TRADE_OFFS, _TRADE_OFF),
    **dict.fromkeys(_OF_TABLE_6, _REGULARIZER),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user asked for.

    Attributes:
        kind: What the number counts.
        number: Of the paper's table or figure; ``None`` to go by study and question alone.
        study: ``studies.digits:ours``, ``digits-ours``, or ``studies.digits`` for all studies of the module.
        question: ``ablations.branching_regularizer``, or its last part.
    """

    kind: Kind
    number: int | None = None
    study: str | None = None
    question: str | None = None

    @property
    def text(self) -> str:
        """In words."""
        parts = [f"{self.kind} {self.number}"] if self.number is not None else [f"a {self.kind}"]
        if self.question is not None:
            parts.append(f"question {self.question}")
        if self.study is not None:
            parts.append(f"study {self.study}")
        return ", ".join(parts)

    @property
    def by_number(self) -> bool:
        """Whether a number of the paper's tables decides."""
        return self.kind == "table" and self.number in _TABLES and self.question is None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What fits.

    Attributes:
        manifests: One, or all single studies of a module.
        note: What stands in for what; empty if this is what was asked for.
    """

    manifests: tuple[Manifest, ...]
    note: str = ""


def look_up(known: Sequence[Manifest], wanted: Wanted, has_records: Callable[[Manifest], bool]) -> Answer:
    """The manifests that answer what is wanted.

    Args:
        known: All manifests of a store.
        wanted: What was asked for.
        has_records: Whether anything that a manifest expects was measured.

    Raises:
        ReportError: If nothing or more than one thing fits; lists what there is and how to make what is not.
    """
    pool = [manifest for manifest in known if not any(arm.ad_hoc for arm in manifest.arms)]
    if wanted.kind == "table" and wanted.number is not None:
        _check_number(pool, wanted)
    fitting = _fitting(pool, wanted, has_records)
    if len(fitting) == 1:
        return Answer(manifests=tuple(fitting), note=_note(fitting[0], wanted))
    if fitting:
        choices = "\n  ".join(_choice(manifest, fitting) for manifest in fitting)
        raise ReportError(f"{wanted.text} could be any of these; add what stands behind one:\n  {choices}")
    if wanted.question is None and (wanted.number is None or wanted.number in _COMPARE_METHODS[wanted.kind]):
        together = _of_module(pool, wanted.study)
        if together:
            return Answer(manifests=tuple(together))
    there = f"there is {_listed(known)}" if known else "it is empty"
    near = _nearest(pool, wanted)
    make = "" if near else f" Make them: {_command(wanted)}."
    raise ReportError(f"the store has no results for {wanted.text}{near}: {there}.{make}")


def _check_number(pool: Sequence[Manifest], wanted: Wanted) -> None:
    """Refuse a table that the paper does not have, and a question that is about another one."""
    number, last = wanted.number, max(_TABLES)
    if number not in _TABLES:
        raise ReportError(
            f"the paper has Tables 1 to {last}, not {number}. For a question without a number: "
            "`dymu table --question QUESTION`."
        )
    if wanted.question is None:
        return
    leaf = wanted.question.rpartition(".")[2]
    answers = [n for n, names in _TABLES.items() if leaf in names or leaf.startswith(f"{names[1]}_")]
    sources = {manifest.source for manifest in pool if _leaf(manifest) == leaf}
    answers = answers or [n for n in _TABLES if any(_from(f"Table {n}", source) for source in sources)]
    if answers and number not in answers:
        listed = " or ".join(str(n) for n in answers)
        raise ReportError(
            f"question {wanted.question} is about Table {listed} of the paper, not Table {number}; leave out "
            "the number or the question."
        )


def _fitting(
    pool: Sequence[Manifest], wanted: Wanted, has_records: Callable[[Manifest], bool]
) -> list[Manifest]:
    if wanted.by_number:
        own = pool if wanted.study is None else _of_study(pool, wanted.study)
        ranks = list(_ranks(own, wanted))
        measured = ([manifest for manifest in rank if has_records(manifest)] for rank in ranks)
        return next((rank for rank in (*measured, *ranks) if rank), [])
    fitting = list(pool)
    if wanted.study is not None:
        fitting = [manifest for manifest in fitting if _plain(manifest.study) == _study_name(wanted.study)]
    if wanted.question is not None:
        leaf = wanted.question.rpartition(".")[2]
        return [manifest for manifest in fitting if _leaf(manifest) == leaf]
    if wanted.kind == "figure" and wanted.number in _TRADE_OFFS:
        own = [manifest for manifest in fitting if _is_trade_off(manifest)]
        others = [manifest for manifest in fitting if not _is_trade_off(manifest)]
        done = [manifest for manifest in own if has_records(manifest)]
        return done or _of_number(others, wanted.number, wanted.kind) or own
    if wanted.number is not None:
        return _of_number(fitting, wanted.number, wanted.kind)
    plain = [manifest for manifest in fitting if manifest.name == manifest.study]
    return plain if wanted.study is not None and plain else fitting


def _ranks(pool: Sequence[Manifest], wanted: Wanted) -> Iterator[list[Manifest]]:
    """Manifests for one of the paper's tables: the best first, equally good ones together."""
    assert wanted.number is not None
    own, family = _TABLES[wanted.number]
    alike = [m for m in pool if _leaf(m) == family or _leaf(m).startswith(f"{family}_")]
    sourced = _sourced(pool, f"Table {wanted.number}")
    yield [manifest for manifest in alike if _leaf(manifest) == own]
    yield [manifest for manifest in alike if manifest in sourced]
    yield sourced
    yield alike
    if wanted.study is not None and not _is_module(pool, wanted.study):
        yield [manifest for manifest in pool if manifest.name == manifest.study]


def _of_number(pool: Sequence[Manifest], number: int, kind: Kind) -> list[Manifest]:
    source = f"{kind.capitalize()} {number}"
    wanted = [_sourced(pool, source)]
    if kind == "figure":  # a figure may be about one row of a question
        wanted.append(_with_arm(pool, source))
    if kind == "figure" and number in _TRADE_OFFS:
        wanted.append(_with_arm(pool, "Figure 6"))
    if kind == "figure" and number in _OF_TABLE_6:
        wanted.append(_sourced(pool, "Table 6"))
        wanted.append([manifest for manifest in pool if manifest.name == manifest.study])
        wanted.append([manifest for manifest in pool if not _is_trade_off(manifest)])
        wanted.append(list(pool))
    return next((found for found in wanted if found), [])


def _note(manifest: Manifest, wanted: Wanted) -> str:
    if wanted.number is None or not wanted.by_number or _leaf(manifest) == _TABLES[wanted.number][0]:
        return ""
    return (
        f"Table {wanted.number} of the paper is the question ablations.{_TABLES[wanted.number][0]}; in its "
        f"place stands what `dymu run {manifest.target}` made, on {manifest.study}."
    )


def _command(wanted: Wanted) -> str:
    """What makes it, and what makes something like it without the paper's data."""
    number = wanted.number or 0
    if wanted.question is not None:
        commands = [wanted.question]
    elif wanted.kind == "table" and number in _TABLES:
        commands = [f"ablations.{name}" for name in dict.fromkeys(_TABLES[number])]
    elif wanted.kind == "figure" and number in _FIGURES:
        commands = [f"ablations.{_FIGURES[number]}"]
    else:
        commands = [_target(wanted.study) if wanted.study else f"ablations.{_REGULARIZER}"]
    if wanted.study and ":" in wanted.study and wanted.study not in commands:
        return f"`dymu run {commands[-1]} --study {wanted.study}`"
    smaller = f", or on generated images `dymu run {commands[1]}`" if len(commands) > 1 else ""
    return f"`dymu run {commands[0]}`{smaller}"


def _target(study: str) -> str:
    """What `dymu run` takes for a study, which may be named as in tables: digits-ours."""
    return "studies.MODULE:NAME" if "-" in study and ":" not in study else study


def _choice(manifest: Manifest, among: Sequence[Manifest]) -> str:
    """A manifest with the flags that choose it."""
    same = [other for other in among if _leaf(other) == _leaf(manifest)]
    flags = [f"--question {_leaf(manifest)}"] if len(same) < len(among) and _leaf(manifest) else []
    if len(same) > 1:
        flags.append(f"--study {manifest.study}")
    width = max(len(other.name) for other in among)
    return f"{manifest.name:<{width}}  {' '.join(flags)}"


def _leaf(manifest: Manifest) -> str:
    """Last part of the question's name; empty for a single study."""
    return manifest.name.partition(".")[2]


def _is_trade_off(manifest: Manifest) -> bool:
    return re.match(rf"{_TRADE_OFF}(_|$)", _leaf(manifest)) is not None


def _sourced(pool: Sequence[Manifest], source: str) -> list[Manifest]:
    return [manifest for manifest in pool if _from(source, manifest.source)]


def _with_arm(pool: Sequence[Manifest], source: str) -> list[Manifest]:
    return [manifest for manifest in pool if any(_from(source, arm.source) for arm in manifest.arms)]


def _from(source: str, text: str) -> bool:
    """Whether a text names a table or figure first: "Table 6, row 2" is from Table 6, "Table 61" is not."""
    return re.match(re.escape(source) + r"(?!\d)", text) is not None


def _study_name(text: str) -> str:
    module, colon, attribute = text.partition(":")
    return _plain(f"{module.rpartition('.')[2]}-{attribute}" if colon else text)


def _plain(name: str) -> str:
    return name.replace("_", "-")


def _of_study(pool: Sequence[Manifest], study: str) -> list[Manifest]:
    """Manifests about a study, or about all studies of a module."""
    if _is_module(pool, study):
        module = _plain(study.rpartition(".")[2])
        return [manifest for manifest in pool if _plain(manifest.study).startswith(f"{module}-")]
    return [manifest for manifest in pool if _plain(manifest.study) == _study_name(study)]


def _is_module(pool: Sequence[Manifest], study: str) -> bool:
    return ":" not in study and all(manifest.study != study for manifest in pool)


def _of_module(pool: Sequence[Manifest], study: str | None) -> list[Manifest]:
    """Manifests of single studies of one module, if ``study`` names a module or there is only one."""
    alone = [manifest for manifest in pool if manifest.name == manifest.study]
    if study is None:
        modules = {_plain(manifest.study).partition("-")[0] for manifest in alone}
        return alone if len(modules) == 1 and len(alone) > 1 else []
    return _of_study(alone, study) if _is_module(pool, study) else []


def _nearest(pool: Sequence[Manifest], wanted: Wanted) -> str:
    """The question or study that a name resembles which no manifest has."""
    leaf = (wanted.question or "").rpartition(".")[2]
    leaves = {_leaf(manifest) for manifest in pool} - {""}
    if leaf and leaf not in leaves:
        return did_you_mean(leaf, sorted(leaves))
    studies = {_plain(manifest.study) for manifest in pool}
    if wanted.study is not None and _study_name(wanted.study) not in studies:
        return did_you_mean(_study_name(wanted.study), sorted(studies))
    return ""


def _listed(manifests: Sequence[Manifest]) -> str:
    names = [f"{m.name} ({m.source})" if m.source else m.name for m in manifests]
    return ", ".join(names)
