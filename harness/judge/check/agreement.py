"""Compares what was printed or written with the golden numbers: in bits, in digits, or within measured
bounds.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.judge.check.log import Log, Printed

FOLDER = Path(__file__).parent / "data"
FACTOR = 16  # as in SPEC.md, section 14
BUCKETS = (1, 10, 100, 4096)  # last steps, from 1, of the ranges that have a bound of their own
HALF = 0.5 + 1e-6  # of the last place: what rounding to the nearest may do


def bucket(step: int) -> int:
    """The range of a step, counted from 0."""
    return next(end for end in BUCKETS if step < end)


@cache
def _spreads() -> dict[str, dict[str, dict[str, float]]]:
    path = FOLDER / "bounds.json"
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dict(kept["spread"])


def bound(width: str, kind: str, step: int, scale: float) -> float:
    """How far a value may be off in a right program of this width: `float64` or `float32`.

    kind: loss, grad, m, v, parameters; activations have the bound of the loss's range, doubled. scale: the
    greatest value of its matrix.
    """
    rows = _spreads()[width]
    end = str(bucket(max(step, 0)))
    relative = {"init": 2.0**-52 if width == "float64" else 2.0**-23}.get(kind)
    if relative is None:
        relative = (
            max(rows["loss"][end], rows["parameters"][end]) if kind == "activation" else rows[kind][end]
        )
    return FACTOR * relative * scale


@dataclass(frozen=True)
class Wrong:
    """A printed loss that is not the golden one: step from 0, and how many printed units it is off."""

    step: int
    printed: Printed
    expected: float
    units: float


@dataclass(frozen=True)
class LogAgreement:
    """How the losses of a log agree. compared: how many. wrong: those that differ in a printed digit.
    inside: whether
    all are within the float32 bound."""

    compared: int
    wrong: tuple[Wrong, ...]
    is_bit: bool
    inside: Mapping[str, bool]


def compare_log(log: Log, golden: Sequence[float], shift: int = 0) -> LogAgreement:
    """Every printed loss with the golden one of its step, or of `shift` steps later."""
    wrong, compared = [], 0
    inside = {"float64": True, "float32": True}
    is_bit = log.is_exact
    for step, printed in log.losses.items():
        if not 0 <= step + shift < len(golden):
            continue
        compared += 1
        expected = golden[step + shift]
        off = units(log, printed, expected)
        if off > HALF:
            wrong.append(Wrong(step, printed, expected, off))
        is_bit = is_bit and printed.value == expected
        for width in inside:
            slack = HALF * log.unit(expected)
            allowed = bound(width, "loss", step, abs(expected)) + slack
            inside[width] = inside[width] and abs(printed.value - expected) <= allowed
    return LogAgreement(compared, tuple(wrong), is_bit and compared > 0, inside)


def units(log: Log, printed: Printed, expected: float) -> float:
    """How far a printed loss is off in its last place; inf where one of the two is no finite number."""
    if math.isfinite(printed.value) != math.isfinite(expected):
        return math.inf
    if not math.isfinite(expected):
        return 0.0 if str(printed.value) == str(expected) else math.inf
    if log.is_exact:
        return 0.0 if printed.value == expected else abs(printed.value - expected) / log.unit(expected) + 1.0
    return abs(printed.value - expected) / log.unit(expected)


def single(x: float) -> float:
    """x rounded to float32."""
    try:
        [rounded] = struct.unpack("f", struct.pack("f", x))
    except OverflowError:
        return math.copysign(math.inf, x)
    return float(rounded)
