"""Plots as inline SVG. Lengths are per cent of the width, so text keeps its size on every screen.

Every plot stands beside a table with the same numbers: the drawing is for looking, the table for reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ROW = 40  # pixels for one bar with its label


@dataclass(frozen=True)
class Bar:
    """`emphasis` names a style of its own, such as 'reference'."""

    label: str
    value: float
    shown: str
    emphasis: str = ""


@dataclass(frozen=True)
class Range:
    """A band from `low` to `high` with a mark at `middle`."""

    label: str
    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class Span:
    """A life from day `start` to day `end`, counted from any day; `parents` are names of spans above it."""

    name: str
    start: float
    end: float
    shown: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Course:
    """A line through (low, middle, high) of every step. `style` is a class of the style sheet."""

    style: str
    steps: Sequence[tuple[float, float, float]]


class _LogScale:
    """Whole decades from the one below `low` to the one above `high`, as per cent of the width."""

    def __init__(self, low: float, high: float) -> None:
        self.first = math.floor(math.log10(low))
        self.last = max(self.first + 1, math.ceil(math.log10(high)))

    def __call__(self, value: float) -> float:
        return round(100 * (math.log10(value) - self.first) / (self.last - self.first), 2)

    def grid(self, height: int, name: Callable[[int], str], every: int = 1) -> Iterator[Markup]:
        for decade in range(self.first, self.last + 1, every):
            x = self(10.0**decade)
            anchor = "start" if decade == self.first else "end" if decade == self.last else "middle"
            yield Markup('<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="{1}"/>').format(x, height - 20)
            yield Markup('<text class="tick" x="{}%" y="{}" text-anchor="{}">{}</text>').format(
                x, height - 4, anchor, name(decade)
            )


def power_of_ten(exponent: int) -> str:
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def scientific(value: float) -> str:
    """A number as one digit times a power of ten."""
    digit, _, exponent = f"{value:.0e}".partition("e")
    return f"{digit}×{power_of_ten(int(exponent))}"


def duration(exponent: int) -> str:
    """A power of ten of microseconds in the unit that needs the fewest digits."""
    size, unit = (0, "µs") if exponent < 3 else (3, "ms") if exponent < 6 else (6, "s")
    return f"{10.0 ** (exponent - size):g} {unit}"


def log_bars(title: str, bars: Sequence[Bar], name: Callable[[int], str]) -> Markup | None:
    """Horizontal bars on a logarithmic scale, whose decades are named by `name`; None without bars."""
    if not bars:
        return None
    scale = _LogScale(min(bar.value for bar in bars), max(bar.value for bar in bars))
    height = ROW * len(bars) + 22
    parts = list(scale.grid(height, name))
    for number, bar in enumerate(bars):
        y = ROW * number
        parts.append(
            Markup(
                '<text x="0" y="{0}">{1} <tspan class="value">{2}</tspan></text>'
                '<rect class="bar {3}" x="0" y="{4}" width="{5}%" height="9" rx="2"/>'
            ).format(y + 15, bar.label, bar.shown, bar.emphasis, y + 22, max(scale(bar.value), 0.5))
        )
    return _svg(title, height, parts)


def log_ranges(title: str, ranges: Sequence[Range]) -> Markup | None:
    """Bands on a logarithmic scale, labelled at their middle; None without ranges."""
    if not ranges:
        return None
    scale = _LogScale(min(one.low for one in ranges), max(one.high for one in ranges))
    height = ROW * len(ranges) + 22
    every = max(1, math.ceil((scale.last - scale.first) / 6))
    parts = list(scale.grid(height, power_of_ten, every))
    for number, one in enumerate(ranges):
        y = ROW * number
        start, middle, end = scale(one.low), scale(one.middle), scale(one.high)
        parts.append(
            Markup(
                '<text x="0" y="{0}">{1} <tspan class="value">{2}</tspan></text>'
                '<rect class="band" x="{3}%" y="{4}" width="{5:.2f}%" height="9" rx="2"/>'
                '<circle class="point" cx="{6}%" cy="{7}" r="4.5"/>'
            ).format(
                y + 15,
                one.label,
                scientific(one.middle),
                start,
                y + 22,
                max(0.5, end - start),
                middle,
                y + 26.5,
            )
        )
    return _svg(title, height, parts)


def differences(title: str, ranges: Sequence[Range], decimals: int = 4, unit: str = "") -> Markup | None:
    """Bands on a linear scale with a line at zero; None without ranges."""
    if not ranges:
        return None
    reach = 1.05 * max(abs(end) for one in ranges for end in (one.low, one.high))
    height = ROW * len(ranges) + 22

    def x(value: float) -> float:
        return round(50 + 50 * value / reach, 2)

    parts = [Markup('<line class="axis" x1="50%" x2="50%" y1="0" y2="{}"/>').format(height - 20)]
    ticks = ((-reach, "start"), (0.0, "middle"), (reach, "end"))
    parts += [
        Markup('<text class="tick" x="{}%" y="{}" text-anchor="{}">{}</text>').format(
            x(value), height - 4, anchor, f"{value:+.{max(0, decimals - 1)}f}{unit}"
        )
        for value, anchor in ticks
    ]
    for number, one in enumerate(ranges):
        y = ROW * number
        parts.append(
            Markup(
                '<text x="0" y="{0}">{1} <tspan class="value">{2}</tspan></text>'
                '<rect class="band" x="{3}%" y="{4}" width="{5:.2f}%" height="9" rx="2"/>'
                '<circle class="point" cx="{6}%" cy="{7}" r="4.5"/>'
            ).format(
                y + 15,
                one.label,
                f"{one.middle:+.{decimals}f}{unit}",
                x(one.low),
                y + 22,
                max(0.5, x(one.high) - x(one.low)),
                x(one.middle),
                y + 26.5,
            )
        )
    return _svg(title, height, parts)


def descent(title: str, spans: Sequence[Span], ticks: Sequence[tuple[float, str]]) -> Markup | None:
    """Lives on a line of time, one below the other, and a line from each parent to its child's start."""
    if not spans:
        return None
    first, last = min(one.start for one in spans), max(one.end for one in spans)
    height = ROW * len(spans) + 22
    rows = {one.name: ROW * number + 26.5 for number, one in enumerate(spans)}

    def x(day: float) -> float:
        return round(98 * (day - first) / (last - first or 1.0), 2)

    parts = [
        Markup(
            '<line class="grid" x1="{0}%" x2="{0}%" y1="0" y2="{1}"/>'
            '<text class="tick" x="{0}%" y="{2}" text-anchor="middle">{3}</text>'
        ).format(x(day), height - 20, height - 4, name)
        for day, name in ticks
    ]
    ends = {one.name: one.end for one in spans}
    for one in spans:
        parts += [
            Markup('<line class="trend" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(
                x(min(ends[parent], one.start)), rows[parent], x(one.start), rows[one.name]
            )
            for parent in one.parents
        ]
    for one in spans:
        at, start = rows[one.name], x(one.start)
        is_late = start > 50
        parts.append(
            Markup(
                '<rect class="bar" x="{0}%" y="{1}" width="{2:.2f}%" height="9" rx="2"/>'
                '<text x="{3}%" y="{4}" text-anchor="{5}">{6} <tspan class="value">{7}</tspan></text>'
            ).format(
                start,
                at - 4.5,
                max(0.6, x(one.end) - start),
                100 if is_late else start,
                at - 11.5,
                "end" if is_late else "start",
                one.name,
                one.shown,
            )
        )
    return _svg(title, height, parts)


def histogram(title: str, counts: Sequence[int], height: int = 32, names: Sequence[str] = ()) -> Markup:
    """Columns on a logarithmic scale, the first of which is the right answer. `names` stand below them."""
    top = math.log10(max(*counts, 1) + 1)
    step = 100 / len(counts)
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(height - 0.5)]
    for number, count in enumerate(counts):
        if count:
            tall = round(max(2.0, (height - 2) * math.log10(count + 1) / top), 2)
            parts.append(
                Markup('<rect class="{}" x="{:.2f}%" y="{:.2f}" width="{:.2f}%" height="{}"/>').format(
                    "off" if number else "right", step * (number + 0.1), height - 1 - tall, step * 0.8, tall
                )
            )
    parts += [
        Markup('<text class="tick" x="{:.2f}%" y="{}" text-anchor="middle">{}</text>').format(
            step * (number + 0.5), height + 13, name
        )
        for number, name in enumerate(names)
    ]
    return _svg(title, height + (18 if names else 0), parts)


def sparkline(title: str, values: Sequence[float], height: int = 48) -> Markup:
    """A line through values of equal distance. The scale runs from the least to the greatest."""
    low, high = min(values), max(values)
    spread = high - low or 1.0
    points = [
        (
            round(2 + 96 * number / max(1, len(values) - 1), 2),
            round(height - 6 - (height - 12) * ((value - low) / spread if high > low else 0.5), 2),
        )
        for number, value in enumerate(values)
    ]
    parts = [
        Markup('<line class="trend" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(*start, *end)
        for start, end in zip(points, points[1:], strict=False)
    ]
    parts += [Markup('<circle class="point" cx="{}%" cy="{}" r="2.5"/>').format(*point) for point in points]
    return _svg(title, height, parts)


def log_line(title: str, values: Sequence[float], low: float, high: float, height: int = 72) -> Markup:
    """A line on a logarithmic scale from `low` to `high`, with a grid line for every third decade."""
    bottom, top = math.log10(low), math.log10(high)

    def level(exponent: float) -> float:
        return round(height - 3 - (height - 6) * (exponent - bottom) / (top - bottom or 1.0), 2)

    places = [
        (round(86 * number / max(1, len(values) - 1), 2), level(math.log10(value)))
        for number, value in enumerate(values)
    ]
    parts = [
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="tick" x="100%" y="{1}" text-anchor="end">{2}</text>'
        ).format(level(decade), level(decade) - 2, power_of_ten(decade))
        for decade in range(math.ceil(bottom), math.floor(top) + 1, 3)
    ]
    parts += [
        Markup('<line class="trend" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(*start, *end)
        for start, end in zip(places, places[1:], strict=False)
    ]
    return _svg(title, height, parts)


def courses(title: str, labels: Sequence[str], lines: Sequence[Course], height: int = 150) -> Markup:
    """Shares from 0 to 1 over steps of equal distance: a line each, and at each step its spread."""
    bottom, reach = height - 22, height - 30

    def x(number: int) -> float:
        return round(3 + 84 * number / max(1, len(labels) - 1), 2)

    def y(share: float) -> float:
        return round(bottom - reach * share, 2)

    parts = [
        Markup(
            '<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>'
            '<text class="tick" x="100%" y="{1}" text-anchor="end">{2:.0%}</text>'
        ).format(y(share), y(share) - 3, share)
        for share in (0.0, 0.5, 1.0)
    ]
    parts += [
        Markup('<text class="tick" x="{}%" y="{}" text-anchor="middle">{}</text>').format(
            x(number), height - 6, label
        )
        for number, label in enumerate(labels)
    ]
    for one in lines:
        middles = [(x(number), y(middle)) for number, (_, middle, _) in enumerate(one.steps)]
        parts += [
            Markup('<line class="trend {}" x1="{}%" y1="{}" x2="{}%" y2="{}"/>').format(one.style, *a, *b)
            for a, b in zip(middles, middles[1:], strict=False)
        ]
        parts += [
            Markup('<line class="trend {0}" x1="{1}%" x2="{1}%" y1="{2}" y2="{3}"/>').format(
                one.style, x(number), y(low), y(high)
            )
            for number, (low, _, high) in enumerate(one.steps)
            if high > low
        ]
        parts += [
            Markup('<circle class="point {}" cx="{}%" cy="{}" r="3"/>').format(one.style, *middle)
            for middle in middles
        ]
    return _svg(title, height, parts)


def _svg(title: str, height: int, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg class="plot" role="img" aria-label="{}" width="100%" height="{}">')
    return Markup("").join([head.format(title, height), *parts, Markup("</svg>")])
