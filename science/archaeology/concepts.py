"""The table of concepts: which repository has it, where, and whether microgpt does.

Found by hand, once, and kept in concepts.yaml. `check` looks for the stated names at the stated places, so
that the table cannot say what is not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from science.archaeology.clones import HERE, DigError
from science.archaeology.sizes import text_of

LAST = "microgpt"


@dataclass(frozen=True)
class Place:
    """Lines `first` to `last` of a file, counted from 1, between which all of `names` stand."""

    path: str
    first: int
    last: int
    names: tuple[str, ...]

    @property
    def lines(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class Concept:
    """An idea, and its place in each repository that has it."""

    name: str
    places: Mapping[str, Place]

    @property
    def lives(self) -> bool:
        """Whether microgpt has it."""
        return LAST in self.places


def table(file: Path = HERE / "concepts.yaml") -> list[Concept]:
    """Every concept. Raises DigError for an entry that is not [path, first line, last line, [names]]."""
    found = []
    for row in yaml.safe_load(file.read_text(encoding="utf-8")):
        name = row.pop("concept")
        found.append(Concept(name, {where: _place(name, where, entry) for where, entry in row.items()}))
    return found


def _place(concept: str, where: str, entry: object) -> Place:
    match entry:
        case [str(path), int(first), int(last), [_, *_] as names] if 0 < first <= last:
            return Place(path, first, last, tuple(map(str, names)))
    raise DigError(
        f"concepts.yaml: {concept}, {where}: [path, first line, last line, [names]] was expected,"
        f" {entry!r} came"
    )


def check(concepts: Sequence[Concept], files: Mapping[str, Mapping[str, bytes]]) -> None:
    """Look for each name, as a whole word, at its place. `files`: each repository's, by path.

    Raises DigError at the first that is not there; a repository that is not in `files` is one too.
    """
    for concept in concepts:
        for where, place in concept.places.items():
            told = f"{concept.name}: {where}, {place.path}, lines {place.first} to {place.last}"
            content = files.get(where, {}).get(place.path)
            if content is None:
                raise DigError(f"{told}: there is no such file at the pinned commit")
            lines = text_of(content).split("\n")
            if place.last > len(lines):
                raise DigError(f"{told}: the file has {len(lines)} lines")
            text = "\n".join(lines[place.first - 1 : place.last])
            for name in place.names:
                if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text):
                    raise DigError(
                        f"{told}: {name} is not there", hint="mend science/archaeology/concepts.yaml"
                    )


def of(repository: str, concepts: Sequence[Concept]) -> set[str]:
    """The names of the concepts that a repository has."""
    return {concept.name for concept in concepts if repository in concept.places}


def heirlooms(concepts: Sequence[Concept], heir: str = LAST) -> dict[str, list[str]]:
    """Concepts that `heir` shares with one other repository alone, by that repository."""
    found: dict[str, list[str]] = {}
    for concept in concepts:
        others = set(concept.places) - {heir}
        if heir in concept.places and len(others) == 1:
            found.setdefault(others.pop(), []).append(concept.name)
    return found
