"""The garden: curated datasets, each with a card that says what it is, where it comes from and whose it is.

A dataset is NAME.txt with NAME.toml beside it, in `reference/garden/`. How one is made stands in
`reference/garden_making/`, what a right line is in `validity.py`.
"""

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reference.app import dataset, validity
from reference.app.refusal import Refusal

FOLDER = Path(__file__).parent.parent / "garden"
HELD_OUT_BELOW = 26  # of 256: about a tenth
EXACT = ("chords", "emoji", "hexcolors", "parens", "roman", "smiles", "sums")


@dataclass(frozen=True)
class Card:
    """`url` and `package_sha256` pin the package. They and `licence_path` are empty without one."""

    name: str
    title: str
    source: str
    licence: str
    notice: str
    cleaning: str
    check: str
    url: str = ""
    package_sha256: str = ""
    licence_path: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        return self.name in EXACT


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def card(name: str) -> Card:
    """Raises Refusal if the garden has no such dataset."""
    if name not in names():
        raise Refusal(f"the garden has no dataset {name!r}: it has {', '.join(names())}")
    return Card(name=name, **tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))


def lines_of(name: str) -> list[str]:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]


def is_held_out(line: str) -> bool:
    """Whether training never sees the line: the first byte of the SHA-256 of its UTF-8 is below 26."""
    return hashlib.sha256(line.encode()).digest()[0] < HELD_OUT_BELOW


def training_part(name: str) -> dataset.Dataset:
    """The lines that are not held out, in the file's order. Its hash is that of these lines, each with LF."""
    card(name)
    kept = "".join(f"{line}\n" for line in lines_of(name) if not is_held_out(line))
    return dataset.of_bytes(f"{name} of the garden", kept.encode(), f"the dataset {name}")


def checker(name: str) -> validity.Check:
    """What tells whether a made-up line of this dataset is right."""
    if name == "chords":
        return validity.chord_checker(lines_of(name))
    if name == "emoji":
        return frozenset(lines_of("emoji.known")).__contains__
    return validity.CHECKS[name]


def count(name: str) -> dict[str, Any]:
    """The facts of a card. Lengths are in characters."""
    data, lines = (FOLDER / f"{name}.txt").read_bytes(), lines_of(name)
    distinct = {character for line in lines for character in line}
    return {
        "lines": len(lines),
        "held_out": sum(map(is_held_out, lines)),
        "characters": len(distinct),
        "beyond_basic_plane": sum(character > "\uffff" for character in distinct),
        "mean_length": round(sum(map(len, lines)) / len(lines), 1),
        "greatest_length": max(map(len, lines)),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
