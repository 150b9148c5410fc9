"""Kills parts of a running system again and again, and looks each time whether anything was lost."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.cluster.harness import checks
from tests.cluster.harness.account import Verdict, form, summary, table
from tests.cluster.harness.disturbed import Course, Disturbed, course_of
from tests.cluster.harness.machines import Cluster
from tests.cluster.harness.places import Places, new_places
from tests.cluster.harness.processes import wait_until
from tests.cluster.harness.sabotage import Sabotage
from tests.cluster.harness.schedule import DAMAGES, KILLS, Blow, again, schedule
from tests.cluster.harness.tracking import Told, TrackingServer
from tests.cluster.toys.small_digits import STEPS

PER_STUDY = 5
CADENCE = 20  # training steps between checkpoints
TARGET = "small_digits:ours"
TWIN = "small_digits:twin"
_SETTLE_S = 60.0


class Campaign:
    """A cluster, a tracking server, an undisturbed reference, and disturbed studies.

    Args:
        places: Where it lies.
        workers: W, the size of the worker groups; 0 trains in the process of the trial.
        options: Further words for ``dymu run``.
        skew_s: By how much the clocks of the nodes are wrong.
    """

    def __init__(self, places: Places, *, workers: int, options: Sequence[str] = (), skew_s: int = 0) -> None:
        self.places = places
        self.reference: checks.Files = {}
        self.verdicts: list[Verdict] = []
        self.cluster = Cluster(places, nodes=max(2, workers), skew_s=skew_s)
        self._options = (f"--workers={workers}", f"--checkpoint-steps={CADENCE}", *options)
        self._server = TrackingServer(places)

    def start(self) -> None:
        """Start what runs for the whole campaign."""
        self._server.start(wait=False)
        self.cluster.start()
        self._server.wait()

    def end(self) -> None:
        """End all that was started."""
        self.cluster.end()
        self._server.kill()

    def twins(self) -> list[str]:
        """Two commands at once for two studies that share all steps but the last two; what was wrong."""
        first, second = self.course(), self.course()
        second.name, second.log = f"{first.name}-twin", first.log.with_name(f"{first.name}-twin.log")
        with ThreadPoolExecutor() as both:
            begun = [self.begin(first), self.begin(second, TWIN)]
            for going in [both.submit(each.go) for each in begun]:
                going.result()
        wrong = [*self.judge(first).problems, *self.judge(second, compare=False).problems]
        for course in (first, second):
            wrong += [f"{course.name} ended with {course.codes}"] if course.codes != [0] else []
        wrong += [f"{a} was trained {len(n)} times" for a, n in first.attempts.items() if len(n) != 1]
        return wrong

    def study(self, blows: Sequence[Blow] = ()) -> Verdict:
        """Run a study in a store of its own; the first is the reference."""
        course = self.course(own_disk=any(blow.kind in ("full", "readonly") for blow in blows))
        with ExitStack() as undo:
            if course.disk is not None:
                course.disk.mount()
                undo.callback(course.disk.unmount)
            self.begin(course).go(blows)
            return self.judge(course)

    def course(self, *, own_disk: bool = False) -> Course:
        """The next study."""
        return course_of(self.places, f"chaos-{len(self.verdicts)}", own_disk=own_disk)

    def begin(self, course: Course, target: str = TARGET) -> Disturbed:
        """Give the command of a study."""
        sabotage = Sabotage(self.cluster, self._server, course.store, course.disk)
        return Disturbed(self.places, course, sabotage, target=target, options=self._options, steps=STEPS)

    def judge(self, course: Course, *, compare: bool = True) -> Verdict:
        """Look at everything that a study has left; ``compare`` with the reference, too."""
        course.attempts |= checks.accounts(course.store)
        found = checks.contents(course.store, course.name)
        if not self.verdicts:
            self.reference = found
        wrong = checks.differences(found, self.reference) if compare else []
        self._server.wait()
        told = Told(self.places.tracking_uri, course.name)
        problems = [
            *wrong,
            *checks.checksums(course.store),
            *checks.remains(course.store),
            *checks.repetitions(course.attempts, CADENCE),
            *checks.tracking(told, course.store, course.name),
            *self._left_behind(),
        ]
        verdict = Verdict(course=course, identical=not wrong, problems=problems)
        self.verdicts.append(verdict)
        return verdict

    def _left_behind(self) -> list[str]:
        """Processes, placement groups and CPUs that are not given back within a minute."""
        try:
            wait_until(lambda: not self.cluster.left_behind(), "", patience_s=_SETTLE_S)
        except TimeoutError:
            return [f"left behind: {', '.join(self.cluster.left_behind())}"]
        told: dict[str, Any] = {}

        def clean() -> bool:
            told.update(self.cluster.look())
            return not told["placement_groups"] and told["free_cpus"] == told["cpus"]

        try:
            wait_until(clean, "", patience_s=_SETTLE_S)
        except TimeoutError:
            return [f"not given back: {told}"]
        return []


def run_campaign(campaign: Campaign, studies: Sequence[list[Blow]]) -> None:
    """The reference, then the studies; a blow whose moment did not come is dealt in a further study."""
    _say("undisturbed reference")
    _tell(campaign.study())
    waiting = list(studies)
    while waiting:
        blows = waiting.pop(0)
        _say(f"{', '.join(blow.kind for blow in blows)}")
        verdict = campaign.study(blows)
        _tell(verdict)
        if verdict.course.missed:
            waiting.append(again(verdict.course.missed, seed=len(campaign.verdicts)))


def main(words: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if anything was lost."""
    given = _parse(words)
    kinds = tuple(given.targets.split(","))
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started ends
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))
    places = new_places(folder, gcs_patience_s=given.gcs_patience)
    campaign = Campaign(places, workers=given.workers, options=given.option, skew_s=given.skew)
    blows = schedule(blows=given.kills, per_study=given.per_study, seed=given.seed, kinds=kinds)
    with ExitStack() as undo:
        if not given.keep:
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        undo.callback(campaign.end)
        campaign.start()
        try:
            run_campaign(campaign, list(blows))
        finally:
            sys.stdout.write(f"{table(campaign.verdicts)}\n{summary(campaign.verdicts)}")
            if given.json:
                given.json.write_text(
                    json.dumps(form(campaign.verdicts, campaign.reference), indent=1) + "\n", encoding="utf-8"
                )
    problems = [problem for verdict in campaign.verdicts for problem in verdict.problems]
    hits = sum(len(verdict.course.hits) for verdict in campaign.verdicts)
    kept = f"; {folder}" if given.keep else ""
    _say(f"{hits} blows, {len(problems)} problems, {time.monotonic() - began:.0f} s{kept}")
    return 1 if problems else 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos.py", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how many blows in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="W, the size of the worker groups")
    parser.add_argument("--per-study", type=int, default=PER_STUDY, help="most in one study")
    parser.add_argument(
        "--targets", help=f"comma separated, of {', '.join((*KILLS, *DAMAGES))}; all kills by default"
    )
    parser.add_argument("--gcs-patience", type=int, default=15, help="seconds until a lost head is given up")
    parser.add_argument("--skew", type=int, default=0, help="seconds by which the nodes' clocks are wrong")
    parser.add_argument("--json", type=Path, help="file for all that was found")
    parser.add_argument("--keep", action="store_true", help="keep the folder with stores and logs")
    parser.add_argument("option", nargs="*", help="further words for dymu run, behind --")
    given = parser.parse_args(words)
    possible = KILLS if given.workers else KILLS[1:]
    given.targets = given.targets or ",".join(possible)
    unknown = set(given.targets.split(",")) - {*possible, *DAMAGES}
    if unknown:
        parser.error(
            f"--targets has {', '.join(sorted(unknown))}; there is {', '.join((*possible, *DAMAGES))}"
        )
    return given


def _tell(verdict: Verdict) -> None:
    course = verdict.course
    _say(
        f"  {course.name}: {course.seconds:.0f} s, exit codes {course.codes}, identical: {verdict.identical}"
    )
    for problem in verdict.problems[:20]:
        _say(f"  PROBLEM {problem}")


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")
