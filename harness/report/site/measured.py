"""Measurements ready to be shown: accuracy of native functions, trends, and what one ulp does."""

from __future__ import annotations

import math
import re
import statistics
from dataclasses import dataclass

from markupsafe import Markup

from conformance.bounds import Bounds
from harness.report.site import plots
from harness.report.site.data import Json, Results


@dataclass(frozen=True)
class Histogram:
    """One function of one language: a small and a large plot, and (bin, count) pairs for the table."""

    function: str
    found: Json
    plot: Markup
    large: Markup
    counts: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """Of the answers that are not the right double."""
        return float(self.found["wrong"] / self.found["inputs"])


def accuracy(entry: Json) -> list[Histogram]:
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


def by_library(found: dict[str, Json]) -> dict[str, list[Histogram]]:
    """As accuracy(), under the names of all ports whose functions gave the same counts: one library's."""
    named: dict[tuple[tuple[tuple[str, int], ...], ...], list[str]] = {}
    made: dict[tuple[tuple[tuple[str, int], ...], ...], list[Histogram]] = {}
    for name, entry in found.items():
        functions = accuracy(entry)
        counts = tuple(one.counts for one in functions)
        named.setdefault(counts, []).append(name)
        made.setdefault(counts, functions)
    return {", ".join(names): made[counts] for counts, names in named.items()}


SIZES = ("embedding", "block", "layers")


@dataclass(frozen=True)
class Growing:
    """How the time of a port's step grows with one size of the model, the others at their least."""

    port: str
    size: str
    plot: Markup | None


def scales(found: Json) -> list[Growing]:
    """A plot for each port and size, from what `bench --scale` measured; all have their own scale."""
    made = []
    for port, points in found["ports"].items():
        least = {size: min(point[size] for point in points) for size in SIZES}
        for size in SIZES:
            alone = [p for p in points if all(p[other] == least[other] for other in SIZES if other != size)]
            bars = [
                plots.Bar(
                    f"{point[size]}",
                    1e6 * point["seconds"],
                    f"{1e6 * point['seconds']:,.1f} µs, "
                    f"{100 * point['operations'] / point['seconds'] / found['peak']:.0f} % of the peak",
                )
                for point in sorted(alone, key=lambda point: int(point[size]))
            ]
            plot = plots.log_bars(f"{port}: microseconds a step by {size}", bars, plots.duration)
            made.append(Growing(port, size, plot))
    return made


def bin_name(one: Json) -> str:
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


def trends(history: list[Json]) -> list[Trend]:
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


SPREAD_LEVELS = ("forward", "backward", "adam", "train", "sample", "run")
"""Levels on numbers of ordinary size; the others go to the ends of the range, where distances say little."""
MANY_STEPS = 20
_STEP_LOSS = re.compile(r"step (\d+): loss")


@dataclass(frozen=True)
class Spread:
    """How far the quantities of one level move: the quarter that moves least ends at `low`, and so on."""

    verb: str
    quantities: int
    low: float
    middle: float
    high: float


def spreads(bounds: Bounds) -> list[Spread]:
    """How far each level's quantities move when every function's result moves by an ulp."""
    made = []
    for verb in SPREAD_LEVELS:
        digests = [digest for case, digest in bounds.digests.items() if case.startswith(f"{verb}/")]
        moves = [
            move for digest in digests for move in bounds.spreads[digest].values() if 0 < move < math.inf
        ]
        if len(moves) > 1:
            made.append(Spread(verb, len(moves), *statistics.quantiles(moves, n=4)))
    return made


@dataclass(frozen=True)
class Growth:
    """How far the loss of each step of one training moves."""

    case: str
    first: float
    greatest: float
    plot: Markup


def growths(bounds: Bounds) -> list[Growth]:
    """One for each training of many steps, the one that grows most first. All plots have the same scale."""
    trainings: list[tuple[str, list[float]]] = []
    for case, digest in bounds.digests.items():
        found = ((_STEP_LOSS.fullmatch(name), move) for name, move in bounds.spreads[digest].items())
        losses = [move for match, move in found if match and 0 < move < math.inf]
        if len(losses) >= MANY_STEPS and case.startswith("train/"):
            trainings.append((case, losses))
    if not trainings:
        return []
    low = min(min(losses) for _, losses in trainings)
    high = max(max(losses) for _, losses in trainings)
    trainings.sort(key=lambda training: -max(training[1]))
    return [
        Growth(
            case,
            losses[0],
            max(losses),
            plots.log_line(
                f"{case}: {plots.scientific(losses[0])} at first, {plots.scientific(max(losses))} at most",
                losses,
                low,
                high,
            ),
        )
        for case, losses in trainings
    ]


def values(results: Results) -> dict[str, object]:
    """What the page of measurements shows."""
    speeds: list[Json] = []
    if results.bench:
        speeds = sorted(results.bench["ports"], key=lambda row: float(row["step_microseconds"]))
    bars = [
        plots.Bar(row["port"], row["step_microseconds"], f"{row['step_microseconds']:,.0f} µs", row["port"])
        for row in speeds
    ]
    moved = spreads(results.tolerance)
    ranges = [plots.Range(spread.verb, spread.low, spread.middle, spread.high) for spread in moved]
    return {
        "bench": results.bench,
        "speeds": speeds,
        "speed_plot": plots.log_bars("Microseconds for one step, by port", bars, plots.duration),
        "scale": results.scale,
        "scales": scales(results.scale) if results.scale else [],
        "accuracies": by_library(results.accuracy),
        "tolerance": results.tolerance,
        "spreads": moved,
        "growths": growths(results.tolerance),
        "spread_plot": plots.log_ranges("How far the quantities of each level move", ranges),
    }
