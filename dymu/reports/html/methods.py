"""Methods in words, and what each arm does otherwise, from the configs in records."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dymu.artifacts.fingerprint import TYPE_KEY, differences
from dymu.artifacts.record import Record
from dymu.reports.collect import EVALUATE, Results
from dymu.reports.comparable import protocol_of

Difference = tuple[str, str, str, str]
"""(Stage, field, value of the baseline, value of the arm)."""

_WORK = {
    "anchor": "the single-task nets of the anchor were trained",
    "shared": "a network that all tasks share was trained",
    "affinity": "the affinity of tasks was measured on the anchor's features",
    "edge": "the edge hypernet, which turns a preference into a tree, was trained",
    "weight": "the weight hypernet, which adapts normalisation to a preference, was trained",
    "phn": "the hypernet that generates all weights was trained",
    "phn_bn": "the shared network and the hypernet of its normalisation were trained",
    "retrain": "a fixed tree was trained from the start",
    "constant": "the best constant answer was found",
}
_SIZES = ("num_train", "num_val", "num_test")


def methods_text(results: Results) -> list[str]:
    """Sentences about the baseline, as one writes them in a paper."""
    found = next(
        (results.records[cell] for cell in sorted(results.records, key=_baseline_first(results))), None
    )
    if found is None:
        return ["Nothing has been measured yet."]
    sentences = [_about_data(found)]
    for stage, forms in _stages(found).items():
        if stage != EVALUATE:
            sentences.append(_about_stage(stage, forms))
    sentences.append(_about_protocol(found))
    seeds = sorted({seed for _, seed in results.records})
    listed = ", ".join(str(seed) for seed in seeds)
    sentences.append(
        f"Each arm was trained and judged with {len(seeds)} seed{'s' if len(seeds) > 1 else ''} ({listed}); "
        "arms are compared seed by seed."
    )
    return sentences


def arm_differences(results: Results) -> dict[str, list[Difference]]:
    """Arm to the fields in which its steps differ from the baseline's of the same seed."""
    baseline = results.arms[0].name
    found: dict[str, list[Difference]] = {}
    for arm in results.arms[1:]:
        seeds = sorted({*results.of(arm.name)} & {*results.of(baseline)})
        if not seeds:
            continue
        left = _stages(results.records[baseline, seeds[0]])
        right = _stages(results.records[arm.name, seeds[0]])
        found[arm.name] = list(_between(left, right))
    return found


def in_words(value: Any) -> str:
    """A canonical value as text; classes by their name alone."""
    if isinstance(value, Mapping):
        fields = ", ".join(f"{k}={in_words(v)}" for k, v in value.items() if k != TYPE_KEY)
        name = str(value.get(TYPE_KEY, "")).rpartition(".")[2]
        return f"{name}({fields})" if name else f"{{{fields}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"({', '.join(in_words(item) for item in value)})"
    if isinstance(value, float):
        return f"{value:g}"
    return "–" if value is None else str(value)


def _between(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[Difference]:
    for stage in dict.fromkeys([*left, *right]):
        if stage not in right:
            yield stage, "", f"{len(left[stage])} step(s)", "not there"
        elif stage not in left:
            yield (
                stage,
                "",
                "not there",
                f"{len(right[stage])} step(s): {in_words(right[stage][0]['config'])}",
            )
        else:
            one, other = left[stage][0]["config"], right[stage][0]["config"]
            for path, before, after in differences(one, other):
                yield stage, path, in_words(before), in_words(after)


def _stages(record: Record) -> dict[str, list[Mapping[str, Any]]]:
    """Stage to its steps' forms, inputs first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    seen: set[str] = set()

    def visit(address: str) -> None:
        if address in seen or address not in record.config:
            return
        seen.add(address)
        form = record.config[address]
        for below in form.get("inputs", {}).values():
            visit(below)
        found.setdefault(str(form.get("stage", "")), []).append({"config": {}, **form})

    visit(record.address)
    return found


def _about_data(record: Record) -> str:
    form = next(_datasets(record.config), {})
    name = str(form.get(TYPE_KEY, "")).rpartition(".")[2] or "the dataset"
    tasks = f"{len(record.tasks)} tasks ({', '.join(record.tasks)})"
    sizes = [form.get(size) for size in _SIZES]
    if all(isinstance(size, int) for size in sizes):
        train, held_out, test = sizes
        images = f"{train} images for training, {held_out} for validation, {test} for tests"
        return f"Data are {name} with {tasks}: {images}."
    return f"Data are {name} with {tasks}."


def _datasets(form: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(form, Mapping):
        if isinstance(form.get("dataset"), Mapping):
            yield form["dataset"]
        for below in form.values():
            yield from _datasets(below)


def _about_stage(stage: str, forms: Sequence[Mapping[str, Any]]) -> str:
    config = forms[0]["config"]
    work = _WORK.get(stage, f"the stage {stage} was run")
    many = f", {len(forms)} times" if len(forms) > 1 else ""
    details = [*_about_backbone(config), *_about_optimisation(config)]
    if isinstance(config.get("batch_size"), int):
        details.append(f"batches of {config['batch_size']}")
    elif isinstance(config.get("recipe"), Mapping) and "batch_size" in config["recipe"]:
        details.append(f"batches of {config['recipe']['batch_size']}")
    if isinstance(config.get("preferences_per_step"), int):
        text = f"{config['preferences_per_step']} preferences a step"
        if "concentration" in config:
            text += f" from a Dirichlet distribution of concentration {in_words(config['concentration'])}"
        details.append(text)
    if "num_instances" in config:
        details.append(f"{config['num_instances']} images")
    for name, word in (("active_weight", "weight of L_active"), ("inactive_weight", "weight of L_inactive")):
        if name in config:
            details.append(f"{word} {in_words(config[name])}")
    sentence = f"{work}{many}" + (f": {', '.join(details)}." if details else ".")
    return sentence[0].upper() + sentence[1:]


def _about_backbone(config: Mapping[str, Any]) -> Iterator[str]:
    recipe = config.get("recipe")
    backbone = config.get("backbone") or (recipe.get("backbone") if isinstance(recipe, Mapping) else None)
    if isinstance(backbone, Mapping):
        yield str(backbone.get(TYPE_KEY, "")).rpartition(".")[2]


def _about_optimisation(config: Mapping[str, Any]) -> Iterator[str]:
    recipe = config.get("recipe")
    form = config.get("optimisation") or (recipe.get("optimisation") if isinstance(recipe, Mapping) else None)
    if isinstance(form, Mapping) and "num_steps" in form:
        yield (
            f"{form['num_steps']} steps of {form.get('optimiser', 'the optimiser')}, learning rate "
            f"{in_words(form.get('learning_rate'))} ({form.get('schedule', 'constant')} schedule)"
        )


def _about_protocol(record: Record) -> str:
    protocol = protocol_of(record)
    corner = ", ".join(f"{x:g}" for x in record.reference_point)
    resources = [p.resource_preference for p in record.points if p.resource_preference is not None]
    count = len(record.points[0].preferences) if record.points else 0
    at = f" and resource preferences c = {', '.join(f'{c:g}' for c in resources)}" if resources else ""
    cost = protocol.get("num_cost_preferences")
    mean = f"; cost is a mean over {cost} preferences" if cost else ""
    return (
        f"Every method was judged on the test split at {count} task preferences, uniform on the simplex{at}; "
        f"the hypervolume of losses is measured below ({corner}){mean}."
    )


def _baseline_first(results: Results) -> Any:
    order = [arm.name for arm in results.arms]
    return lambda cell: (order.index(cell[0]), cell[1])
