"""Measurements ready to be shown: accuracy of native functions, trends, and what one ulp does."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from markupsafe import Markup

from harness import ladder
from harness.record import Record
from harness.site import plots
from harness.tolerance import Bounds


@dataclass(frozen=True)
class Histogram:
    """One function of one language: a small and a large plot, and (bin, count) pairs for the table."""

    function: str
    found: Record
    plot: Markup
    large: Markup
    counts: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """Of the answers that are not the right double."""
        return float(self.found["wrong"] / self.found["inputs"])


def accuracy(entry: Record) -> list[Histogram]:
    """How far a language's own functions are from the truth, function by function."""
    made = []
    for function, found in entry["functions"].items():
        counts = tuple((bin_name(one), one["count"]) for one in found["histogram"])
        title = (
            f"{entry['language']}, {function}: {found['inputs'] - found['wrong']:,} of {found['inputs']:,} "
            f"answers are right, the worst is {found['max_ulps']:,} ulps off"
        )
        columns = [count for _, count in counts]
        ends = [short(one["most"]) for one in found["histogram"]]
        large = plots.histogram(title, columns, height=64, names=ends)
        made.append(Histogram(function, found, plots.histogram(title, columns), large, counts))
    return made


def bin_name(one: Record) -> str:
    least, most = one["least"], one["most"]
    if most is None:
        return f"more than {least - 1:,}"
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def short(most: int | None) -> str:
    """The name of a bin by its upper end, in at most two letters."""
    if most is None:
        return "∞"
    return str(most) if most < 1000 else f"{most // 1000}k"


@dataclass(frozen=True)
class Trend:
    """How one number of a port went, state by state. `plot` is None for a single state."""

    title: str
    last: str
    plot: Markup | None


def trends(history: list[Record]) -> list[Trend]:
    rows = (
        ("Levels reached", "reached", "{:,}"),
        ("Worst ulps", "worst_ulps", "{:,}"),
        ("µs for a step of training", "step_us", "{:,.0f}"),
    )
    found = []
    for title, key, form in rows:
        values = [state[key] for state in history if state[key] is not None]
        if values:
            first, last = form.format(values[0]), form.format(values[-1])
            said = f"{title}: from {first} to {last} over {len(values)} states"
            found.append(Trend(title, last, plots.sparkline(said, values) if len(values) > 1 else None))
    return found


@dataclass(frozen=True)
class Spread:
    """Of all quantities of one level: how many move, and the least, the middle and the greatest distance."""

    verb: str
    quantities: int
    least: float
    middle: float
    most: float


def spreads(bounds: Bounds) -> list[Spread]:
    """How far each level's quantities move when every function's result moves by an ulp."""
    made = []
    for verb in ladder.VERBS:
        digests = [digest for case, digest in bounds.digests.items() if case.startswith(f"{verb}/")]
        moves = sorted(
            move for digest in digests for move in bounds.spreads[digest].values() if 0 < move < math.inf
        )
        if moves:
            made.append(Spread(verb, len(moves), moves[0], statistics.median(moves), moves[-1]))
    return made
