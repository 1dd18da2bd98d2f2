"""Records for tests of what is made from them: of the reference, judged on four cases of each level."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from conformance import ladder
from harness.build.manifest import Known, Manifest
from harness.build.runners import Prepared
from harness.errors import ConformError
from harness.judge.climb import CaseResult, LevelResult, Verdict
from harness.judge.compare import Difference
from harness.report import record
from harness.run.session import Timing

PREPARED = Prepared("docker", "a" * 64, False, 1.5, "Test 1.0", image_bytes=217_000_000)
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
) -> record.Record:
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
    built = record.build_record(
        manifest(**changes),
        PREPARED,
        found,
        key="",
        suite_hash="1" * 64,
        timing=Timing(),
        seconds=2.0,
        chosen=chosen,
    )
    return deepcopy(built)


def known(name: str) -> Known:
    return Known(name, "no such rounding", "https://example.org")


def save_all(folder: Path, records: Sequence[record.Record]) -> Path:
    for each in records:
        record.save(each, folder)
    return folder
