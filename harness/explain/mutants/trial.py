"""Tries the diagnosis on the mutants themselves: is the right one named first?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from conformance import ladder
from harness.explain.mutants import diagnose, hunt
from harness.explain.mutants.mutant import load
from harness.judge.climb import CaseResult, LevelResult
from harness.judge.compare import compare

ALWAYS = 9  # levels that are climbed whatever happens; above them, up to the first that disagrees


@dataclass(frozen=True)
class Trial:
    """What the diagnosis made of a port with these mistakes.

    named: for each mistake that it found, the variants that nothing tells apart. seconds: how long it took.
    """

    planted: tuple[str, ...]
    named: tuple[tuple[tuple[str, ...], ...], ...]
    seconds: float

    @property
    def right(self) -> bool:
        """Each mistake that was planted is one of the variants of an entry, and there is no other entry."""
        planted = set(self.planted)
        chosen: list[set[str] | None] = [
            next((set(names) for names in variants if set(names) <= planted), None) for variants in self.named
        ]
        return None not in chosen and set().union(*filter(None, chosen)) == planted


def trial(planted: tuple[str, ...], budget: float = diagnose.BUDGET) -> Trial:
    """Climb with a port that has these mistakes, and diagnose it within `budget` seconds."""
    found = list(climb(planted))
    began = time.monotonic()
    named = diagnose.search(found, map, budget)
    return Trial(planted, tuple(diagnosis.variants for diagnosis in named), time.monotonic() - began)


def climb(planted: tuple[str, ...]) -> Iterator[LevelResult]:
    """The levels as a port with these mistakes would leave them."""
    answer = load(change for name in planted for change in hunt.find(name).changes)
    failed = False
    for level in ladder.levels():
        if failed and level.number > ALWAYS:
            return
        results = []
        for case in level.cases:
            if not (case.long or case.large):
                reply = answer(case.request)
                right = compare(case.request, case.golden, reply).agrees
                results.append(
                    CaseResult(case, "agrees" if right else "disagrees", reply=None if right else reply)
                )
        right = all(result.verdict == "agrees" for result in results)
        failed = failed or not right
        yield LevelResult(level, "agrees" if right else "disagrees", tuple(results))


def try_all(planted: Iterable[tuple[str, ...]], processes: int | None = None) -> Iterator[Trial]:
    """Try them in parallel; the results come in their order."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(trial, list(planted))
