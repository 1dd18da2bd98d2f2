"""A campaign: hypothesis makes requests, the reference answers once, every port must give the same answer.

The same seed makes the same requests in the same order, however fast the ports are. What fails is shrunk,
tried on a fresh process, and saved; that port is then not asked that verb again. What fails only after other
requests, or where the input ends, is no case of the ladder: the conversation is kept in the cache.

    campaign(["c", "go"], seconds=60) -> result, as JSON has it

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
from dataclasses import replace
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
CUT_OFF_A_ROUND = 3  # requests that the input ends within: each ends a process


class _Drawn(list[Request]):
    """What hypothesis draws. It likes to show it, and a large request takes it long."""

    def __repr__(self) -> str:
        return f"{len(self)} requests"


class _Disagreement(Exception):
    """Told to hypothesis, which then looks for a smaller request that raises it too."""


class _Over(KeyboardInterrupt):
    """The campaign has come to its end. Hypothesis lets a Ctrl-C pass as it is, and so this."""


class _Broken(KeyboardInterrupt):
    """This machine is at fault, which no smaller request would mend."""

    def __init__(self, fault: ConformError) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _ShrunkEnough(KeyboardInterrupt):
    """No more time is spent on making a finding smaller."""


class Campaign:
    """Asks targets until it is told to end. `listener` is called with this campaign after each request."""

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        seed: int,
        kinds: Sequence[Kind] = KINDS,
        verbs: Sequence[str] = NAMES,
        seconds: float | None = None,
        count: int | None = None,
        found_folder: Path | None = None,
        examples_folder: Path | None = None,
        listener: Callable[[Campaign], None] = lambda campaign: None,
    ) -> None:
        self.asked: Counter[tuple[str, Kind]] = Counter()
        self.tried_again = 0
        self.found: list[Entry] = []
        self.ended = "interrupted"
        self.elapsed = 0.0
        self._targets = targets
        self._seed, self._kinds, self._verbs = seed, kinds, verbs
        self._seconds, self._count = seconds, count
        self._found_folder = found_folder or found.folder()
        self._examples_folder = examples_folder or paths.cache_dir() / "fuzz" / "examples"
        self._listener = listener
        self._spoilt: set[tuple[str, str]] = set()  # port and verb: it has failed, and is not asked again
        self._failing: Failing | None = None
        self._shrinking_ends = 0.0
        self._repeating = False

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
            self.ended = "time" if self._count is None else "count"
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
                self._batch(kind, verb, self._seed, 1000, (Phase.reuse, Phase.shrink))
        self._repeating = False

    def _round(self, number: int) -> bool:
        """One batch for each kind and verb; false if nobody is left to be asked."""
        asked = [
            self._batch(kind, verb, self._seed_of(number, kind, verb), verb_of(verb).a_round)
            for kind, verb in self._batches()
        ]
        if "bad" in self._kinds:
            verb = self._verbs[number % len(self._verbs)]
            self._batch("bad", verb, self._seed_of(number), CUT_OFF_A_ROUND, strategy=cut_off(verb))
        return any(asked)

    def _batches(self) -> Iterator[tuple[Kind, str]]:
        return ((kind, verb) for verb in self._verbs for kind in self._kinds)

    def _seed_of(self, *parts: object) -> int:
        digest = hashlib.sha256(repr((self._seed, *parts)).encode()).digest()
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
                raise _ShrunkEnough
            return
        if self._seconds is not None and now - self._began >= self._seconds:
            raise _Over
        if self._count is not None and self.requests >= self._count:
            raise _Over

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
        if repeats and not failing.request.ends_input:
            case = found.save(verb, failing.request.data(), self._found_folder)
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
                "request": failing.request.data().decode("latin-1"),
                "golden": golden_of(failing.request).text(),
                "failure": msgspec.to_builtins(case_of(failing.result(case))),
                "finding": msgspec.to_builtins(finding_of(finding)) if finding else None,
            }
        )
        self._failing = None

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
            "kinds": list(self._kinds),
            "seed": self._seed,
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
    seconds: float | None = None,
    count: int | None = None,
    seed: int = 0,
    kind: str = "both",
    verbs: Sequence[str] = NAMES,
    runner: str = "docker",
    limits: Limits = LIMITS,
    on_line: Callable[[str], None] = lambda line: None,
    listener: Callable[[Campaign], None] = lambda campaign: None,
    load: Callable[[str], manifest.Manifest] = manifest.load,
    found_folder: Path | None = None,
) -> Entry:
    """Build the ports, fuzz them all with the same requests, and say what came of it, as JSON has it.

    It ends after `seconds`, or after `count` requests, or on Ctrl-C. kind: good, bad or both. `on_line` is
    given the lines of the builds. Raises ManifestError, BuildFailed, LimitExceeded and MachineFault.
    """
    if (seconds is None) == (count is None):
        raise ValueError("a campaign ends after some seconds or after a count of requests: give one of them")
    kinds = KINDS if kind == "both" else tuple(known for known in KINDS if known == kind)
    with ExitStack() as stack:
        targets = []
        for name in ports:
            loaded = load(name)
            if loaded.agreement != "bit" and "good" in kinds:
                raise ManifestError(
                    f"{name} does not claim bits (agreement: {loaded.agreement}), and fuzzing compares bits",
                    hint="--kind bad asks only what must be answered with an error",
                )
            where = runners.runner(runner, limits)
            where.prepare(loaded, on_line)
            session = Session(where.launch, replace(loaded.limits(limits), run=math.inf))
            stack.callback(session.kill)
            targets.append(Target(name, session, NAMES[: loaded.level]))
        fuzzed = Campaign(
            targets,
            seed=seed,
            kinds=kinds,
            verbs=verbs,
            seconds=seconds,
            count=count,
            found_folder=found_folder,
            listener=listener,
        )
        fuzzed.run()
    only = [] if set(verbs) == set(NAMES) else list(verbs)
    return {**fuzzed.result(), "runner": runner, "only_verbs": only}
