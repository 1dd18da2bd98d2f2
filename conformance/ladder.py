"""The ladder as files: levels, their cases, and each case's request and golden trace.

Not for making them (`conformance/golden.py` does) nor for comparing anything with them (`compare.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from conformance.cases import large
from conformance.messages import Reply, Request, golden_of, parse_reply, request_of
from conformance.verbs import NAMES, VERBS


class UnknownCase(LookupError):
    """There is no case of this name; the message lists those that there are."""


class BrokenSuite(Exception):
    """A file of the suite itself is damaged: no port is to blame. The message names the file."""


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

    @property
    def large(self) -> bool:
        return isinstance(self, LargeCase)

    @cached_property
    def request(self) -> Request:
        return request_of(self.path.read_bytes())

    @cached_property
    def golden(self) -> Reply:
        """Raises BrokenSuite, which names the file, if it is missing or truncated."""
        path = self.path.with_suffix(".golden")
        try:
            return parse_reply(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as problem:
            raise BrokenSuite(f"{path} is damaged: {problem}") from None

    def golden_for(self, reply: Reply) -> Reply:
        """What `reply` is to be compared with."""
        return self.golden


@dataclass(frozen=True)
class LargeCase(Case):
    """A case made by rule. Only the SHA-256 of its golden trace is stored: the trace is computed when a reply
    has another one, to say where they differ. `path` is that of the file of hashes.
    """

    reply_hash: str

    @property
    def request(self) -> Request:
        return _large_request(self.id)

    @property
    def golden(self) -> Reply:
        return _large_golden(self.id)

    def golden_for(self, reply: Reply) -> Reply:
        """The reply itself if it has the right hash; nothing is computed for an error either."""
        if not reply.ok:
            return Reply(self.name, ok=True)
        digest = hashlib.sha256(reply.text().encode("ascii")).hexdigest()
        return reply if digest == self.reply_hash else self.golden


@cache
def _large_request(name: str) -> Request:
    return request_of(large.RULES[name]().request())


@cache
def _large_golden(name: str) -> Reply:
    return golden_of(_large_request(name))


@dataclass(frozen=True)
class Level:
    """One rung. Its folder is named `<number>-<verb>`.

    found: the folder with what fuzzing found, of all levels: `<verb>-<hash>.request`. robust: the folder with
    the requests of this verb that test nothing but the protocol. hashes: the file with those of large cases,
    of all levels. Each may be missing.
    """

    number: int
    verb: str
    folder: Path
    found: Path | None = None
    robust: Path | None = None
    hashes: Path | None = None

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """What makes the level: the example first, then by name, what fuzzing found, and the large cases."""
        made = [Case(self, path.stem, path) for path in self.folder.glob("*.request")]
        made.sort(key=lambda c: (c.name != "example", c.name))
        return (*made, *(case for case in self._found_cases if case.golden.ok), *self._large_cases())

    @cached_property
    def robust_cases(self) -> tuple[Case, ...]:
        """Bad requests of this verb, and good ones of an unusual form; they belong to no level."""
        made = [Case(self, path.stem, path) for path in sorted(self.robust_files("request"))]
        return (*made, *(case for case in self._found_cases if not case.golden.ok))

    def _large_cases(self) -> Iterator[Case]:
        if self.hashes and self.hashes.exists():
            for name, hashes in json.loads(self.hashes.read_text(encoding="utf-8")).items():
                verb, _, case = name.partition("/")
                if verb == self.verb:
                    yield LargeCase(self, case, self.hashes, hashes["golden"])

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


def levels(folder: Path | None = None) -> tuple[Level, ...]:
    """The twelve levels in order."""
    folder = folder or Path(__file__).parent / "levels"
    found, robust, hashes = (folder.parent / name for name in ("found", "robust", "large.json"))
    return tuple(
        Level(verb.number, verb.name, folder / verb.folder, found, robust / verb.name, hashes)
        for verb in VERBS
    )


def robust(folder: Path | None = None) -> tuple[Case, ...]:
    """The cases beside the levels: how a port answers bad requests. `folder` is that of the levels."""
    return tuple(case for level in levels(folder) for case in level.robust_cases)


def find_case(name: str) -> Case:
    """The case named `<verb>/<case>`. Raises UnknownCase, which lists those that are there."""
    verb, _, case_name = name.partition("/")
    level = next((level for level in levels() if level.verb == verb), None)
    if level is None:
        raise UnknownCase(f"there is no level {verb!r}; the levels are {', '.join(NAMES)}")
    cases = (*level.cases, *level.robust_cases)
    case = next((case for case in cases if case.name == case_name), None)
    if case is None:
        listed = ", ".join(case.name for case in cases)
        raise UnknownCase(f"the level {verb} has no case {case_name!r}; it has {listed}")
    return case


def _both(files: Callable[[str], list[Path]]) -> list[Path]:
    return [*files("request"), *files("golden")]


def content_hash(chosen: Iterable[Level]) -> str:
    """One SHA-256 over all requests and golden traces: the version of the suite."""
    digest = hashlib.sha256()
    for level in chosen:
        beside = [path for files in (level.robust_files, level.found_files) for path in _both(files)]
        if level.hashes and level.hashes.exists():
            beside.append(level.hashes)
        for path in (*sorted(level.folder.iterdir()), *beside):
            digest.update(f"{path.parent.name}/{path.name}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
