"""Claims on JUnit XML: viewers can read it, and it is red exactly when the port does not conform."""

from pathlib import Path

import junitparser
import pytest
import records
import xmlschema

from harness.errors import BuildFailed, PortCrashed
from harness.report.junit import junit
from harness.report.making import build_failure
from harness.report.record import Record

SCHEMA = xmlschema.XMLSchema(Path(__file__).parent / "xunit2.xsd")
LOST = PortCrashed("the port ended", log=("bell \a, escape \x1b[1m, half a pair \ud800, and ]]> & <b>",))
FAILED = BuildFailed("gcc exited with code 1", command="gcc x.c", log=("x.c:1: error",))
BUILD = build_failure(records.manifest(), FAILED, "docker", records.RAN)

RECORDS = {
    "conforms": records.made(),
    "one case disagrees": records.made({"backward/2": "disagrees"}),
    "a level crashes": records.made({"adam/0": "crashed", "adam/1": "not run"}, fault=LOST),
    "a verb is missing below the claim": records.made({"run": "unsupported"}),
    "a verb is missing above the claim": records.made({"run": "unsupported"}, level=11),
    "a level disagrees above the claim": records.made({"run/1": "disagrees"}, level=11),
    "a expected failure": records.made({"math/1": "known"}, known=(records.known("math/x"),)),
    "a expected failure that passes": records.made({"math/1": "fixed"}, known=(records.known("math/x"),)),
    "one level, above the claim, disagrees": records.made({"run/1": "disagrees"}, level=3, chosen=12),
    "nothing was asked": records.made(dict.fromkeys(("hello", "run"), "not run"), chosen=1),
    "the build failed": BUILD,
}


def parsed(made: Record) -> junitparser.JUnitXml:
    text = junit([made])
    SCHEMA.validate(text)
    return junitparser.JUnitXml.fromstring(text.encode())


@pytest.mark.parametrize("name", RECORDS)
def test_it_is_red_exactly_when_the_port_does_not_conform(name: str):
    made = RECORDS[name]
    red = sum(suite.failures + suite.errors for suite in parsed(made))
    assert (red == 0) == (made.outcome == "conforms")


@pytest.mark.parametrize("name", RECORDS)
def test_the_counts_of_a_suite_are_those_of_its_cases(name: str):
    for suite in parsed(RECORDS[name]):
        told = (suite.tests, suite.failures, suite.errors, suite.skipped)
        suite.update_statistics()
        assert told == (suite.tests, suite.failures, suite.errors, suite.skipped)


def test_every_case_of_the_ladder_is_a_test_case():
    for name in ("conforms", "one case disagrees", "a level crashes"):
        cases = [(case.classname, case.name) for suite in parsed(RECORDS[name]) for case in suite]
        assert len(cases) == len(set(cases)) == sum(level.cases for level in RECORDS[name].levels)


def test_a_failure_says_where_and_how_to_repeat_it():
    [failure] = [
        entry for suite in parsed(RECORDS["one case disagrees"]) for case in suite for entry in case.result
    ]
    assert isinstance(failure, junitparser.Failure)
    assert failure.message == "first difference: wte[0][2] (line 7 of the reply)"
    for part in ("3fdb1caa62c728bf", "2 ulps", "make conform PORT=lua CASE=backward/"):
        assert part in failure.text


def test_what_xml_cannot_hold_is_replaced():
    [error] = [
        entry
        for suite in parsed(RECORDS["a level crashes"])
        for case in suite
        for entry in case.result
        if isinstance(entry, junitparser.Error)
    ]
    assert "bell \ufffd, escape \ufffd[1m, half a pair \ufffd, and ]]> & <b>" in error.text


def test_the_schema_refuses_what_viewers_would():
    text = junit([RECORDS["conforms"]])
    for wrong in (
        text.replace(' errors="0"', "", 1),
        text.replace("<testcase ", "<test ", 1).replace("/>", "></test>", 1),
        text.replace('name="example"', "", 1),
        text.replace('tests="4"', 'tests="four"', 1),
    ):
        assert wrong != text
        with pytest.raises((xmlschema.XMLSchemaException, SyntaxError)):
            SCHEMA.validate(wrong)
