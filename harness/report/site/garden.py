"""What the page on the garden shows: the cards, and samples from results/science/garden.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.report.site.data import Json
from reference.app import garden
from reference.app.garden import Card

EXAMPLES = 3


@dataclass(frozen=True)
class Plot:
    """One dataset. `grown` is what was measured of it, None if nothing was."""

    card: Card
    examples: tuple[str, ...]
    grown: Json | None


def values(found: Json | None) -> dict[str, Any]:
    """Everything that the template is given; `found` is None if no model was trained."""
    grown = found["datasets"] if found else {}
    plots = []
    for name in garden.names():
        lines = garden.lines_of(name)
        examples = tuple(lines[len(lines) // 7 :: max(1, len(lines) // EXAMPLES)][:EXAMPLES])
        plots.append(Plot(garden.card(name), examples, grown.get(name)))
    measured = [plot.grown for plot in plots if plot.grown]
    return {
        "plots": plots,
        "how": found["how"] if found else None,
        "lines": sum(plot.card.facts["lines"] for plot in plots),
        "megabytes": sum(plot.card.facts["bytes"] for plot in plots) / 1e6,
        "measured": len(measured),
        "more_new": sum(one["gpt"]["novelty"] > one["ngram"]["novelty"] for one in measured),
        "less_loss": sum(one["gpt"]["held_out_bits"] < one["ngram"]["held_out_bits"] for one in measured),
    }
