"""Reads everything that the site shows. What was not measured yet is left out; what is broken is an error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import bounds
from harness import paths
from harness.build import manifest
from harness.errors import ManifestError
from harness.report import accuracy, store
from harness.report.history import trend
from harness.report.record import Record

Json = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A port that is wrong on purpose: its record, and the lines that were changed."""

    record: Record
    right: str
    wrong: str


@dataclass(frozen=True)
class Results:
    """What is known about the ports, by name. Of the others, None is what was never made."""

    ports: tuple[str, ...]
    records: dict[str, Record]
    history: dict[str, list[Json]]
    accuracy: dict[str, Json]
    bench: Json | None
    scale: Json | None
    mutants: Json | None
    laws: Json | None
    garden: Json | None
    archaeology: Json | None
    seed_quality: Json | None
    hexagons: Json | None
    tolerance: bounds.Bounds
    example: Example

    def speed(self, port: str) -> Json | None:
        """What `bench` measured of a port, None if it did not."""
        measured = self.bench["ports"] if self.bench else []
        return next((row for row in measured if row["port"] == port), None)


def read(folder: Path, example: Example) -> Results:
    """Everything in `folder`, which has the form of results/. Raises ConformError for a broken file."""
    records = {found.port: found for found in store.read_all(folder)}
    ports = tuple(sorted({*manifest.known_ports(), *records}))
    return Results(
        ports=ports,
        records=records,
        history={path.stem: trend.read(path.stem, folder) for path in sorted(folder.glob("history/*.jsonl"))},
        accuracy={
            entry["port"]: entry for entry in accuracy.load(folder / "accuracy.json") if entry["functions"]
        },
        bench=_json(folder / "bench.json"),
        scale=_json(folder / "scale.json"),
        mutants=_json(folder / "mutants.json"),
        laws=_json(folder.parent / "science" / "laws.json"),
        garden=_json(folder.parent / "science" / "garden.json"),
        archaeology=_json(folder.parent / "science" / "archaeology.json"),
        seed_quality=_json(folder.parent / "science" / "seed_quality.json"),
        hexagons=_json(folder.parent / "science" / "hexagons.json"),
        tolerance=bounds.load(),
        example=example,
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ManifestError(f"{paths.shown(path)} is not a JSON file: {error}") from None
