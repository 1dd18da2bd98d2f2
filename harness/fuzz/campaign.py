"""A campaign: hypothesis makes requests, the reference answers once, every port must give the same answer.

The same seed makes the same requests in the same order, however fast the ports are. What fails is shrunk,
tried on a fresh process, and saved in the cache; that port is then not asked that verb again. With `keep` it
becomes a case of the suite, if the suite does not see the mistake already. What fails only after other
requests, or where the input ends, is no case: the conversation is kept in the cache.

    campaign(["c", "go"], Course(seconds=60)) -> result, as JSON has it

A round asks every verb in batches; each batch is one run of hypothesis with a seed of its own. Not here: what
requests look like (`requests.py`, `damage.py`) and what a finding looks like (`report.py`).
"""

from __future__ import annotations

import hashlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from unittest import SkipTest

import msgspec
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as seeded
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from conformance.messages import Request, golden_of
from conformance.verbs import NAMES, verb_of
from harness import paths
from harness.build import manifest, runners
from harness.errors import ConformError, ManifestError
from harness.explain.trace import Finding, trace
from harness.fuzz import found
from harness.fuzz.damage import bad, cut_off
from harness.fuzz.found import Entry
from harness.fuzz.requests import good
from harness.fuzz.shrink import shrunk
from harness.fuzz.target import Failing, Target, failing_of
from harness.judge.climb import FAULTS
from harness.report.making import case_of, finding_of
from harness.run.limits import Limits
from harness.run.session import Session

Kind = Literal["good", "bad"]
KINDS: tuple[Kind, ...] = ("good", "bad")
LIMITS = Limits(request=20.0)
"""Requests are small: a port that needs longer hangs."""
SHRINK_SECONDS = 60.0
MOST_KEPT = 3  # cases that a campaign adds to the suite
CUT_OFF_A_ROUND = 3  # requests that the input ends within: each ends a process


class _Drawn(list[Request]):
    """What hypothesis draws. It likes to show it, and a large request takes it long."""

    def __repr__(self) -> str:
        return f"{len(self)} requests"


class _Disagreement(Exception):
    """Told to hypothesis, which then looks for a smaller request that raises it too."""


class _Over(SkipTest):
    """The campaign has come to its end. Hypothesis lets a skipped test pass at once, and so this."""


class _Broken(SkipTest):
    """This machine is at fault, which no smaller request would mend."""

    def __init__(self, fault: ConformError) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _ShrunkEnough(SkipTest):
    """No more time is spent on making a finding smaller."""


@dataclass(frozen=True)
class Course:
    """What a campaign asks, and when it ends: after `seconds`, after `count` requests, or on Ctrl-C.

    keep: findings that are new to the suite become cases of it, at most MOST_KEPT.
    """

    seed: int = 0
    kinds: Sequence[Kind] = KINDS
    verbs: Sequence[str] = NAMES
    seconds: float | None = None
    count: int | None = None
    keep: bool = False


@dataclass(frozen=True)
class Place:
    """Where ports come from and run, and where cases that are kept go; the suite's own folder if None."""

    runner: str = "docker"
    limits: Limits = LIMITS
    load: Callable[[str], manifest.Manifest] = manifest.load
    found_folder: Path | None = None


class Campaign:
    """Asks targets until it is told to end. `listener` is called with this campaign after each request."""

    def __init__(
        self,
        targets: Sequence[Target],
        course: Course,
        found_folder: Path | None = None,
        listener: Callable[[Campaign], None] = lambda campaign: None,
    ) -> None:
        self.asked: Counter[tuple[str, Kind]] = Counter()
        self.tried_again = 0
        self.found: list[Entry] = []
        self.ended = "interrupted"
        self.elapsed = 0.0
        self._targets = targets
        self._course = course
        self._found_folder = found_folder or found.folder()
        self._examples_folder = paths.cache_dir() / "fuzz" / "examples"
        self._listener = listener
        self._spoilt: set[tuple[str, str]] = set()  # port and verb: it has failed, and is not asked again
        self._failing: Failing | None = None
        self._shrinking_ends = 0.0
        self._repeating = False
        self._seen: dict[
            tuple[str, Kind, str], str
        ] = {}  # a case of the suite that fails already, "" for none

    @property
    def requests(self) -> int:
        return self.asked.total()

    def run(self) -> None:
        """Ask to the end. Ctrl-C ends it early, with nothing lost. Raises MachineFault."""
        self._began = time.monotonic()
        self._pool = ThreadPoolExecutor(max_workers=len(self._targets))
        try:
            self._try_again()
            for round_number in itertools.count():
                if not self._round(round_number):
                    self.ended = "every port has failed at every verb"
                    return
        except _Over:
            self.ended = "time" if self._course.count is None else "count"
        except _Broken as broken:
            raise broken.fault from None
        except KeyboardInterrupt:
            self.ended = "interrupted"
        finally:
            self.elapsed = time.monotonic() - self._began
            for target in self._targets:
                target.session.kill()
            self._pool.shutdown()

    def _try_again(self) -> None:
        """First of all, what failed in former campaigns."""
        self._repeating = True
        for kind, verb in self._batches():
            if (self._examples_folder / kind / verb).is_dir():
                self._batch(kind, verb, self._course.seed, 1000, (Phase.reuse, Phase.shrink))
        self._repeating = False

    def _round(self, number: int) -> bool:
        """One batch for each kind and verb; false if nobody is left to be asked."""
        asked = [
            self._batch(kind, verb, self._seed_of(number, kind, verb), verb_of(verb).a_round)
            for kind, verb in self._batches()
        ]
        if "bad" in self._course.kinds:
            verb = self._course.verbs[number % len(self._course.verbs)]
            self._batch("bad", verb, self._seed_of(number), CUT_OFF_A_ROUND, strategy=cut_off(verb))
        return any(asked)

    def _batches(self) -> Iterator[tuple[Kind, str]]:
        return ((kind, verb) for verb in self._course.verbs for kind in self._course.kinds)

    def _seed_of(self, *parts: object) -> int:
        digest = hashlib.sha256(repr((self._course.seed, *parts)).encode()).digest()
        return int.from_bytes(digest[:8], "big")

    def _batch(
        self,
        kind: Kind,
        verb: str,
        seed: int,
        examples: int,
        phases: Sequence[Phase] = (Phase.generate, Phase.shrink),
        strategy: SearchStrategy[list[Request]] | None = None,
    ) -> bool:
        """One run of hypothesis; false if no target is to be asked this verb.

        A strategy other than the usual one for the kind and the verb is not tried again another time.
        """
        targets = [t for t in self._targets if verb in t.verbs and (t.name, verb) not in self._spoilt]
        if not targets:
            return False
        self._failing = None
        database = DirectoryBasedExampleDatabase(self._examples_folder / kind / verb)

        @settings(
            max_examples=examples,
            database=database if strategy is None else None,
            phases=phases,
            deadline=None,
            derandomize=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            print_blob=False,
        )
        @seeded(seed)  # below the settings, whose database it would take away
        @given((usual(kind, verb) if strategy is None else strategy).map(_Drawn))
        def agree(requests: _Drawn) -> None:
            self._check_end()
            try:
                for request in requests:
                    self._ask(targets, request)
            except ConformError as fault:
                raise _Broken(fault) from None
            if self._failing is None:
                self._count_one(verb, kind)

        try:
            agree()
        except (_Over, _Broken):
            raise
        except (_Disagreement, _ShrunkEnough, Flaky, SkipTest):
            pass  # skipped: there was nothing to try again
        finally:
            if self._failing is not None:
                self._keep(self._failing, kind, verb)
        return True

    def _check_end(self) -> None:
        now = time.monotonic()
        if self._failing is not None:
            if now > self._shrinking_ends:
                raise _ShrunkEnough("enough")
            return
        if self._course.seconds is not None and now - self._began >= self._course.seconds:
            raise _Over("over")
        if self._course.count is not None and self.requests >= self._course.count:
            raise _Over("over")

    def _count_one(self, verb: str, kind: Kind) -> None:
        if self._repeating:
            self.tried_again += 1
        else:
            self.asked[verb, kind] += 1
        self.elapsed = time.monotonic() - self._began
        self._listener(self)

    def _ask(self, targets: Sequence[Target], request: Request) -> None:
        """Ask every target, or the failing one alone while its request is made smaller."""
        golden = golden_of(request)
        before = self._failing
        if before is not None:
            targets = [before.target]
        able = [t for t in targets if request.verb in t.verbs or request.verb not in NAMES]
        for failing in list(self._pool.map(lambda target: failing_of(target, request, golden), able)):
            if failing is None:
                continue
            if before is None:
                self._shrinking_ends = time.monotonic() + SHRINK_SECONDS
            self._failing = failing
            raise _Disagreement

    def _keep(self, failing: Failing, kind: Kind, verb: str) -> None:
        """Try what was found on a fresh process, save it, and ask that port no more of this verb."""
        target, conversation = failing.target, b"".join(failing.target.recent)
        self._spoilt.add((target.name, verb))
        target.afresh()
        repeats = failing_of(target, failing.request, golden_of(failing.request)) is not None
        if repeats and kind == "good":
            failing = self._simplest(failing)
        seen = ""
        if repeats and not failing.request.ends_input:
            folder, seen = self._folder_for(target, kind, verb)
            case = found.save(verb, failing.request.data(), folder)
            failing = failing_of(target, case.request, case.golden) or failing
        else:
            case = found.keep_conversation(target.name, verb, conversation)
        finding = self._trace(failing)
        self.found.append(
            {
                "port": target.name,
                "kind": kind,
                "verb": verb,
                "level": case.level.number,
                "case": case.id,
                "path": paths.shown(case.path),
                "saved": case.path.parent == self._found_folder,
                "repeats": repeats,
                "seen": seen,
                "request": failing.request.data().decode("latin-1"),
                "golden": golden_of(failing.request).text(),
                "failure": msgspec.to_builtins(case_of(failing.result(case))),
                "finding": msgspec.to_builtins(finding_of(finding)) if finding else None,
            }
        )
        self._failing = None

    def _folder_for(self, target: Target, kind: Kind, verb: str) -> tuple[Path, str]:
        """Where a finding goes, and the case of the suite that shows the port to be wrong already, if any.

        A port that the suite sees through tells nothing new about the suite.
        """
        if not self._course.keep or sum(entry["saved"] for entry in self.found) >= MOST_KEPT:
            return found.unkept(), ""
        key = (target.name, kind, verb)
        if key not in self._seen:
            self._seen[key] = self._seen_by(target, kind, verb)
        return (found.unkept() if self._seen[key] else self._found_folder), self._seen[key]

    def _seen_by(self, target: Target, kind: Kind, verb: str) -> str:
        """The first case of the suite that this port does not answer as it should, "" for none."""
        level = found.level_of(verb)
        cases = level.cases if kind == "good" else level.robust_cases
        for case in cases:
            if not (case.long or case.large) and failing_of(target, case.request, case.golden) is not None:
                return case.id
        return ""

    def _simplest(self, failing: Failing) -> Failing:
        def fails(request: Request) -> bool:
            nonlocal failing
            self._check_end()
            golden = golden_of(request)
            again = failing_of(failing.target, request, golden) if golden.ok else None
            failing = again or failing
            return again is not None

        with suppress(_ShrunkEnough):
            shrunk(failing.request, fails)
        return failing

    def _trace(self, failing: Failing) -> Finding | None:
        if failing.comparison is None or failing.comparison.first is None:
            return None
        try:
            return trace(failing.target.session, failing.request, failing.comparison.first)
        except ConformError as fault:
            if fault.outcome not in FAULTS:
                raise
            return None

    def result(self) -> Entry:
        """What it came to, as JSON has it. The same seed and count make the same requests again."""
        verbs: dict[str, dict[str, int]] = {}
        for (verb, kind), number in sorted(self.asked.items()):
            verbs.setdefault(verb, {})[kind] = number
        return {
            "ports": [target.name for target in self._targets],
            "kinds": list(self._course.kinds),
            "seed": self._course.seed,
            "requests": self.requests,
            "tried_again": self.tried_again,
            "seconds": round(self.elapsed, 1),
            "ended": self.ended,
            "verbs": {verb: verbs[verb] for verb in NAMES if verb in verbs},
            "found": self.found,
        }


def usual(kind: Kind, verb: str) -> SearchStrategy[list[Request]]:
    return good(verb).map(lambda request: [request]) if kind == "good" else bad(verb)


def campaign(
    ports: Sequence[str],
    course: Course,
    place: Place = Place(),  # noqa: B008 - it cannot be changed
    on_line: Callable[[str], None] = lambda line: None,
    listener: Callable[[Campaign], None] = lambda campaign: None,
) -> Entry:
    """Build the ports, fuzz them all with the same requests, and say what came of it, as JSON has it.

    `on_line` is given the lines of the builds. Raises ManifestError, BuildFailed, LimitExceeded and
    MachineFault.
    """
    if (course.seconds is None) == (course.count is None):
        raise ValueError("a campaign ends after some seconds or after a count of requests: give one of them")
    with ExitStack() as stack:
        targets = []
        for name in ports:
            loaded = place.load(name)
            if loaded.agreement != "bit" and "good" in course.kinds:
                raise ManifestError(
                    f"{name} does not claim bits (agreement: {loaded.agreement}), and fuzzing compares bits",
                    hint="--kind bad asks only what must be answered with an error",
                )
            where = runners.runner(place.runner, place.limits)
            where.prepare(loaded, on_line)
            session = Session(where.launch, replace(loaded.limits(place.limits), run=math.inf))
            stack.callback(session.kill)
            targets.append(Target(name, session, NAMES[: loaded.level]))
        fuzzed = Campaign(targets, course, place.found_folder, listener)
        fuzzed.run()
    only = [] if set(course.verbs) == set(NAMES) else list(course.verbs)
    return {**fuzzed.result(), "runner": place.runner, "only_verbs": only}
