"""Names the mistake behind a printed log: the mutants that print its very digits.

On the stored runs their losses are precomputed (replays.py); on any other run they are replayed up to a
step after the first wrong one, within BUDGET seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.explain.mutants import hunt, replays
from harness.explain.mutants.catalogue import MUTANTS
from harness.explain.mutants.in_time import in_time
from harness.judge.check.agreement import HALF, LogAgreement, units
from harness.judge.check.goldens import Golden, find
from harness.judge.check.log import Log
from harness.judge.check.setup import Setup
from harness.judge.check.verdict import Cause

FURTHEST = 12  # steps that are replayed
DIGITS = 6  # decimals, or significant digits less one, of all losses together that tell a mistake from chance
SLACK = 1e-8  # of a stored loss, which has ten digits
LEARNING = (
    *("tokenizer", "autograd", "model", "attention", "loss", "Adam and schedule", "a whole run"),
    *("random numbers", "arithmetic", "summation"),
)
"""Areas whose mutants change losses, those that are slow to replay last."""


def explain(log: Log, setup: Setup, golden: Golden, found: LogAgreement) -> list[Cause]:
    """The mutants that print this log's losses or, where those are right, its samples."""
    is_stored = setup.is_stock and find(setup.name, setup.dataset.sha256) is not None
    kept = replays.stored(setup.name, setup.dataset.documents) if is_stored else {}
    if not found.wrong:
        return _by_samples(log, kept)
    first = found.wrong[0].step
    rows = {
        name: (row["what"], {int(step): loss for step, loss in row.get("losses", {}).items()})
        for name, row in kept.items()
    }
    if not kept and setup.dataset.lines and first < FURTHEST:
        rows = dict(_live(setup, first + 2))
    tried = {name: _reproduced(log, losses, first) for name, (_, losses) in rows.items()}
    most = max(tried.values(), default=0)
    if most * max(log.style[0], log.style[1] - 1) < DIGITS:
        return []
    best = [name for name, count in tried.items() if count == most]
    evidence = f"all {most:,} losses that were tried" if most > 1 else "the one loss that was tried"
    return [_cause(best, [rows[name][0] for name in best], evidence)]


def _by_samples(log: Log, kept: dict[str, replays.Replay]) -> list[Cause]:
    names = [
        name
        for name, row in kept.items()
        if row.get("samples")
        and all(
            number < len(row["samples"]) and row["samples"][number] == text
            for number, text in log.samples.items()
        )
    ]
    meanings = [kept[name]["what"] for name in names]
    return [_cause(names, meanings, f"all {len(log.samples)} samples")] if names and log.samples else []


def _reproduced(log: Log, losses: dict[int, float], first: int) -> int:
    """How many losses of the log a mutant prints, the first wrong one among them; 0 if it prints another."""
    if first not in losses:
        return 0
    tried = [step for step in log.losses if step in losses]
    for step in tried:
        printed = log.losses[step]
        is_near = abs(printed.value - losses[step]) <= SLACK * abs(losses[step])  # never so for a NaN
        if units(log, printed, losses[step]) > HALF and not is_near:
            return 0
    return len(tried)


def _live(setup: Setup, steps: int) -> Iterator[tuple[str, tuple[str, dict[int, float]]]]:
    """The first losses of the mutants that change how a program learns, as far as the time reaches."""
    chosen = [
        mutant.name for area in LEARNING for mutant in MUTANTS if mutant.area == area and not mutant.rounding
    ]
    for name, losses in in_time(replays.first_losses, [(name, setup, steps) for name in chosen]):
        yield name, (hunt.find(name).what, dict(enumerate(losses)))


def _cause(names: Sequence[str], meanings: Sequence[str], evidence: str) -> Cause:
    return Cause(tuple(names), f"this is what you get when {', or when '.join(meanings[:3])}: {evidence}")
