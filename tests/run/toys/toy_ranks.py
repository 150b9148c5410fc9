"""Two ranks as processes, without Ray: what each does is in its argument, how each ended is on its output.

``python toy_ranks.py RANK PORT STORE TOKEN LOT LOT``, where a lot is what befalls a rank.
"""

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import TrainingError
from dymu.run.cluster import workers
from dymu.run.cluster.cargo import Cargo, Work
from dymu.run.place import Place
from dymu.run.provenance import CodeVersion
from dymu.stages.context import Interrupted, RunContext, Superseded
from dymu.stages.world import World


def befall(step: Step, context: RunContext) -> None:
    """One exchange, then what the config says for this rank, then another exchange."""
    context.world.sum(torch.ones(1))
    match step.config["lots"][context.world.rank]:
        case "data":
            raise TrainingError("the loss is not finite")
        case "shape":
            raise RuntimeError("mat1 and mat2 cannot be multiplied")
        case "memory":
            raise torch.OutOfMemoryError("out of memory")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            raise Interrupted(step.address)
        case "fence":
            raise Superseded(step.address)
    context.world.sum(torch.ones(1))
    (context.out_dir / "result.txt").write_text("done")


def the_step(lots: list[str]) -> Step:
    """The step of these lots."""
    return Step(stage="toy", revision=1, config={"lots": tuple(lots)}, run=befall)


def main() -> None:
    """Be one rank."""
    rank, port, folder, token, *lots = sys.argv[1:]
    workers._TOGETHER_S = 5.0
    distributed.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=int(rank),
        world_size=2,
        timeout=timedelta(seconds=60),
    )
    place = Place(code=CodeVersion(revision=None, dirty=None, lock=None))
    cargo = Cargo(place=place, location=folder, stop="stop/1", scratch="", owned=True)
    work = Work(step=the_step(lots), token=token, cargo=cargo)
    try:
        sys.stdout.write(f"ended {workers.run_rank(work, Store(Path(folder)), World.of_process_group())}\n")
    except Exception as error:  # noqa: BLE001 - Train would start the group anew
        sys.stdout.write(f"raised {type(error).__name__}\n")


if __name__ == "__main__":
    main()
