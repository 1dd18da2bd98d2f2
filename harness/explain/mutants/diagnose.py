"""Names the mistake of a port: the mutants that give its very bits, on the very cases that it fails.

A mutant can be a port's mistake only if it fails no case that the port passes, so most are ruled out without
being run. The others are asked the smallest cases that the port failed. If no single one explains a level,
pairs are tried: first with a mistake that has been found already, then those whose reply stays the port's
longest. Equal ones are told apart, where that can be done, by asking them more cases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from multiprocessing import current_process, get_context
from typing import Any

from conformance.messages import Reply, Request
from harness.explain.mutants import hunt
from harness.explain.mutants.catalogue import MUTANTS
from harness.explain.mutants.mutant import Answer, EditFails, load
from harness.judge.climb import CaseResult, LevelResult

BUDGET = 15.0  # seconds, after which what was found so far has to do
PROBES = 6  # failed cases that a mutant is tried on, the smallest ones
MOST = 40  # failed cases of a level that must be explained
FURTHER = 60  # cases that are asked to tell equal ones apart
FIRSTS = 12  # mutants to try as the first of a pair
PER_LEVEL = 2  # mistakes that are looked for in one level
Names = tuple[str, ...]
Map = Callable[..., Iterable[list[float]]]


@dataclass(frozen=True)
class Diagnosis:
    """`variants` are one mistake, as far as the suite can tell: all give the port's bits on `reproduced` of
    the `tried` cases, `case` among them. Each is a mutant's name, or two that act together.
    """

    variants: tuple[Names, ...]
    case: str
    reproduced: int
    tried: int

    @property
    def sentence(self) -> str:
        """Ends in no full stop."""
        meanings = [" and ".join(hunt.find(name).what for name in names) for names in self.variants]
        wide = "all" if self.reproduced == self.tried else f"{self.reproduced} of"
        cases = (
            f"bit by bit in {wide} {self.tried} failed cases that were tried"
            if self.tried > 1
            else "bit by bit"
        )
        return f"this is what you get when {', or when '.join(meanings[:3])}: {cases}"


@dataclass(frozen=True)
class Evidence:
    """One case, and what the port said: the golden reply, if it passed."""

    case: str
    request: Request
    golden: Reply
    reply: Reply

    @property
    def size(self) -> int:
        return len(self.request.text()) + len(self.golden.text())


def diagnose(found: Sequence[LevelResult], seconds: float = BUDGET) -> list[Diagnosis]:
    """What explains the failures of a climb, level by level; empty if nothing in the catalogue does."""
    if not any(_speaks(result) for level in found for result in level.results):
        return []
    if current_process().daemon:  # such a process may not have children
        return search(found, map, seconds)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return search(found, pool.map, seconds)


def search(found: Sequence[LevelResult], parallel: Map, seconds: float) -> list[Diagnosis]:
    """As `diagnose`, with `parallel` to map a function over jobs."""
    results = [result for level in found for result in level.results if not result.case.large]
    passed = [_evidence(result) for result in results if result.verdict == "agrees"]
    failed = [
        (level.level.number, _evidence(result))
        for level in found
        for result in level.results
        if _speaks(result)
    ]
    search = _Search(parallel, time.monotonic() + seconds, passed, [item for _, item in failed])
    for number in sorted({number for number, _ in failed}):
        search.explain(number, [item for level, item in failed if level == number])
    return search.diagnoses


def _speaks(result: CaseResult) -> bool:
    """Whether a mutant could give this very reply; large requests would keep them busy for too long."""
    is_wrong = result.verdict == "disagrees" and result.reply is not None and result.reply.ok
    return is_wrong and not result.case.large


def _evidence(result: CaseResult) -> Evidence:
    case = result.case
    return Evidence(case.id, case.request, case.golden, result.reply or case.golden)


class _Search:
    def __init__(
        self, parallel: Map, deadline: float, passed: Sequence[Evidence], failed: Sequence[Evidence]
    ) -> None:
        self._map = parallel
        self._deadline = deadline
        self._passed = passed
        self._failed = failed
        self._mistakes: Names = ()  # those found so far, which act together
        self.diagnoses: list[Diagnosis] = []

    def explain(self, level: int, evidence: Sequence[Evidence]) -> None:
        """Find what gives the port's replies, as far as what was found before does not.

        What does so in fewer than half of the cases is a coincidence of small cases, and forgotten.
        """
        evidence = sorted(evidence, key=lambda item: item.size)[:MOST]
        mistakes, diagnoses = self._mistakes, list(self.diagnoses)
        rest = self._unexplained(evidence)
        for _ in range(PER_LEVEL):
            if not rest or not self._explain(level, rest[:PROBES]):
                break
            rest = self._unexplained(rest)
        if 2 * len(rest) > len(evidence):
            self._mistakes, self.diagnoses = mistakes, diagnoses

    def _unexplained(self, evidence: Sequence[Evidence]) -> list[Evidence]:
        """The cases that the mistakes found so far do not reproduce together."""
        if not self._mistakes:
            return list(evidence)
        return [item for item in evidence if self._shares([self._mistakes], item) != [1.0]]

    def _explain(self, level: int, evidence: Sequence[Evidence]) -> bool:
        singles = [(name,) for name in self._suspects(level)]
        shares = self._shares(singles, evidence[0])
        matches = _at(1.0, singles, shares)
        if not matches and self._mistakes:
            matches = self._matching([(*self._mistakes, *names) for names in singles], evidence[0])
        if not matches:
            matches = self._pairs(singles, shares, evidence[0])
        if not matches:
            return False
        matches, count = self._best(matches, evidence)
        matches = self._told_apart(matches)
        new = [tuple(name for name in names if name not in self._mistakes) for names in matches]
        self.diagnoses.append(Diagnosis(tuple(new), evidence[0].case, count, len(evidence)))
        self._mistakes += new[0]
        return True

    def _suspects(self, level: int) -> list[str]:
        """The mutants that are caught first at this level, or below it, and not where the port passed."""
        caught = _caught() or {mutant.name: (1, "") for mutant in MUTANTS}
        passed = {item.case for item in self._passed}
        return [
            name
            for name, (first, case) in caught.items()
            if case not in passed and (first <= level if level < 10 else 10 <= first <= level)
        ]

    def _pairs(self, singles: Sequence[Names], shares: Sequence[float], item: Evidence) -> list[Names]:
        """Two mutants that act together: each changes this reply, and one spoils what comes first."""
        base = _share(item.golden, item.reply)
        rows = [(share, names) for names, share in zip(singles, shares, strict=True) if share >= 0.0]
        rows.sort(key=lambda row: -row[0])
        for share, first in rows[:FIRSTS]:
            if share < base or time.monotonic() > self._deadline:
                break
            pairs = [(*first, *second) for _, second in rows if second != first]
            if matches := self._matching(pairs, item):
                return matches
        return []

    def _matching(self, candidates: Sequence[Names], item: Evidence) -> list[Names]:
        return _at(1.0, candidates, self._shares(candidates, item))

    def _best(self, candidates: Sequence[Names], evidence: Sequence[Evidence]) -> tuple[list[Names], int]:
        """Those that give the most of the replies, and how many."""
        scores = [0] * len(candidates)
        for item in evidence:
            for i, share in enumerate(self._shares(candidates, item)):
                scores[i] += share == 1.0
        best = max(scores)
        return _at(best, candidates, scores), best

    def _told_apart(self, candidates: list[Names]) -> list[Names]:
        """The candidates that also do as the port did on further cases of the verbs that failed."""
        verbs = {item.request.verb for item in self._failed}
        others = (item for item in self._passed if item.request.verb in verbs)
        further = sorted((*self._failed, *others), key=lambda item: item.size)
        for item in further[:FURTHER]:
            if len(candidates) == 1:
                break
            wanted = -1.0 if item.reply is item.golden else 1.0
            left = _at(wanted, candidates, self._shares(candidates, item))
            candidates = left or candidates
        return candidates

    def _shares(self, candidates: Sequence[Names], item: Evidence) -> list[float]:
        """For each candidate, how far its reply stays the port's: from 0 to 1, and -1 if it is golden."""
        if time.monotonic() > self._deadline:
            return [0.0] * len(candidates)
        jobs = [(candidates[i : i + 8], item, self._deadline) for i in range(0, len(candidates), 8)]
        return [share for shares in self._map(_ask, jobs) for share in shares]


def _at(value: float, candidates: Sequence[Names], scores: Sequence[float]) -> list[Names]:
    return [names for names, score in zip(candidates, scores, strict=True) if score == value]


def _ask(job: tuple[Sequence[Names], Evidence, float]) -> list[float]:
    """In a process of its own: see _Search._shares. Mutants that cannot be joined give 0, and so do all after
    the deadline, a time of the monotonic clock, which all processes share.
    """
    candidates, item, deadline = job
    shares = []
    for names in candidates:
        if time.monotonic() > deadline:
            shares.append(0.0)
            continue
        answer = _loaded(names)
        own = answer(item.request) if answer else None
        shares.append(0.0 if own is None else -1.0 if own == item.golden else _share(own, item.reply))
    return shares


@lru_cache(maxsize=400)
def _loaded(names: Names) -> Answer | None:
    try:
        return load(change for name in names for change in hunt.find(name).changes)
    except (EditFails, SyntaxError):
        return None


def _share(own: Reply, port: Reply) -> float:
    """How many of the words, counted from the start, are the same; 1 if all are."""
    if not (own.ok and port.ok):
        return 0.0
    mine, others = (" ".join(reply.lines).split(" ") for reply in (own, port))
    if mine == others:
        return 1.0
    pairs = enumerate(zip(mine, others, strict=False))
    same = next((i for i, (a, b) in pairs if a != b), min(len(mine), len(others)))
    return same / (max(len(mine), len(others)) + 1)


@cache
def _caught() -> dict[str, tuple[int, str]]:
    """Level and case that catch each mutant first; empty if results/mutants.json is of another version."""
    try:
        kept: dict[str, Any] = json.loads(hunt.results_file().read_text(encoding="utf-8"))
        if kept["version"] != hunt.version():
            return {}
        return {row["name"]: (row["level"], row["case"]) for row in kept["mutants"] if row["level"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
