"""What a run found: the record, which is the only source of every report.

Its types stand here; its published JSON Schema, `record.schema.json`, is generated from them. Not for making
a record (`making.py`) nor for where records lie (`store.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from harness.build.manifest import Known
from harness.errors import ManifestError
from harness.judge.attempt import Attempt
from harness.judge.climb import Verdict
from harness.judge.compare import Difference, Quantity

VERSION = 3


Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]*$")]
Verb = Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
CaseName = Annotated[str, msgspec.Meta(pattern="^[a-z]+/[a-z0-9-]+$")]
"""What stands in commands, links and names of files can hold nothing else."""
Outcome = (
    Verdict
    | Literal[
        "conforms",
        "nothing checked",
        "build failed",
        "fails fresh questions",
        "disagrees with itself",
        "not robust",
        "wrong on the command line",
    ]
)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a record: it has just the keys that its class lists."""


class Fault(Part, frozen=True):
    """What kept a request or a build from being answered: a word for machines, a sentence, what mends it."""

    code: str
    message: str
    hint: str
    log: tuple[str, ...] = ()


class CaseRecord(Part, frozen=True):
    """A case that does not agree. With `fault` there was no reply to compare."""

    case: CaseName
    verdict: Verdict
    values: int
    different: int
    worst_ulps: int
    difference: Difference | None = None
    fault: Fault | None = None

    @property
    def name(self) -> str:
        return self.case.partition("/")[2]


class LevelRecord(Part, frozen=True):
    """One level: how many of its cases agree, those that do not, and the names of the others by verdict."""

    level: int
    verb: Verb
    verdict: Verdict
    cases: int
    agreed: int
    values: int
    different: int
    worst_ulps: int
    worst_share: float
    seconds: float
    failures: tuple[CaseRecord, ...]
    others: dict[str, tuple[str, ...]]


class Mark(Part, frozen=True):
    """A mark beside the levels: so many of so many asked were answered rightly, and those that were not.

    `seed` repeats it, where chance has a part in what was asked.
    """

    asked: int
    agreed: int
    failures: tuple[CaseRecord, ...] = ()
    seed: int | None = None

    @property
    def full(self) -> bool:
        return self.asked == self.agreed


class Marks(Part, frozen=True):
    """robust: bad requests. fresh: requests that nobody has seen, made from a seed. steady: cases asked
    again, in another order and of another process. command_line: `microgpt run`. Each is None if it was not
    asked.
    """

    robust: Mark | None = None
    fresh: Mark | None = None
    steady: Mark | None = None
    command_line: Mark | None = None


class Build(Part, frozen=True):
    """What was built: the hash of its content, the image, its base, and the toolchain's version."""

    hash: str = ""
    image: str = ""
    base: str = ""
    reused: bool = False
    toolchain: str = ""


class Seconds(Part, frozen=True):
    total: float
    port: float
    start: float
    build: float


class Size(Part, frozen=True):
    """How much there is to read and to store: source files, their lines that are not blank, the image."""

    lines: int
    files: int
    image_bytes: int | None = None


class Machine(Part, frozen=True):
    system: str
    architecture: str
    processor: str
    python: str


class FindingRecord(Part, frozen=True):
    """Where tracing led: the narrowest request that still goes wrong, and its first difference."""

    verb: str
    request: str
    sentence: str
    difference: Difference


class SmallestRecord(Part, frozen=True):
    """The smallest request found that fails like the first failure: its text, its size in words, its first
    difference, and what its wrong numbers have in common.
    """

    verb: str
    words: str
    request: str
    difference: Difference
    clues: tuple[str, ...] = ()


class DiagnosisRecord(Part, frozen=True):
    """Known mistakes that give the port's very bits. `variants` cannot be told apart by the suite."""

    case: str
    variants: tuple[str, ...]
    sentence: str


class Trail(Part, frozen=True):
    """How every checkpoint of the first wrong reply compares, in the order of computation."""

    case: str
    omitted: int
    quantities: tuple[Quantity, ...]


class Record(Part, frozen=True, kw_only=True):
    """One run of one port.

    outcome: "conforms", "nothing checked", "build failed", or the verdict of the first level that fails.
    key: names all that the result depends on, the base image included. suite, source, code: the hashes of the
    suite, of the port and of the judging code, which say on any machine whether the record is of today.
    only_level: the level, if the run was of less than the ladder. repeat: the requests that lead to the first
    failure, where it does not show alone. clues: what the wrong numbers of the first failure have in common.
    """

    schema: Literal[3] = 3
    port: Name
    language: str
    family: str | None = None
    engine: Literal["graph", "fused"]
    agreement: Literal["bit", "tolerance"]
    claimed_level: int
    claims_robust: bool
    known: tuple[Known, ...]
    size: Size
    runner: Literal["docker", "local"]
    machine: Machine
    finished: str
    reached_level: int
    outcome: Outcome
    only_level: int | None = None
    long_cases: bool = False
    math: Literal["exact", "native"] = "exact"
    build: Build
    key: str
    suite: str
    source: str
    code: str
    seconds: Seconds
    requests: int = 0
    notes: tuple[str, ...] = ()
    finding: FindingRecord | None = None
    next_step: Attempt | None = None
    diagnosis: tuple[DiagnosisRecord, ...] = ()
    clues: tuple[str, ...] = ()
    smallest: SmallestRecord | None = None
    trail: Trail | None = None
    levels: tuple[LevelRecord, ...] = ()
    marks: Marks = Marks()
    repeat: tuple[CaseName, ...] = ()
    fault: Fault | None = None

    @property
    def conforms(self) -> bool:
        return self.outcome == "conforms"

    @property
    def cases(self) -> int:
        return sum(level.cases for level in self.levels)

    @property
    def agreed(self) -> int:
        return sum(level.agreed for level in self.levels)

    @property
    def values(self) -> int:
        return sum(level.values for level in self.levels)

    @property
    def first_failure(self) -> tuple[LevelRecord, CaseRecord] | None:
        """The first level with a failure that counts, and its first failure."""
        for level in self.levels:
            if level.failures and level.verdict not in ("unsupported", "fixed"):
                return level, level.failures[0]
        return None


def schema() -> dict[str, Any]:
    """The JSON Schema of a record."""
    found: dict[str, Any] = msgspec.json.schema(Record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A record of one run",
        **found,
    }


def text_of(record: Record) -> str:
    return json.dumps(msgspec.to_builtins(record), indent=1, ensure_ascii=False) + "\n"


def parse(data: bytes | str, what: str) -> Record:
    """The record in a JSON text. Raises ManifestError, which names `what` and the place that is wrong."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{what} is not a JSON file: {error}") from None
    if not isinstance(content, dict):
        raise ManifestError(f"{what} does not hold a record, but {type(content).__name__}")
    version = content.get("schema")
    if isinstance(version, int) and version != VERSION:
        raise ManifestError(
            f"{what} has the form of version {version}; this is version {VERSION}",
            hint="run the port again: that writes a record of the present form",
            code="schema-version",
        )
    try:
        return msgspec.convert(content, Record)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{what} does not fit record.schema.json: {error}") from None


def by_port(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: record.port)
