"""Records for tests of what is made from them: of the reference, judged on four cases of each level."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace as replaced

from conformance import ladder
from harness.build.manifest import Known, Manifest
from harness.build.runners import Prepared
from harness.errors import ConformError
from harness.judge.climb import CaseResult, LevelResult, Verdict
from harness.judge.compare import Difference
from harness.report import store
from harness.report.making import Circumstances, Climb, make
from harness.report.record import Record
from harness.run.session import Timing

PREPARED = Prepared("docker", "a" * 64, False, 1.5, "Test 1.0", image_bytes=217_000_000)
RAN = Circumstances("", "1" * 64, "2" * 64, 2.0, Timing())
OFF = Difference("value", "wte[0][2]", "3fdb1caa62c728bd", "3fdb1caa62c728bf", ulps=2, line=7)


def manifest(**changes: Any) -> Manifest:
    return replace(
        Manifest("lua", "Lua", "lua microgpt.lua", Path(__file__).parents[2] / "ports" / "lua"), **changes
    )


@cache
def _cases() -> tuple[tuple[ladder.Level, tuple[ladder.Case, ...]], ...]:
    return tuple((level, level.cases[:4]) for level in ladder.levels())


def result(case: ladder.Case, verdict: Verdict, fault: ConformError | None, ulps: int) -> CaseResult:
    if verdict == "disagrees":
        off = replace(OFF, ulps=ulps)
        return CaseResult(case, verdict, values=9, different=3, worst_ulps=ulps, difference=off)
    return CaseResult(case, verdict, values=9, fault=fault)


def made(
    verdicts: dict[str, Verdict] | None = None,
    *,
    fault: ConformError | None = None,
    ulps: int = 2,
    chosen: int | None = None,
    **changes: Any,
) -> Record:
    """A record in which every case agrees but those named, as '<verb>/<number from 0>' or as '<verb>'."""
    verdicts = verdicts or {}
    found = []
    for level, cases in _cases():
        if chosen not in (None, level.number):
            continue
        results = tuple(
            result(case, verdicts.get(f"{level.verb}/{i}", verdicts.get(level.verb, "agrees")), fault, ulps)
            for i, case in enumerate(cases)
        )
        others = [r.verdict for r in results if r.verdict not in ("agrees", "not run")]
        found.append(LevelResult(level, [*others, "agrees"][0], results))
    return make(manifest(**changes), PREPARED, Climb(found, chosen=chosen), RAN)


def with_worst(record: Record, index: int, ulps: int) -> Record:
    """The record with a level that agrees, but for allowed differences of so many ulps."""
    level = replaced(record.levels[index], worst_ulps=ulps, different=1)
    return replaced(record, levels=(*record.levels[:index], level, *record.levels[index + 1 :]))


def known(name: str) -> Known:
    return Known(name, "no such rounding", "https://example.org")


def save_all(folder: Path, records: Sequence[Record]) -> Path:
    for each in records:
        store.save(each, folder)
    return folder
