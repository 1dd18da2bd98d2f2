"""The ladder as files: levels, their cases, and each case's request and golden trace.

Not for making them (`conformance/golden.py` does) nor for comparing anything with them (`compare.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness import paths
from harness.errors import ManifestError
from harness.protocol import Reply, Request, parse_reply

VERBS = (
    *("hello", "arith", "math", "random", "tokens", "graph"),
    *("forward", "backward", "adam", "train", "sample", "run"),
)


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
        return request_of(self.path.read_text(encoding="utf-8"))

    @cached_property
    def golden(self) -> Reply:
        return parse_reply(self.path.with_suffix(".golden").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Level:
    """One rung. Its folder is named `<number>-<verb>`."""

    number: int
    verb: str
    folder: Path

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """Every case, the example first, then by name, the errors last."""
        found = (Case(self, path.stem, path) for path in self.folder.glob("*.request"))
        return tuple(sorted(found, key=lambda c: (c.name != "example", c.name.startswith("error-"), c.name)))


def request_of(text: str) -> Request:
    """A request as it stands in a file, whatever is wrong with its lines: wrong requests are cases too."""
    header, *lines, end = text.removesuffix("\n").split("\n")
    verb, _, name = header.partition(" ")
    if end != "end":
        raise ValueError(f"the last line of a request must be 'end', not {end!r}")
    return Request(verb, name, tuple(lines))


def levels(folder: Path | None = None) -> tuple[Level, ...]:
    """The twelve levels in order."""
    folder = folder or paths.root() / "conformance" / "levels"
    return tuple(
        Level(number, verb, folder / f"{number:02d}-{verb}") for number, verb in enumerate(VERBS, start=1)
    )


def find_case(name: str) -> Case:
    """The case named `<verb>/<case>`. Raises ManifestError with the nearest names."""
    verb, _, case_name = name.partition("/")
    level = next((level for level in levels() if level.verb == verb), None)
    if level is None:
        raise ManifestError(f"there is no level {verb!r}; the levels are {', '.join(VERBS)}")
    case = next((case for case in level.cases if case.name == case_name), None)
    if case is None:
        listed = ", ".join(case.name for case in level.cases)
        raise ManifestError(f"the level {verb} has no case {case_name!r}; it has {listed}")
    return case


def content_hash(chosen: Iterable[Level]) -> str:
    """One SHA-256 over all requests and golden traces: the version of the suite."""
    digest = hashlib.sha256()
    for level in chosen:
        for path in sorted(level.folder.iterdir()):
            digest.update(f"{path.parent.name}/{path.name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
