"""Badges: what a record comes to in a few words, as SVG of our own and as JSON for a shields.io endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from conformance.verbs import TOP
from harness.report import words
from harness.report.escape import plain
from harness.report.record import Record

GREEN, BLUE, YELLOW, RED = "#1a7f37", "#0969da", "#7d4e00", "#b31d28"


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
    return Badge(plain(f"microgpt {record.language}"), words.verdict(record), _color(record))


def of_all(records: Sequence[Record]) -> Badge:
    """One for the whole: the weakest word that is true of every port."""
    conforming = sum(record.conforms for record in records)
    if conforming < len(records) or not records:
        return Badge("microgpt conformance", f"{conforming} of {len(records)} ports conform", RED)
    exact = all(_color(record) == GREEN for record in records)
    return Badge("microgpt conformance", "all ports bit-exact" if exact else "all ports conform", GREEN)


def _color(record: Record) -> str:
    if not record.conforms:
        return RED
    if record.known or record.reached_level < TOP:
        return BLUE
    return YELLOW if record.agreement == "tolerance" else GREEN


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
