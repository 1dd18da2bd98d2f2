"""JUnit XML as Jenkins, GitHub's viewers and GitLab read it (the form that pytest calls xunit2).

A suite for each level of each port, a test case for each case of the ladder. What counts against the port,
and only that, is a failure or an error. Cases above the level that it claims are skipped if they disagree.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence

from harness.judge.climb import FAULTS
from harness.report import terminal
from harness.report.record import Record

Outcome = tuple[str, str, str, str]
"""Name of the case; failure, error, skipped or nothing; a sentence; details."""


def junit(records: Sequence[Record]) -> str:
    root = ET.Element("testsuites", name="microgpt conformance")
    for record in records:
        for name, seconds, outcomes in _suites(record):
            _add_suite(root, record, name, seconds, list(outcomes))
    ET.indent(root, " ")
    text: str = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _suites(record: Record) -> Iterator[tuple[str, float, Iterator[Outcome]]]:
    if not any(level["agreed"] or level["failures"] for level in record["levels"]):
        reason = terminal.sentence(record)
        details = "\n".join(record["fault"]["log"]) if "fault" in record else ""
        yield "build", record["seconds"]["build"], iter([("build", "error", reason, details)])
    for level in record["levels"]:
        counts = record["only_level"] is not None or level["level"] <= record["claimed_level"]
        yield f"{level['level']:02d} {level['verb']}", level["seconds"], _outcomes(record, level, counts)


def _outcomes(record: Record, level: Record, counts: bool) -> Iterator[Outcome]:
    reasons = {known["case"]: known["reason"] for known in record["known"]}
    for verdict, names in level["others"].items():
        for name in names:
            reason = reasons.get(f"{level['verb']}/{name}", "")
            match verdict:
                case "known":
                    yield name, "skipped", f"a known shortcoming: {reason}", ""
                case "not run":
                    yield name, "skipped", "not asked after what came before", ""
                case _:
                    yield name, "", "", ""
    for failure in level["failures"]:
        name = failure["case"].partition("/")[2]
        if not counts:
            yield name, "skipped", f"above level {record['claimed_level']}, which the port claims", ""
            continue
        repeat = terminal.repeat_line(record, failure["case"])
        details = terminal.explain_case(failure)
        kind = "error" if failure["verdict"] in FAULTS else "failure"
        yield name, kind, details.partition("\n")[0], f"{details}\n{repeat}"


def _add_suite(
    root: ET.Element, record: Record, name: str, seconds: float, outcomes: Sequence[Outcome]
) -> None:
    kinds = [kind for _, kind, _, _ in outcomes]
    suite = ET.SubElement(
        root,
        "testsuite",
        name=f"{record['port']} {name}",
        tests=str(len(kinds)),
        failures=str(kinds.count("failure")),
        errors=str(kinds.count("error")),
        skipped=str(kinds.count("skipped")),
        time=f"{seconds:.3f}",
        timestamp=record["finished"][:19],
    )
    for case_name, kind, sentence, details in outcomes:
        verb = name.rpartition(" ")[2]
        case = ET.SubElement(suite, "testcase", classname=f"{record['port']}.{verb}", name=case_name)
        if kind:
            child = ET.SubElement(case, kind, message=_xml(sentence))
            child.text = _xml(details) or None


def _xml(text: str) -> str:
    """Without the characters that XML 1.0 cannot hold: what a port wrote to its log may have any."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
