"""Claims about the mutants: each is one real mistake, the suite catches it, and the diagnosis names it."""

from fractions import Fraction

import pytest
from click.testing import CliRunner
from sampling import sample

from conformance import ladder
from conformance.messages import Request, golden_of
from harness.cli import main as cli
from harness.explain.mutants import diagnose, hunt, rounding, table
from harness.explain.mutants.catalogue import AREAS, MUTANTS
from harness.explain.mutants.hunt import Catch
from harness.explain.mutants.mutant import Edit, EditFails, Mutant, load
from harness.explain.mutants.trial import climb, trial

HARMLESS = Edit(
    "microgpt", '"""The new p, m and v of every parameter', '"""New p, m and v of every parameter'
)


def test_the_catalogue_is_large_and_each_entry_says_what_and_why():
    assert len(MUTANTS) >= 120
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.area for mutant in MUTANTS} == set(AREAS)
    for mutant in MUTANTS:
        assert mutant.what and not mutant.what.endswith("."), mutant.name
        assert mutant.why.endswith("."), mutant.name


@pytest.mark.slow
def test_every_mutant_can_be_made():
    for mutant in MUTANTS:
        load(mutant.changes)


def test_a_mutant_leaves_the_reference_alone():
    case = ladder.find_case("adam/example")
    mutant = load(hunt.find("no-bias-correction").changes)
    assert mutant(case.request) != case.golden
    assert golden_of(case.request) == case.golden


@pytest.mark.parametrize("old", ["no such line", "return"])
def test_an_edit_must_fit_once(old):
    with pytest.raises(EditFails, match="not once"):
        load([Edit("microgpt", old, "")])


def test_a_mutant_that_crashes_answers_with_an_error():
    crash = Edit("replies", "    optimizer = read_optimizer(fields)\n", "    raise ZeroDivisionError\n")
    crashing = load([crash])
    reply = crashing(ladder.find_case("adam/example").request)
    assert (reply.ok, reply.reason) == (False, "crashed:ZeroDivisionError")


def test_the_kept_table_is_of_this_catalogue_and_has_no_survivor():
    diagnose._caught.cache_clear()  # another test may have asked with other results
    kept = diagnose._caught()
    assert kept, "results/mutants.json is of another version: run make mutants"
    assert set(kept) == {mutant.name for mutant in MUTANTS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("fused-everywhere", "arith"),
        ("library-exp", "math"),
        ("gauss-keeps-the-scaled", "random"),
        ("documents-cut-by-one", "tokens/example"),
        ("stack-walk", "graph"),
        ("eps-of-1e-6", "forward"),
        ("keys-and-values-without-history", "backward"),
        ("schedule-one-step-on", "adam"),
    ],
)
def test_a_mistake_is_caught_by_the_level_that_it_belongs_to(name, case):
    assert hunt.hunt(name).case.startswith(case)


def test_a_survivor_is_a_failure(monkeypatch):
    survivor = Mutant("harmless", "nothing is different", "It is a comment.", (HARMLESS,), area="loss")
    monkeypatch.setitem(hunt._BY_NAME, "harmless", survivor)
    monkeypatch.setattr(ladder, "levels", lambda: real()[:2])
    assert hunt.hunt("harmless") == Catch("harmless")
    caught = Catch("greedy", 11, "sample/example", "token", None, 11)
    assert table.sentence([Catch("harmless"), caught]) == "1 of 2 mutants survive: harmless"
    assert "**nothing**" in table.text([Catch("harmless")])


real = ladder.levels


def test_an_unknown_mutant_is_a_wrong_command():
    result = CliRunner().invoke(cli.main, ["mutants", "gaus"])
    assert result.exit_code == 2
    assert "no mutant is named gaus" in result.output


SINGLE = (
    "divide-by-reciprocal",
    "pairwise-sums",
    "exp-by-power-of-e",
    "shuffle-upwards",
    "characters-by-locale",
    "gradient-assigned",
    "softmax-without-maximum",
    "heads-interleaved",
    "m-by-difference",
)
PAIRS = (
    ("eps-of-1e-6", "no-bias-correction"),
    ("adam-eps-inside-the-root", "schedule-one-step-on"),
    ("scale-missing", "softmax-without-maximum"),
    ("gauss-sine-first", "shuffle-upwards"),
    ("true-division", "order-of-creation"),
)
PATIENCE = 3600.0
"""Seconds for a diagnosis: a busy machine changes nothing."""


@pytest.mark.slow
@pytest.mark.parametrize("name", sample(2, SINGLE))
def test_the_right_mistake_is_named_first(name):
    assert trial((name,), PATIENCE).right


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sum-adds-to-the-term", "children-from-right"])
def test_a_sum_the_wrong_way_round_is_told_from_children_from_the_right(name):
    assert trial((name,), PATIENCE).named == (((name,),),)


@pytest.mark.slow
@pytest.mark.parametrize("names", sample(1, PAIRS))
def test_two_mistakes_are_both_named(names):
    assert trial(names, PATIENCE).right


@pytest.mark.slow
def test_a_mistake_that_nobody_knows_gets_no_diagnosis(monkeypatch):
    unknown = Mutant("unknown", "x", "y.", (Edit("microgpt", "+ 1e-5) ** -0.5", "+ 3e-5) ** -0.5"),))
    monkeypatch.setitem(hunt._BY_NAME, "unknown", unknown)
    assert diagnose.search(list(climb(("unknown",))), map, 60.0) == []


def test_single_precision_is_that_of_binary32():
    assert rounding.single(0.1) == 0.10000000149011612
    assert rounding.single(1e300) == float("inf")


def test_fused_rounds_once():
    a = 1.0 + 2.0**-30
    assert rounding.fused(a, a, -1.0) == float(Fraction(a) ** 2 - 1)
    assert rounding.fused(a, a, -1.0) != a * a - 1.0


def test_extended_rounds_twice():
    a, b = 1.0, 2.0**-53 + 2.0**-65 * 0.75
    assert a + b == 1.0 + 2.0**-52
    assert rounding.extended("+", a, b) == 1.0


def test_a_request_that_is_wrong_is_refused_by_mutants_too():
    mutant = load(hunt.find("gelu").changes)
    assert not mutant(Request("adam", "x", ("steps 0",))).ok
