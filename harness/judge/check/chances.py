"""Programs with random numbers of their own: bits cannot be compared, but chances can.

The statistics of a log are taken to be normal, around means and with a covariance that were measured from
thousands of seeds (`harness/measure/chances`). A log is inconsistent with a right program if its distance
from the mean is greater than that of all but 1 of 2,000 right programs, or if one known mistake makes it so
much likelier that right programs seem so less than once in 2,000 times. Together: at most one false alarm
in 1,000.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import log, sqrt
from pathlib import Path
from typing import Any

from harness.judge.check import statistics
from harness.judge.check.statistics import Curve, Letters, Observed

FOLDER = Path(__file__).parent / "data"
ALARM = 1 / 2000  # of each of the two tests
FITS = 1 / 1000  # a mistake whose distance is exceeded more rarely than this does not explain a log
EARLY = 50  # a log that ends before this step shows the first steps only
LIMITS = 3.29  # standard deviations that hold 999 of 1,000 normal numbers


@dataclass(frozen=True)
class Hypothesis:
    """What one program does: for each statistic its mean, its standard deviation from run to run, and the
    variance within a run of one observation."""

    name: str
    what: str
    mean: dict[str, float]
    between: dict[str, float]
    within: dict[str, float]


@dataclass(frozen=True)
class Rates:
    """Measured on held-out seeds: of how many right runs how many gave an alarm; of how many mistakes that
    change
    anything how many are caught in half of their logs or more."""

    right: int
    alarms: int
    mistakes: int
    caught: int
    caught_by_ten: int


@dataclass
class Table:
    """All hypotheses of one preset on one dataset; the first is the right program."""

    preset: str
    documents: int
    total: int
    block: int
    seeds: int
    knots: list[float]
    letters: Letters
    hypotheses: list[Hypothesis]
    correlation: dict[tuple[str, str], float]
    thresholds: dict[str, tuple[float, float]]  # by the form of the log, see form_of
    rates: Rates | None = None
    _factors: dict[tuple[Any, ...], Any] = field(default_factory=dict)

    @property
    def curve(self) -> Curve:
        return Curve(self.total, self.knots)

    @property
    def right(self) -> Hypothesis:
        return self.hypotheses[0]


@dataclass(frozen=True)
class Oddity:
    """A statistic that right programs rarely have: its name, value, their limits in 999 of 1,000 runs, and
    how many
    standard deviations it is away."""

    name: str
    value: float
    low: float
    high: float
    deviations: float


@dataclass(frozen=True)
class Candidate:
    """A mistake that explains a log: how much likelier it makes it (natural logarithm), and the share of
    its own
    logs that are further away."""

    name: str
    what: str
    gain: float
    share: float


@dataclass(frozen=True)
class Chances:
    """consistent: whether a right program may well have printed this. share: how many right programs are
    further
    from the mean."""

    consistent: bool
    share: float
    runs: int
    statistics: int
    oddities: tuple[Oddity, ...]
    candidates: tuple[Candidate, ...]
    rates: Rates | None


def vector(
    table: Table, losses: Mapping[int, float], texts: Sequence[str], known: Collection[str] | None
) -> dict[str, Observed]:
    """The statistics of one log."""
    found = statistics.of_losses(losses, table.total, table.curve)
    if texts:
        found |= statistics.of_samples(texts, table.block, table.letters, known)
    return found


def judge(table: Table, logs: Sequence[dict[str, Observed]]) -> Chances:
    """What the statistics of one log or of several (runs of one program) say."""
    names = [name for name in table.right.mean if all(name in seen for seen in logs)]
    values = [sum(seen[name].value for seen in logs) / len(logs) for name in names]
    counts = tuple(len(logs) / sum(1 / seen[name].count for seen in logs) for name in names)
    stretch, least_gain = table.thresholds[form_of(table, names, counts)]
    distances = [_distance(table, one, names, values, counts, len(logs)) for one in table.hypotheses]
    if distances[0] is None or not names:
        return Chances(True, 1.0, len(logs), 0, (), (), table.rates)
    right, right_size = distances[0]
    candidates = []
    for one, found in zip(table.hypotheses[1:], distances[1:], strict=True):
        if found is None:
            continue
        distance, size = found
        gain = (right - distance + right_size - size) / 2
        share = statistics.chi_squared_tail(distance / stretch, len(names))
        if gain > 0 and share > FITS:
            candidates.append(Candidate(one.name, one.what, gain, share))
    candidates.sort(key=lambda candidate: -candidate.gain)
    share = statistics.chi_squared_tail(right / stretch, len(names))
    likelier = bool(candidates) and candidates[0].gain > least_gain
    oddities = _oddities(table, names, values, counts, len(logs))
    return Chances(
        not (likelier or share < ALARM),
        share,
        len(logs),
        len(names),
        tuple(oddities),
        tuple(candidates),
        table.rates,
    )


def form_of(table: Table, names: Sequence[str], counts: Sequence[float]) -> str:
    """How much of the losses a log shows: numbers of few losses are less normal, and have thresholds of
    their own.
    """
    means = {name: count for name, count in zip(names, counts, strict=True) if name.startswith("mean ")}
    shown = sum(means.values())
    if not any(int(name.split(" ")[1]) > EARLY for name in means):
        return "the first steps"
    return (
        "every step"
        if 3 * shown >= table.total
        else "every tenth"
        if 30 * shown >= table.total
        else "every hundredth"
    )


def _distance(
    table: Table,
    one: Hypothesis,
    names: Sequence[str],
    values: Sequence[float],
    counts: tuple[float, ...],
    runs: int,
) -> tuple[float, float] | None:
    """The squared distance of the values from the hypothesis, and the logarithm of its covariance's
    determinant.
    """
    key = (one.name, tuple(names), counts, runs)
    if key not in table._factors:
        if len(table._factors) > 4 * len(table.hypotheses):
            table._factors.clear()
        table._factors[key] = statistics.cholesky(_covariance(table, one, names, counts, runs))
    lower = table._factors[key]
    if lower is None:
        return None
    off = [value - one.mean[name] for name, value in zip(names, values, strict=True)]
    size = 2 * sum(log(row[-1]) for row in lower)
    return sum(x * x for x in statistics.solved(lower, off)), size


def _covariance(
    table: Table, one: Hypothesis, names: Sequence[str], counts: Sequence[float], runs: int
) -> list[list[float]]:
    rows = []
    for i, a in enumerate(names):
        row = [
            table.correlation.get((a, b), table.correlation.get((b, a), 0.0))
            * one.between[a]
            * one.between[b]
            / runs
            for b in names
        ]
        row[i] = (one.between[a] ** 2 + one.within[a] / counts[i]) / runs + 1e-12
        rows.append(row)
    return rows


def _oddities(
    table: Table, names: Sequence[str], values: Sequence[float], counts: Sequence[float], runs: int
) -> list[Oddity]:
    """The statistics that lie outside the limits of 999 of 1,000 right runs, the furthest first."""
    right, found = table.right, []
    for name, value, count in zip(names, values, counts, strict=True):
        deviation = sqrt((right.between[name] ** 2 + right.within[name] / count) / runs) + 1e-12
        away = (value - right.mean[name]) / deviation
        base = _base(table, name)
        if abs(away) > LIMITS:
            low, high = (right.mean[name] + base + sign * LIMITS * deviation for sign in (-1, 1))
            found.append(Oddity(name, value + base, low, high, away))
    return sorted(found, key=lambda oddity: -abs(oddity.deviations))


def _base(table: Table, name: str) -> float:
    """What a window's mean loss is relative to, so that people are shown losses."""
    if not name.startswith("mean "):
        return 0.0
    a, b = map(int, name.split(" ")[1:])
    curve = table.curve
    return sum(curve.at(step) for step in range(a, b + 1)) / (b - a + 1)


@cache
def stored(preset: str, documents: int) -> Table | None:
    """The table of a stored run; None if there is none."""
    try:
        kept = json.loads((FOLDER / f"chances-{preset}-{documents}.json").read_text(encoding="utf-8"))
    except OSError:
        return None
    return table_of(kept)


def table_of(kept: dict[str, Any]) -> Table:
    names = kept["statistics"]
    hypotheses = [
        Hypothesis(
            *(row["name"], row["what"]),
            *(dict(zip(names, row[part], strict=True)) for part in ("mean", "between", "within")),
        )
        for row in kept["hypotheses"]
    ]
    correlation = {
        (names[i], names[j]): value
        for i, row in enumerate(kept["correlation"])
        for j, value in enumerate(row)
    }
    return Table(
        kept["preset"],
        kept["documents"],
        kept["total"],
        kept["block"],
        kept["seeds"],
        kept["knots"],
        Letters(kept["characters"], kept["letters"]),
        hypotheses,
        correlation,
        {form: (stretch, gain) for form, (stretch, gain) in kept["thresholds"].items()},
        Rates(**kept["rates"]) if kept.get("rates") else None,
    )
