"""Languages: what the ports taught about theirs, and those that nobody has done yet."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.build import manifest, scaffold

MEASURED = Path(__file__).parent / "languages.csv"
"""What a small program cost in each language in a container of Debian trixie: megabytes that the packages add
to the image, milliseconds to start, nanoseconds for one multiplication and one addition of doubles."""


@dataclass(frozen=True)
class Undone:
    """A language without a port. Sizes in megabytes, times as in MEASURED; None if it was not measured."""

    name: str
    language: str
    packages: str
    megabytes: float | None
    nanoseconds: float | None
    has_skeleton: bool
    trap: str


@dataclass(frozen=True)
class Soil:
    """What the author of a port noted about its language: pairs of a key and its sentences."""

    port: str
    language: str
    family: str
    notes: dict[str, str]


@cache
def _measured() -> dict[str, tuple[float, float | None]]:
    with MEASURED.open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: (
                float(row["megabytes"]),
                float(row["ns_per_iteration"]) if row["ns_per_iteration"] else None,
            )
            for row in csv.DictReader(file)
        }


def undone() -> list[Undone]:
    """Every language that `make new-port` knows and that has no port, by name."""
    done = {manifest.load(name).language for name in manifest.known_ports()} | set(manifest.known_ports())
    found = []
    for row in scaffold.languages():
        if row.name in done or row.language in done:
            continue
        size, time = _measured().get(row.name, (None, None))
        packages = " ".join(row.apt) or "from PyPI"
        found.append(Undone(row.name, row.language, packages, size, time, row.skeleton is not None, row.trap))
    return sorted(found, key=lambda one: one.language.lower())


def soils() -> list[Soil]:
    """The soil notes of all ports that have some, by family."""
    loaded = [manifest.load(name) for name in manifest.known_ports()]
    found = [
        Soil(port.name, port.language, port.family or "", dict(port.soil)) for port in loaded if port.soil
    ]
    return sorted(found, key=lambda soil: (soil.family, soil.port))


def note_keys() -> dict[str, str]:
    """The keys of soil notes, each with what it asks."""
    asked = manifest.schema()["properties"]["soil"]["properties"]
    return {
        key: str(rule["description"]).removesuffix(", in one to three sentences")
        for key, rule in asked.items()
    }
