"""The ladder as files: levels, their cases, and each case's request and golden trace.

Not for making them (`conformance/golden.py` does) nor for comparing anything with them (`compare.py`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness import paths
from harness.errors import ManifestError
from harness.protocol import Reply, Request, parse_reply
from reference import wire

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
        return request_of(self.path.read_bytes())

    @cached_property
    def golden(self) -> Reply:
        return parse_reply(self.path.with_suffix(".golden").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Level:
    """One rung. Its folder is named `<number>-<verb>`.

    found: the folder with what fuzzing found, of all levels: `<verb>-<hash>.request`. robust: the folder with
    the requests of this verb that test nothing but the protocol. Either may be missing.
    """

    number: int
    verb: str
    folder: Path
    found: Path | None = None
    robust: Path | None = None

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """What makes the level: the example first, then by name, and then what fuzzing found."""
        made = [Case(self, path.stem, path) for path in self.folder.glob("*.request")]
        made.sort(key=lambda c: (c.name != "example", c.name))
        return (*made, *(case for case in self._found_cases if case.golden.ok))

    @cached_property
    def robust_cases(self) -> tuple[Case, ...]:
        """Bad requests of this verb, and good ones of an unusual form; they belong to no level."""
        made = [Case(self, path.stem, path) for path in sorted(self.robust_files("request"))]
        return (*made, *(case for case in self._found_cases if not case.golden.ok))

    @cached_property
    def _found_cases(self) -> tuple[Case, ...]:
        return tuple(self.found_case(path) for path in self.found_files("request"))

    def robust_files(self, kind: str) -> list[Path]:
        return sorted(self.robust.glob(f"*.{kind}")) if self.robust else []

    def found_files(self, kind: str) -> list[Path]:
        """What fuzzing found for this level: files that end in `.request` or `.golden`."""
        return sorted(self.found.glob(f"{self.verb}-*.{kind}")) if self.found else []

    def found_case(self, path: Path) -> Case:
        return Case(self, path.stem.replace(self.verb, "found", 1), path)


def request_of(data: bytes) -> Request:
    """The request in these bytes, whatever is wrong with it: wrong requests are cases too.

    One that ends before its `end` is to be the last of the input. Raises ValueError if there are several.
    """
    [(lines, complete)] = wire.blocks(io.BytesIO(data))
    try:
        verb, name = wire.Fields(lines).header()
    except wire.BadRequest:
        verb, name = "-", "-"
    request = Request(verb, name, tuple(lines[1:]))
    is_plain = complete and data.isascii() and request.text().encode("latin-1") == data
    return request if is_plain else replace(request, raw=data)


def levels(folder: Path | None = None) -> tuple[Level, ...]:
    """The twelve levels in order."""
    folder = folder or paths.root() / "conformance" / "levels"
    found, robust = folder.parent / "found", folder.parent / "robust"
    return tuple(
        Level(number, verb, folder / f"{number:02d}-{verb}", found, robust / verb)
        for number, verb in enumerate(VERBS, start=1)
    )


def robust(folder: Path | None = None) -> tuple[Case, ...]:
    """The cases beside the levels: how a port answers bad requests. `folder` is that of the levels."""
    return tuple(case for level in levels(folder) for case in level.robust_cases)


def find_case(name: str) -> Case:
    """The case named `<verb>/<case>`. Raises ManifestError with the nearest names."""
    verb, _, case_name = name.partition("/")
    level = next((level for level in levels() if level.verb == verb), None)
    if level is None:
        raise ManifestError(f"there is no level {verb!r}; the levels are {', '.join(VERBS)}")
    cases = (*level.cases, *level.robust_cases)
    case = next((case for case in cases if case.name == case_name), None)
    if case is None:
        listed = ", ".join(case.name for case in cases)
        raise ManifestError(f"the level {verb} has no case {case_name!r}; it has {listed}")
    return case


def _both(files: Callable[[str], list[Path]]) -> list[Path]:
    return [*files("request"), *files("golden")]


def content_hash(chosen: Iterable[Level]) -> str:
    """One SHA-256 over all requests and golden traces: the version of the suite."""
    digest = hashlib.sha256()
    for level in chosen:
        beside = [path for files in (level.robust_files, level.found_files) for path in _both(files)]
        for path in (*sorted(level.folder.iterdir()), *beside):
            digest.update(f"{path.parent.name}/{path.name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
