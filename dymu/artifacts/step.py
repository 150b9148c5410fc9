"""A step: one piece of work with an address.

The address is ``<stage>/<digest>`` over the stage's name and revision, the frozen config and the
addresses of the inputs. Where and how the step runs is not part of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dymu.artifacts.fingerprint import canonical, digest_of_form
from dymu.errors import SpecError


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One stage with its config and inputs.

    Attributes:
        stage: Name of the stage, the first part of the address.
        revision: Raised by hand when the meaning of the stage's code changes.
        config: Frozen config of the stage.
        inputs: Steps whose artifacts this one reads, by role.
        run: Module-level function ``(step, context) -> None`` that does the work and writes its files
            below ``context.out_dir``.
        seed: Seed of the stage's own draws; ``None`` for a stage that draws nothing.
        parts: Steps that do this step's work in pieces. Where all of them are published, this one puts them
            together to the same bytes. No part of the address.
    """

    stage: str
    revision: int
    config: Any
    run: Callable[..., None]
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    seed: int | None = None
    parts: tuple["Step", ...] = ()

    def __post_init__(self) -> None:
        if "<locals>" in self.run.__qualname__ or self.run.__name__ == "<lambda>":
            raise SpecError(f"step {self.stage}: run must be a module-level function, to travel to a worker.")

    @cached_property
    def form(self) -> Mapping[str, Any]:
        """What the address is made of, as a JSON value."""
        return {
            "stage": self.stage,
            "revision": self.revision,
            "config": canonical(self.config),
            "inputs": {role: step.address for role, step in sorted(self.inputs.items())},
            "seed": self.seed,
        }

    @cached_property
    def address(self) -> str:
        """``<stage>/<digest>``."""
        return f"{self.stage}/{digest_of_form(self.form)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def closure(self) -> Iterator["Step"]:
        """This step and all that it depends on, inputs first, each once."""
        seen: dict[str, Step] = {}

        def visit(step: Step) -> None:
            if step.address not in seen:
                for below in step.inputs.values():
                    visit(below)
                seen[step.address] = step

        visit(self)
        yield from seen.values()
