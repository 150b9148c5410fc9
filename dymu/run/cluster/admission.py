"""How many chains may run at once: what they take is booked on the nodes before they start.

Ray alone would start a process for every chain and let those wait whose workers do not fit. Groups of workers
are placed as a whole, so a chain that does not fit yet also keeps smaller ones behind it from starting: large
groups do not starve.
"""

from collections.abc import Mapping, Sequence

from dymu.run.place import Place
from dymu.run.plan import Chain
from dymu.run.resources import GIB, Resources

DRIVER_MEMORY = GIB // 2  # of a trial that only starts workers and waits for them


def has_workers(chain: Chain, place: Place) -> bool:
    """Whether some step of a chain runs in a group of workers."""
    return any(place.resources_of(step.stage).workers > 0 for step in chain.steps)


def trial_bundle(chain: Chain, place: Place) -> Mapping[str, float]:
    """What the trial of a chain itself holds, under Ray's names.

    A trial that starts groups of workers holds no CPU or GPU while it waits for them.
    """
    if has_workers(chain, place):
        return {"memory": float(DRIVER_MEMORY)}
    return largest(chain, place).bundle


def largest(chain: Chain, place: Place) -> Resources:
    """What a chain takes at its largest step; its steps run one after another."""
    needs = [place.resources_of(step.stage) for step in chain.steps]
    if has_workers(chain, place):
        return max(needs, key=lambda n: tuple(n.processes * x for x in (n.gpus, n.cpus, n.memory)))
    return Resources(
        cpus=max(need.cpus for need in needs),
        gpus=max(need.gpus for need in needs),
        memory=max(need.memory for need in needs),
    )


class Admission:
    """Books chains on nodes.

    One chain more than fits may be let in ahead, if it holds what it takes in its own process: Tune then
    starts it in the process of the chain that ends next, which has its imports done.

    Args:
        nodes: Per node its resources under Ray's names.
        limit: Most chains at once; ``None`` for as many as fit.
    """

    def __init__(self, nodes: Sequence[Mapping[str, float]], *, limit: int | None = None) -> None:
        self._free = [dict(node) for node in nodes]
        self._limit = limit
        self._booked: dict[str, tuple[Resources, list[int]]] = {}
        self._ahead: str | None = None

    def admit(self, name: str, need: Resources, *, ahead: bool = False) -> bool:
        """Book a chain if it fits now; a single one always, as Ray's view of the nodes may be newer.

        Args:
            name: Of the chain.
            need: What it takes.
            ahead: Whether it may be let in before there is room.
        """
        if self._limit is not None and len(self._booked) >= self._limit:
            return False
        places = self._places(need)
        if len(places) < need.processes and self._booked:
            if not ahead or self._ahead is not None or self._limit is not None:
                return False
            self._ahead, places = name, []
        self._book(name, need, places)
        return True

    def release(self, name: str) -> None:
        """Give back what a chain held."""
        need, places = self._booked.pop(name)
        for place in places:
            self._add(place, need, 1)
        if self._ahead == name:
            self._ahead = None
        elif self._ahead is not None:
            waiting = self._booked[self._ahead][0]
            if len(found := self._places(waiting)) == waiting.processes:
                self._book(self._ahead, waiting, found)
                self._ahead = None

    def _book(self, name: str, need: Resources, places: list[int]) -> None:
        for place in places:
            self._add(place, need, -1)
        self._booked[name] = (need, places)

    def _places(self, need: Resources) -> list[int]:
        """Index of a node for each process; fewer than processes if they do not all fit."""
        places: list[int] = []
        for index, node in enumerate(self._free):
            free = dict(node)
            while len(places) < need.processes and all(
                free.get(name, 0.0) >= amount for name, amount in need.bundle.items()
            ):
                places.append(index)
                for name, amount in need.bundle.items():
                    free[name] -= amount
        return places

    def _add(self, place: int, need: Resources, sign: int) -> None:
        for name, amount in need.bundle.items():
            self._free[place][name] = self._free[place].get(name, 0.0) + sign * amount
