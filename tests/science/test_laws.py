"""The laws hold for the reference, each is about a line of it, and known mistakes break them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from conformance.messages import Reply, Request, golden_of
from harness.cli import main as cli
from harness.cli import progress
from harness.explain.mutants.catalogue import MUTANTS
from science.laws import flows, hunt, models
from science.laws.asking import Asker
from science.laws.ledger import LAWS, Outcome, judge
from science.laws.planted import PLANTED

pytestmark = pytest.mark.xdist_group("laws")  # they share what the reference answers


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return list(hunt.judge_all(Asker(golden_of)))


def test_the_reference_keeps_every_law(outcomes: list[Outcome]):
    broken = [(outcome.law.name, outcome.broken[:1]) for outcome in outcomes if outcome.broken]
    assert not broken


def test_there_are_fourteen_flows_and_more_assertions_than_were_claimed(outcomes: list[Outcome]):
    counted = Counter({flow: 0 for flow in flows.FLOWS})
    for outcome in outcomes:
        counted[outcome.law.flow] += outcome.held
    assert len(counted) == 14 and min(counted.values()) >= 100
    assert sum(counted.values()) >= 2324


def test_names_are_given_once_and_every_law_speaks_of_a_line_that_is_there():
    names = Counter(one.name for one in LAWS)
    assert max(names.values()) == 1
    assert all(one.line_number > 0 and one.code for one in LAWS)


def test_a_law_s_assertions_have_names_of_their_own(outcomes: list[Outcome]):
    for one in LAWS[:20]:
        named = Counter(assertion.name for assertion in one.check(Asker(golden_of)))
        assert max(named.values()) == 1, one.name


@pytest.mark.parametrize(
    "mistake, law",
    [
        ("no-bias-correction", "the-first-step-has-the-size-of-the-rate"),
        ("norm-without-division-by-n", "mean-square-is-nearly-one"),
        ("documents-end", "losses-of-a-run-are-those-of-its-training"),
        ("samples-go-on", "each-sample-begins-afresh"),
    ],
)
def test_a_known_mistake_breaks_its_law_and_no_other(mistake: str, law: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "DOCUMENTS", 1)
    monkeypatch.setattr(hunt, "LAWS", [one for one in LAWS if one.name in (law, "weights-sum-to-one")])
    assert hunt.broken_by(mistake) == (mistake, [law])


def test_the_kept_hunt_is_of_these_laws_and_mistakes_and_no_law_is_trivially_true():
    found = json.loads(hunt.file().read_text(encoding="utf-8"))
    assert {one["name"] for one in found["laws"]} == {one.name for one in LAWS}
    assert list(found["mutants"]) == [one.name for one in MUTANTS if not one.rounding]
    assert [one["name"] for one in found["planted"]] == [one.name for one in PLANTED]
    assert not hunt.unbroken(found)


def test_at_least_85_in_100_mistakes_that_are_more_than_rounding_break_a_law():
    caught, asked = hunt.share_caught(json.loads(hunt.file().read_text(encoding="utf-8")))
    assert caught >= 0.85 * asked


def test_a_refusal_breaks_the_law_that_asked_and_nothing_else():
    refused = Reply("x", False, "no")

    def answer(request: Request) -> Reply:
        return refused if request.verb == "adam" else golden_of(request)

    by_name = {one.name: one for one in LAWS}
    assert judge(by_name["a-rate-of-0-moves-nothing"], Asker(answer)).broken
    assert not judge(by_name["weights-sum-to-one"], Asker(answer)).broken


def test_progress_is_told_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "SPOKEN", 0.0)
    told = CliRunner().invoke(cli.main, ["laws", "--flow", "seeding and words"]).stderr
    assert "1 of 7: laws judged, seeding and words" in told and "7 of 7" in told
    monkeypatch.setattr(progress, "SPOKEN", 1e9)
    assert not CliRunner().invoke(cli.main, ["laws", "--flow", "seeding and words"]).stderr


def test_the_command_shows_flows_and_names_what_is_broken(monkeypatch: pytest.MonkeyPatch):
    found = CliRunner().invoke(cli.main, ["laws", "--flow", "seeding and words"])
    assert found.exit_code == 0 and "7 of 7 laws kept" in found.output
    assert CliRunner().invoke(cli.main, ["laws", "--flow", "nonsense"]).exit_code == 2
    assert "there is no port named" in CliRunner().invoke(cli.main, ["laws", "nonsense"]).output
