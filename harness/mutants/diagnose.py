"""Names the mistake of a port: the mutants that give its very bits, on the very cases that it fails.

A mutant can be a port's mistake only if it fails no case that the port passes, so most are ruled out without
being run. The others are asked the smallest cases that the port failed. If no single one explains a level,
pairs are tried: first with a mistake that has been found already, then those whose reply stays the port's
longest.
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

from harness.compare import compare
from harness.errors import ManifestError
from harness.judge import CaseResult, LevelResult
from harness.mutants import hunt
from harness.mutants.catalogue import MUTANTS
from harness.mutants.mutant import Answer, EditFails, load
from harness.protocol import Reply, Request

BUDGET = 15.0  # seconds, after which what was found so far has to do
PROBES = 6  # cases that an explanation must reproduce, the smallest ones of its level
FIRSTS = 6  # mutants to try as the first of a pair
Names = tuple[str, ...]
Map = Callable[..., Iterable[list[float]]]


@dataclass(frozen=True)
class Diagnosis:
    """`variants` all give the port's bits on `case` and on the others that were tried: they are one mistake,
    as far as the suite can tell. Each is a mutant's name, or two joined by ' + ' that act together.
    """

    variants: tuple[str, ...]
    case: str

    @property
    def sentence(self) -> str:
        """Ends in no full stop."""
        meanings = [" and ".join(hunt.find(n).what for n in v.split(" + ")) for v in self.variants]
        return "this is what you get when " + ", or when ".join(meanings[:3])


@dataclass(frozen=True)
class Evidence:
    """One case that the port failed, and what it said."""

    case: str
    request: Request
    golden: Reply
    reply: Reply

    @property
    def size(self) -> int:
        return len(self.request.text()) + len(self.reply.text())


def diagnose(found: Sequence[LevelResult], seconds: float = BUDGET) -> list[Diagnosis]:
    """What explains the failures of a climb, level by level; empty if nothing in the catalogue does."""
    if not any(_speaks(result) for level in found for result in level.results):
        return []
    if current_process().daemon:  # such a process may not have children
        return _search(found, map, seconds)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return _search(found, pool.map, seconds)


def _search(found: Sequence[LevelResult], parallel: Map, seconds: float) -> list[Diagnosis]:
    search = _Search(parallel, time.monotonic() + seconds, _passed(found))
    for level in found:
        evidence = sorted(
            (
                Evidence(result.case.id, result.case.request, result.case.golden, result.reply)
                for result in level.results
                if _speaks(result) and result.reply is not None
            ),
            key=lambda item: item.size,
        )
        if evidence:
            search.explain(level.level.number, evidence[:PROBES])
    return search.diagnoses


def _speaks(result: CaseResult) -> bool:
    return result.verdict == "disagrees" and result.reply is not None and result.reply.ok


def _passed(found: Iterable[LevelResult]) -> frozenset[str]:
    return frozenset(r.case.id for level in found for r in level.results if r.verdict == "agrees")


class _Search:
    def __init__(self, parallel: Map, deadline: float, passed: frozenset[str]) -> None:
        self._map = parallel
        self._deadline = deadline
        self._passed = passed
        self._mistakes: list[str] = []  # one name of each that was found, so that they can act together
        self.diagnoses: list[Diagnosis] = []

    def explain(self, level: int, evidence: Sequence[Evidence]) -> None:
        """Find what gives the port's replies, unless what was found before does."""
        if self._mistakes and self._reproduces([tuple(self._mistakes)], evidence):
            return
        first = evidence[0]
        singles = [(name,) for name in self._suspects(level)]
        shares = self._shares(singles, first)
        exact = [names for names, share in zip(singles, shares, strict=True) if share == 1.0]
        matches = self._reproduces(exact, evidence)
        if not matches and self._mistakes:
            joint = [(*self._mistakes, *names) for names in singles]
            matches = self._matching(joint, evidence)
        if not matches:
            matches = self._pairs(singles, shares, evidence)
        if matches:
            new = [tuple(name for name in names if name not in self._mistakes) for names in matches]
            self.diagnoses.append(Diagnosis(tuple(" + ".join(names) for names in new if names), first.case))
            self._mistakes += new[0]

    def _suspects(self, level: int) -> list[str]:
        """The mutants that fail first at this level, or below it, and nowhere where the port passed."""
        caught = _caught()
        if not caught:
            return [mutant.name for mutant in MUTANTS]
        return [
            name
            for name, (first, case) in caught.items()
            if case not in self._passed and (first <= level if level < 10 else 10 <= first <= level)
        ]

    def _pairs(
        self, singles: Sequence[Names], shares: Sequence[float], evidence: Sequence[Evidence]
    ) -> list[Names]:
        """Two mutants that act together: each must change this reply, and one comes first."""
        own = evidence[0]
        base = _share(own.golden, own.reply)
        changing = [(share, names) for names, share in zip(singles, shares, strict=True) if share >= 0.0]
        changing.sort(key=lambda row: -row[0])
        for share, first in changing[:FIRSTS]:
            if share <= base or time.monotonic() > self._deadline:
                break
            pairs = [(*first, *second) for _, second in changing if second != first]
            if matches := self._matching(pairs, evidence):
                return matches
        return []

    def _matching(self, candidates: Sequence[Names], evidence: Sequence[Evidence]) -> list[Names]:
        shares = self._shares(candidates, evidence[0])
        return self._reproduces(
            [names for names, share in zip(candidates, shares, strict=True) if share == 1.0], evidence
        )

    def _reproduces(self, candidates: Sequence[Names], evidence: Sequence[Evidence]) -> list[Names]:
        """Those that give the most of the replies; all of the first few when there is a choice."""
        if not candidates:
            return []
        scores = [0] * len(candidates)
        for item in evidence:
            for i, share in enumerate(self._shares(candidates, item)):
                scores[i] += share == 1.0
        best = max(scores)
        return [names for names, score in zip(candidates, scores, strict=True) if score == best > 0]

    def _shares(self, candidates: Sequence[Names], item: Evidence) -> list[float]:
        """For each candidate, how far its reply stays the port's: from 0 to 1, and -1 if it is golden."""
        if time.monotonic() > self._deadline:
            return [-1.0] * len(candidates)
        jobs = [(chunk, item) for chunk in _chunks(candidates, 8)]
        return [share for shares in self._map(_ask, jobs) for share in shares]


def _chunks(items: Sequence[Names], size: int) -> list[Sequence[Names]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _ask(job: tuple[Sequence[Names], Evidence]) -> list[float]:
    """In a process of its own: see _Search._shares. Mutants that cannot be joined give -1."""
    candidates, item = job
    shares = []
    for names in candidates:
        answer = _loaded(names)
        own = answer(item.request) if answer else item.golden
        shares.append(-1.0 if compare(item.request, item.golden, own).agrees else _share(own, item.reply))
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
    except (OSError, ValueError, KeyError, TypeError, ManifestError):
        return {}
