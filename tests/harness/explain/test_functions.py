"""Claims about level 3: a shortcut that goes too far is told from a precision that is too small."""

from dataclasses import replace

from conformance import ladder
from conformance.messages import golden_of
from harness.explain.functions import HARD, approach, only_hard, shortcut
from harness.explain.mutants.mutant import Edit, load
from harness.judge.climb import CaseResult, LevelResult

LOG = "    if 0.0 < x < inf:\n"
MATH = next(level for level in ladder.levels() if level.verb == "math")


def said(function: str, old: str, new: str) -> str:
    request = approach(function)
    assert request is not None
    return shortcut(request, golden_of(request), load([Edit("exactmath", old, new)])(request))


def test_a_shortcut_that_goes_too_far_is_found_where_it_begins() -> None:
    clue = said("log", LOG, "    if abs(x - 1.0) < 1e-6:\n        return x - 1.0\n" + LOG)
    assert "log is wrong from about 1 + 2^-20 on" in clue


def test_a_function_that_is_wrong_far_away_too_has_no_shortcut_to_blame() -> None:
    assert said("log", LOG, "    if x == 1.5:\n        return 0.4\n" + LOG) == ""


def test_hard_arguments_alone_are_a_matter_of_precision() -> None:
    right = [CaseResult(case, "agrees") for case in MATH.cases]
    wrong = [replace(one, verdict="disagrees") if "hard" in one.case.name else one for one in right]
    assert only_hard([LevelResult(MATH, "disagrees", tuple(wrong))]) == HARD
    some = next(i for i, one in enumerate(wrong) if one.verdict == "agrees")
    wrong[some] = replace(wrong[some], verdict="disagrees")
    assert only_hard([LevelResult(MATH, "disagrees", tuple(wrong))]) == ""
