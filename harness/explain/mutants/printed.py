"""Names the mistake behind a printed log: the mutants that print its very digits.

On the stored runs their first losses are precomputed (replays.py); on any other run they are replayed up to a step
after the first wrong one, within BUDGET seconds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as OutOfTime
from multiprocessing import get_context

from harness.check.agreement import HALF, LogAgreement, units
from harness.check.goldens import Golden, find
from harness.check.log import Log
from harness.check.setup import Setup
from harness.check.verdict import Cause
from harness.mutants import hunt, replays
from harness.mutants.catalogue import MUTANTS

BUDGET = 15.0  # seconds
FURTHEST = 12  # steps that are replayed
LEARNING = (
    *("summation", "random numbers", "tokenizer", "autograd", "model", "attention", "loss"),
    *("Adam and schedule", "a whole run", "arithmetic"),
)


def explain(log: Log, setup: Setup, golden: Golden, found: LogAgreement) -> list[Cause]:
    """The mutants that print this log's losses or, where those are right, its samples."""
    is_stored = setup.is_stock and find(setup.name, setup.dataset.sha256) is not None
    kept = replays.stored(setup.name, setup.dataset.documents) if is_stored else {}
    if not found.wrong:
        return _by_samples(log, kept)
    first = found.wrong[0].step
    rows = {
        name: {step: float.fromhex(text) for step, text in enumerate(row["losses"])}
        | {int(step): float.fromhex(text) for step, text in row.get("late", {}).items()}
        for name, row in kept.items()
    }
    if not is_stored and setup.dataset.lines:
        rows = dict(_live(setup, min(first + 2, FURTHEST)))
    matches = [
        (name, tried) for name, losses in rows.items() if (tried := _reproduced(log, losses, golden.losses, first))
    ]
    if not matches:
        return []
    most = max(tried for _, tried in matches)
    best = [name for name, tried in matches if tried == most]
    plain = [name for name in best if not hunt.find(name).rounding] or best
    return [_cause(plain, f"all {most:,} losses that were tried" if most > 1 else "the one loss that was tried")]


def _by_samples(log: Log, kept: dict[str, replays.Replay]) -> list[Cause]:
    names = [
        name
        for name, row in kept.items()
        if row.get("samples")
        and all(number < len(row["samples"]) and row["samples"][number] == text for number, text in log.samples.items())
    ]
    return [_cause(names, f"all {len(log.samples)} samples")] if names and log.samples else []


def _reproduced(log: Log, losses: dict[int, float], golden: Sequence[float], first: int) -> int:
    """How many losses of the log a mutant prints, the first wrong one among them; 0 if it prints another."""
    if first not in losses:
        return 0
    tried = [step for step in log.losses if step in losses]
    return 0 if any(units(log, log.losses[step], losses[step]) > HALF for step in tried) else len(tried)


def _live(setup: Setup, steps: int) -> Iterator[tuple[str, dict[int, float]]]:
    """The first losses of the mutants that change how a program learns, as far as the time reaches."""
    names = [mutant.name for mutant in MUTANTS if not mutant.rounding and mutant.area in LEARNING]
    deadline = time.monotonic() + BUDGET
    pool = ProcessPoolExecutor(mp_context=get_context("spawn"))
    jobs = [(name, pool.submit(replays.first_losses, name, setup, steps, BUDGET)) for name in names]
    try:
        for name, job in jobs:
            losses = job.result(timeout=max(0.0, deadline - time.monotonic()))
            yield name, dict(enumerate(losses))
    except OutOfTime:
        pass
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cause(names: Sequence[str], evidence: str) -> Cause:
    meanings = [hunt.find(name).what for name in names]
    return Cause(tuple(names), f"this is what you get when {', or when '.join(meanings[:3])}: {evidence}")
