"""The ladder as files: levels, their cases, and each case's request and golden trace.

Not for making them (`conformance/golden.py` does) nor for comparing anything with them (`compare.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from conformance.messages import Reply, Request, parse_reply, request_of
from conformance.verbs import NAMES, VERBS


class UnknownCase(LookupError):
    """There is no case of this name; the message lists those that there are."""


@dataclass(frozen=True)
class Case:
    """One request with its golden trace. `path` is that of the request."""

    level: Level
    name: str
    path: Path

    @property
    def id(self) -> str:
        return f"{self.level.verb}/{self.name}"

    @property
    def long(self) -> bool:
        return self.name.startswith("long-")

    @cached_property
    def request(self) -> Request:
        return request_of(self.path.read_bytes())

    @cached_property
    def golden(self) -> Reply:
        return parse_reply(self.path.with_suffix(".golden").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Level:
    """One rung. Its folder is named `<number>-<verb>`.

    `found` is the folder with what fuzzing found, of all levels: `<verb>-<hash>.request`, if there is one.
    """

    number: int
    verb: str
    folder: Path
    found: Path | None = None

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every case, the example first, then by name, the errors last, and then what fuzzing found."""
        made = [Case(self, path.stem, path) for path in self.folder.glob("*.request")]
        made.sort(key=lambda c: (c.name != "example", c.name.startswith("error-"), c.name))
        return (*made, *(self.found_case(path) for path in self.found_files("request")))

    def found_files(self, kind: str) -> list[Path]:
        """What fuzzing found for this level: files that end in `.request` or `.golden`."""
        return sorted(self.found.glob(f"{self.verb}-*.{kind}")) if self.found else []

    def found_case(self, path: Path) -> Case:
        return Case(self, path.stem.replace(self.verb, "found", 1), path)


def levels(folder: Path | None = None) -> tuple[Level, ...]:
    """The twelve levels in order."""
    folder = folder or Path(__file__).parent / "levels"
    found = folder.parent / "found"
    return tuple(Level(verb.number, verb.name, folder / verb.folder, found) for verb in VERBS)


def find_case(name: str) -> Case:
    """The case named `<verb>/<case>`. Raises UnknownCase, which lists those that are there."""
    verb, _, case_name = name.partition("/")
    level = next((level for level in levels() if level.verb == verb), None)
    if level is None:
        raise UnknownCase(f"there is no level {verb!r}; the levels are {', '.join(NAMES)}")
    case = next((case for case in level.cases if case.name == case_name), None)
    if case is None:
        listed = ", ".join(case.name for case in level.cases)
        raise UnknownCase(f"the level {verb} has no case {case_name!r}; it has {listed}")
    return case


def content_hash(chosen: Iterable[Level]) -> str:
    """One SHA-256 over all requests and golden traces: the version of the suite."""
    digest = hashlib.sha256()
    for level in chosen:
        found = [*level.found_files("request"), *level.found_files("golden")]
        for path in (*sorted(level.folder.iterdir()), *found):
            digest.update(f"{path.parent.name}/{path.name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
