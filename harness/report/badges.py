"""Badges: what a record comes to in a few words, as SVG of our own and as JSON for a shields.io endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from conformance import verbs
from harness.report.record import Record

GREEN, BLUE, YELLOW, RED = "#1a7f37", "#0969da", "#7d4e00", "#b31d28"
TOP = verbs.TOP


@dataclass(frozen=True)
class Badge:
    label: str
    message: str
    color: str

    def endpoint(self) -> str:
        """For https://img.shields.io/endpoint?url=..."""
        content = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.color}
        return json.dumps(content | ({"isError": True} if self.color == RED else {})) + "\n"

    def svg(self) -> str:
        return _template().render(badge=self, left=_width(self.label) + 10, right=_width(self.message) + 10)


def of_port(record: Record) -> Badge:
    return Badge(f"microgpt {record['language']}", *_verdict(record))


def of_all(records: Sequence[Record]) -> Badge:
    """One for the whole: the weakest word that is true of every port."""
    conforming = [record for record in records if record["outcome"] == "conforms"]
    verdicts = {_verdict(record) for record in records}
    if len(verdicts) == 1 and conforming:
        [(message, color)] = verdicts
        ports = "1 port" if len(records) == 1 else f"{len(records)} ports"
        return Badge("microgpt conformance", f"{ports} {message}", color)
    message = f"{len(conforming)} of {len(records)} ports conform"
    return Badge("microgpt conformance", message, BLUE if len(conforming) == len(records) > 0 else RED)


def _verdict(record: Record) -> tuple[str, str]:
    """Message and colour."""
    reached, outcome = record["reached_level"], record["outcome"]
    if outcome == "build failed":
        return "build failed", RED
    if outcome != "conforms":
        return "failing", RED
    if record["known"]:
        return f"level {reached}/{TOP}, {len(record['known'])} known to fail", BLUE
    if reached < TOP:
        return f"level {reached}/{TOP}", BLUE
    if record["agreement"] == "tolerance":
        return "tolerance", YELLOW
    return f"bit-exact {reached}/{TOP}", GREEN


def _width(text: str) -> int:
    """Pixels of a text in 11px Verdana, nearly; the SVG stretches the text to just this."""
    narrow, middling, broad = "fijl.,:;'|! ", "rt-/()[]", "mwMW@%"
    return round(
        sum(3.5 if c in narrow else 4.9 if c in middling else 10.5 if c in broad else 6.8 for c in text)
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("badge.svg.j2")
