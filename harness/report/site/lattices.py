"""What the page on hexagonal attention shows, from results/science/hexagons.json."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import Any

from markupsafe import Markup

from harness.report.site import plots
from harness.report.site.data import Json

ROWS, SPIRAL, FLOOR = "hexagonal rows", "hexagonal spiral", "itself"
LAYERS = (1, 2, 4)
"""After how many layers the tables say how much is reached."""
SHOWN_BLOCK = 64
PARTS = ("all", "block", "layers", "dataset")


def values(found: Json | None) -> dict[str, Any]:
    """Everything that the template is given; `found` is None if nothing was trained."""
    if not found:
        return {"found": None}
    blocks = [one["block"] for one in found["steps"]]
    drawn = SHOWN_BLOCK if SHOWN_BLOCK in blocks else blocks[-1]
    tables = [one["name"] for one in found["tables"]]
    regimes = list(dict.fromkeys(one["regime"] for one in found["comparisons"]))
    return {
        "found": found,
        "blocks": blocks,
        "missing": _missing(found),
        "layers_shown": LAYERS,
        "names": tables,
        "rows_name": ROWS,
        "floor": FLOOR,
        "drawn": drawn,
        "regimes": regimes,
        "overall": {
            (base, regime): sorted(_chosen(found, base, regime, "all"), key=lambda one: float(one["mean"]))
            for base in (ROWS, SPIRAL)
            for regime in regimes
        },
        "short": short(found, regimes[0]),
        "said": {(base, regime): said(found, base, regime) for base in (ROWS, SPIRAL) for regime in regimes},
        "parts": {base: _parts(found, base, regimes[0]) for base in (ROWS, SPIRAL)},
        "pictures": {one["table"]: picture(one) for one in found["pictures"] if one["block"] == drawn},
        "means": {
            block: [one | _within(one) | _time(found, one) for one in found["means"] if one["block"] == block]
            for block in blocks
        },
        "cells": _cells(found, regimes[0]),
        "steps_of": _steps(found, regimes),
        "plots": {
            (base, regime): plots.differences(
                f"Loss of {base} less that of others, {regime}",
                [
                    plots.Range(one["other"], one["low"], one["mean"], one["high"])
                    for one in _chosen(found, base, regime, "all")
                    if one["other"] != FLOOR
                ],
            )
            for base in (ROWS, SPIRAL)
            for regime in regimes
        },
    }


def _chosen(found: Json, base: str, regime: str, part: str) -> list[Json]:
    asked = (base, regime, part)
    return [one for one in found["comparisons"] if (one["base"], one["regime"], one["part"]) == asked]


def said(found: Json, base: str, regime: str) -> dict[str, list[str]]:
    """Over all cells: whom the lattice beats and to whom it loses, by how much, and of whom nothing is said.

    In other regimes than equal steps only the tables that were trained for another number of them.
    """
    trained = {row["table"] for row in found["rows"] if row["regime"] == regime}
    sorted_out: dict[str, list[str]] = {"lower": [], "higher": [], "no claim": []}
    for one in sorted(_chosen(found, base, regime, "all"), key=lambda one: -abs(one["mean"])):
        if one["other"] in trained - {FLOOR, ROWS, SPIRAL}:
            by = f" (by {abs(one['mean']):.3f})" if one["verdict"] != "no claim" else ""
            sorted_out[one["verdict"]].append(f"{one['other']}{by}")
    return sorted_out


def short(found: Json, regime: str) -> str:
    """The answer in a sentence: both lattices beside a window of as many keys."""
    verdicts = {
        one["verdict"]
        for base in (ROWS, SPIRAL)
        for one in _chosen(found, base, regime, "all")
        if one["other"] == "window"
    }
    if verdicts == {"higher"}:
        return "For text, no: a plain window of the nearest positions, as many of them, learns more."
    if verdicts == {"lower"}:
        return "Yes: both lattices learn more than a plain window of as many positions."
    return "That depends: beside a plain window of as many positions, one lattice may win and the other not."


def _missing(found: Json) -> dict[tuple[str, int], list[int]]:
    """The layers that are not trained yet, by dataset and block."""
    made: dict[tuple[str, int], list[int]] = {}
    for cell in found["missing"]:
        made.setdefault((cell["dataset"], cell["block"]), []).append(cell["layers"])
    return made


def _parts(found: Json, base: str, regime: str) -> dict[str, list[Json]]:
    """For each other table its comparison over all cells and over each part of them."""
    made: dict[str, list[Json]] = {}
    for part in PARTS:
        for one in _chosen(found, base, regime, part):
            name = one["value"] if part in ("all", "dataset") else f"{part} {one['value']}"
            made.setdefault(one["other"], []).append(one | {"named": name or "all"})
    return made


def _within(mean: Json) -> Json:
    """The share of pairs that is seen through so many layers at most."""
    shares = mean["within"] or [0.0]
    return {"seen": [shares[min(layers, len(shares)) - 1] for layers in LAYERS]}


def _time(found: Json, mean: Json) -> Json:
    place = (mean["block"], mean["table"])
    took = [one["milliseconds"] for one in found["times"] if (one["block"], one["table"]) == place]
    steps = next(one["steps"] for one in found["steps"] if one["block"] == mean["block"])
    return {"milliseconds": took[0] if took else None, "fast": 1000 * mean["seconds"] / steps}


def _cells(found: Json, regime: str) -> dict[tuple[str, int, int], dict[str, Json]]:
    """At equal steps, cell by cell, the row of each table."""
    made: dict[tuple[str, int, int], dict[str, Json]] = {}
    for row in found["rows"]:
        if row["regime"] == regime:
            made.setdefault((row["dataset"], row["block"], row["layers"]), {})[row["table"]] = row
    return made


def _steps(found: Json, regimes: Sequence[str]) -> dict[str, dict[str, dict[int, tuple[float, float]]]]:
    """The fewest and most steps in the other regimes, by regime, table and block."""
    made: dict[str, dict[str, dict[int, tuple[float, float]]]] = {regime: {} for regime in regimes[1:]}
    for row in found["rows"]:
        if row["regime"] in made:
            by_block = made[row["regime"]].setdefault(row["table"], {})
            least, most = by_block.get(row["block"], (row["steps"], row["steps"]))
            by_block[row["block"]] = (min(least, row["steps"]), max(most, row["steps"]))
    return made


def picture(one: Json) -> Markup:
    """A lattice seen from its last position: each place with the layers through which it is seen."""
    is_square = one["table"] == "square"
    corners = 4 if is_square else 6
    radius, first = (0.5**0.5, pi / 4) if is_square else (3**-0.5, pi / 6)
    greatest = max((hops for hops in one["hops"] if hops is not None), default=1)
    xs, ys = ([place[axis] for place in one["places"]] for axis in (0, 1))
    left, top = min(xs) - 0.7, min(ys) - 0.7
    across, down = max(xs) - left + 0.7, max(ys) - top + 0.7
    parts = []
    for (x, y), hops in zip(one["places"], one["hops"], strict=True):
        points = " ".join(
            f"{x + 0.94 * radius * cos(first + turn * 2 * pi / corners):.3f},"
            f"{y + 0.94 * radius * sin(first + turn * 2 * pi / corners):.3f}"
            for turn in range(corners)
        )
        kind = "unseen" if hops is None else "own" if hops == 0 else "seen"
        strength = "" if kind != "seen" else f"{0.75 - 0.65 * (hops - 1) / max(1, greatest - 1):.2f}"
        shade = Markup(' fill-opacity="{}"').format(strength) if strength else Markup("")
        parts.append(Markup('<polygon class="{}" points="{}"{}/>').format(kind, points, shade))
        if hops is not None:
            parts.append(Markup('<text x="{:.3f}" y="{:.3f}">{}</text>').format(x, y + 0.13, hops))
    unseen = sum(hops is None for hops in one["hops"])
    title = (
        f"{one['table']}: through how many layers the last of {one['block']} positions sees each other one"
    )
    title += f"; {greatest} at most, and {unseen} are never seen"
    head = Markup('<svg class="lattice" role="img" aria-label="{}" viewBox="{:.2f} {:.2f} {:.2f} {:.2f}">')
    return Markup("").join([head.format(title, left, top, across, down), *parts, Markup("</svg>")])
