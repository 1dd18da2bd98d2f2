"""JUnit XML, for the test viewers of Jenkins, GitHub and GitLab.

A suite for each level of each port, a test case for each case of the ladder. What counts against the port,
and only that, is a failure or an error. Cases above the level that it claims are skipped if they disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from harness.judge.climb import FAULTS
from harness.report import terminal
from harness.report.escape import xml
from harness.report.record import LevelRecord, Record


def junit(records: Sequence[Record]) -> str:
    root = JUnitXml("microgpt conformance")
    for record in records:
        for suite in _suites(record):
            suite.timestamp = record.finished[:19]
            root.add_testsuite(suite)
    text: bytes = root.tostring()  # type: ignore[no-untyped-call]
    return text.decode("utf-8")


def _suites(record: Record) -> Iterator[TestSuite]:
    if not any(level.agreed or level.failures for level in record.levels):
        log = "\n".join(record.fault.log) if record.fault else ""
        suite = TestSuite(f"{record.port} build")
        suite.add_testcase(_case(record, "build", "build", Error, terminal.sentence(record), log))
        yield suite
    for level in record.levels:
        suite = TestSuite(xml(f"{record.port} {level.level:02d} {level.verb}"))
        counts = record.only_level is not None or level.level <= record.claimed_level
        for case in _cases(record, level, counts):
            suite.add_testcase(case)
        suite.time = level.seconds
        yield suite


def _cases(record: Record, level: LevelRecord, counts: bool) -> Iterator[TestCase]:
    reasons = {known.case: known.reason for known in record.known}
    for name in level.others.get("agrees", ()):
        yield _case(record, level.verb, name)
    for name in level.others.get("known", ()):
        reason = reasons.get(f"{level.verb}/{name}", "")
        yield _case(record, level.verb, name, Skipped, f"expected failure: {reason}")
    for name in level.others.get("not run", ()):
        yield _case(record, level.verb, name, Skipped, "not asked after what came before")
    for failure in level.failures:
        if not counts:
            reason = f"above level {record.claimed_level}, which the port claims"
            yield _case(record, level.verb, failure.name, Skipped, reason)
            continue
        details = terminal.explain_case(failure)
        kind = Error if failure.verdict in FAULTS else Failure
        repeat = terminal.repeat_line(record, failure.case)
        yield _case(
            record, level.verb, failure.name, kind, details.partition("\n")[0], f"{details}\n{repeat}"
        )


def _case(
    record: Record,
    verb: str,
    name: str,
    kind: type[Error] | type[Failure] | type[Skipped] | None = None,
    sentence: str = "",
    details: str = "",
) -> TestCase:
    case = TestCase(xml(name), xml(f"{record.port}.{verb}"))
    if kind is not None:
        result = kind(xml(sentence))
        if details:
            result.text = xml(details)
        case.result = [result]
    return case
