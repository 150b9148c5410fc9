"""Why two addresses differ: the fields that do, found through the inputs."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dymu.artifacts.fingerprint import differences
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.errors import CorruptArtifactError, StoreError

Form = Mapping[str, Any]
INPUTS = "inputs"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field in which two steps differ.

    Attributes:
        path: For instance ``inputs.edge.config.active_threshold``: through the roles of inputs to a field.
        left: JSON value in the first step; ``None`` also where the field is absent.
        right: JSON value in the second step.
        addresses: The two steps that have the field.
    """

    path: str
    left: Any
    right: Any
    addresses: tuple[str, str]

    @property
    def text(self) -> str:
        """For instance ``inputs.edge.config.active_threshold: 0.2 -> 0.3``."""
        return f"{self.path}: {json.dumps(self.left)} -> {json.dumps(self.right)}"


def explain(
    source: Store | Mapping[str, Form], left: str, right: str, *, planned: Mapping[str, Form] | None = None
) -> list[Difference]:
    """Fields in which two steps and their inputs differ; empty only if the addresses are equal.

    An input is compared field by field where both sides have one under the same role; where only one side
    has it, or a form is not known, its address is the difference. A pair of inputs that is reached twice is
    told once, at the shorter path.

    Args:
        source: A store, whose artifacts hold ``step.json``, or forms (``Step.form``) by address.
        left: First address.
        right: Second address.
        planned: Forms of steps that need not be published yet.

    Raises:
        StoreError: If there is no form for one of the two addresses.
    """
    known = dict(planned or {}) if isinstance(source, Store) else {**source, **(planned or {})}

    def form_of(address: str) -> Form | None:
        if address not in known and isinstance(source, Store):
            found = stored_form(source, address)
            if found is not None:
                known[address] = found
        return known.get(address)

    for address in (left, right):
        if form_of(address) is None:
            raise StoreError(
                f"nothing is known of {address}: it is neither published nor in the plan. "
                "`dymu cache ls` lists what is published."
            )
    return _explain(form_of, left, right)


def explain_steps(left: Step, right: Step) -> list[Difference]:
    """Fields in which two planned steps and their inputs differ."""
    forms = {step.address: step.form for start in (left, right) for step in start.closure()}
    return explain(forms, left.address, right.address)


def stored_form(store: Store, address: str) -> Form | None:
    """What the address of a published or started step is made of, or ``None`` if the store does not say.

    Raises:
        CorruptArtifactError: If ``step.json`` is there but cannot be read.
    """
    if store.has(address):
        attempt = store.done(address)
        if STEP not in attempt["files"]:
            return None
        where = store.where("artifacts", address, f"{attempt['attempt']}/{STEP}")
        return _form_in(lambda: store.read(address, STEP), address, where, "Run `dymu cache verify`.")
    path = store.look_work(address) / STEP
    if not path.exists():
        return None
    advice = f"Remove {store.where('work', address)} to start that step anew."
    return _form_in(path.read_bytes, address, store.where("work", address, STEP), advice)


def _form_in(read: Callable[[], bytes], address: str, where: str, advice: str) -> Form:
    try:
        form: Form = json.loads(read())
        complete = {"stage", "revision", "config", INPUTS, "seed"} <= form.keys()
    except (OSError, StoreError, ValueError, AttributeError) as error:
        raise CorruptArtifactError(f"{where} of {address} cannot be read ({error!r}). {advice}") from error
    if not complete:
        raise CorruptArtifactError(f"{where} of {address} is no step. {advice}")
    return form


def _explain(form_of: Callable[[str], Form | None], left: str, right: str) -> list[Difference]:
    found: list[Difference] = []
    waiting = deque([("", left, right)])
    seen = set()
    while waiting:
        path, a, b = waiting.popleft()
        if a == b or (a, b) in seen:
            continue
        seen.add((a, b))
        left_form, right_form = form_of(a), form_of(b)
        if left_form is None or right_form is None:
            found.append(Difference(path=path.rstrip("."), left=a, right=b, addresses=(a, b)))
            continue
        own_left, own_right = (
            {k: v for k, v in form.items() if k != INPUTS} for form in (left_form, right_form)
        )
        found += [
            Difference(path=path + field, left=x, right=y, addresses=(a, b))
            for field, x, y in differences(own_left, own_right)
        ]
        for role in sorted({*left_form[INPUTS], *right_form[INPUTS]}):
            x, y = left_form[INPUTS].get(role), right_form[INPUTS].get(role)
            below = f"{path}{INPUTS}.{role}"
            if x is None or y is None:
                found.append(Difference(path=below, left=x, right=y, addresses=(a, b)))
            else:
                waiting.append((below + ".", x, y))
    return found
