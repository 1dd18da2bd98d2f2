"""Claims about measuring how far functions are from the truth."""

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from conformance.messages import Reply, Request
from harness import paths
from harness.errors import ManifestError, ProtocolFault
from harness.measure.accuracy import (
    FUNCTIONS,
    Truth,
    accuracy_of,
    calls,
    measure,
    of_session,
    of_this_python,
    truth,
    truths,
)
from harness.report import accuracy as results
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.session import Session
from reference import exactmath

FEW = 300


def exactly(function, asked):
    return [getattr(exactmath, function)(*arguments) for arguments in asked]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_correctly_rounded_functions_are_half_an_ulp_off_at_the_most(function: str):
    found = accuracy_of(function, calls(function, FEW), exactly(function, calls(function, FEW)))
    assert 0.4 < found.max_ulps <= 0.5
    assert (found.wrong, found.broken, found.inputs) == (0, 0, FEW)
    assert [found.histogram[0].count, sum(each.count for each in found.histogram)] == [FEW, FEW]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_true_value_is_known_far_better_than_a_double(function: str):
    for arguments in calls(function, FEW):
        low, high, exponent = exactmath.interval(function, abs(arguments[0]), *arguments[1:])
        assert high - low <= abs(low) >> 100
        true = truth(function, arguments)
        value = Fraction(true.n) * Fraction(2) ** true.exponent
        if math.isfinite(true.nearest):
            assert abs(Fraction(true.nearest) - value) <= Fraction(math.ulp(true.nearest))


def test_an_error_is_a_fraction_of_an_ulp():
    half_way = Truth(1.0, 3 * 2**60 + 2**61, -62)  # 1.25
    assert half_way.error(1.25) == 0.0
    assert half_way.error(1.0) == 2.0**50
    a_third = Truth(1.0, (3 << 100) + 1, -100)
    assert a_third.error(3.0) == pytest.approx(2.0**-48)
    assert Truth(1.0, 2**60, -60).error(math.nextafter(1.0, 2.0)) == 1.0


def test_a_nan_or_an_infinity_for_a_number_is_broken_and_the_worst():
    asked = calls("exp", FEW)
    right = exactly("exp", asked)
    for bad in (math.nan, math.inf):
        found = accuracy_of("exp", asked, [*right[:7], bad, *right[8:]])
        assert (found.broken, found.wrong) == (1, 1)
        assert found.worst.call == f"exp({asked[7][0]!r})"
        assert found.histogram[-1].count == 1
        assert found.max_ulps <= 0.5


def test_an_answer_two_doubles_off_is_counted_as_such():
    asked = calls("log", FEW)
    right = exactly("log", asked)
    off = math.nextafter(math.nextafter(right[3], math.inf), math.inf)
    found = accuracy_of("log", asked, [*right[:3], off, *right[4:]])
    assert found.wrong == 1
    assert [each.count for each in found.histogram if each.least == each.most == 2] == [1]
    assert 1.5 <= found.max_ulps <= 2.5
    assert found.worst.expected != found.worst.got


def test_inputs_are_the_same_for_all_and_known_by_their_seed():
    assert calls("pow", FEW) == calls("pow", FEW)
    assert calls("pow", FEW, 1) != calls("pow", FEW, 2)
    assert len(truths("sin", FEW)) == FEW


def test_a_port_is_asked_for_its_own_functions():
    command = f"{sys.executable} -m reference conform"
    limits = Limits(request=60.0)
    with Session(lambda: LocalProcess(command, paths.root(), limits), limits) as session:
        assert measure(of_session(session), FEW) == measure(of_this_python, FEW)


class Says:
    """A session with a port that says the same to everything."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply

    def ask(self, request: Request) -> Reply:
        return self.reply


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply("a", False, "out of order"), "out of order"),
        (Reply("a", True, "", ("exp 3ff0000000000000",)), "not 2 lines"),
        (Reply("a", True, "", ("exp 3ff0000000000000", "log 3ff0000000000000")), "not 2 lines"),
        (Reply("a", True, "", ("exp 1.0", "exp 2.0")), "no double"),
    ],
)
def test_a_reply_of_another_form_is_named(reply: Reply, says: str):
    with pytest.raises(ProtocolFault, match=says):
        of_session(Says(reply))("exp", [(1.0,), (2.0,)])  # type: ignore[arg-type]


def entry(port: str) -> results.Entry:
    return results.entry(results.Subject(port, "C", "gcc 14", "docker"), measure(of_this_python, FEW), FEW)


def test_a_measurement_replaces_its_own_entry_and_no_other(tmp_path: Path):
    path = tmp_path / "published" / "accuracy.json"
    results.save([entry("b"), entry("c")], path)
    kept = results.save([results.entry(results.Subject("b", "B", "", "local"), None), entry("a")], path)
    assert [known["port"] for known in kept] == ["a", "b", "c"]
    assert kept[1]["functions"] is None
    assert results.load(path) == kept
    text = (tmp_path / "accuracy.md").read_text()
    assert "| a | exp |" in text and "| b | exp |" not in text


def test_a_file_of_another_form_is_named(tmp_path: Path):
    path = tmp_path / "accuracy.json"
    for content in ("{", json.dumps({"schema": 1, "ports": [{"port": "c"}]})):
        path.write_text(content)
        with pytest.raises(ManifestError, match="accuracy.json"):
            results.load(path)


def test_what_is_kept_in_results_is_of_the_form_and_in_step_with_its_table():
    entries = results.load()
    assert entries
    table = paths.results_dir() / "accuracy.md"
    assert table.read_text(encoding="utf-8") == results.markdown(entries)


def test_one_line_says_it_all():
    found = entry("c")
    assert "exp 0." in results.line(found)
    assert "no functions of its own" in results.line(
        results.entry(results.Subject("c", "C", "", "docker"), None)
    )
