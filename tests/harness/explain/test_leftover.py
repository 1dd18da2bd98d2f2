"""Claims on failures that need what an earlier request left behind: the requests that matter are found."""

from __future__ import annotations

from conformance import ladder
from conformance.ladder import Case
from conformance.messages import Reply, Request
from harness.explain.leftover import TIMES, by_chance, needed
from harness.judge.climb import CaseResult, judge_case
from harness.judge.compare import compare
from harness.run.limits import Limits

CASES = [case for level in ladder.levels()[1:6] for case in level.cases if not case.large][:40]
FAILING = CASES[-1]


class Forgetful:
    """A session with a port that answers FAILING wrongly once it has been asked all of `poison`."""

    def __init__(self, poison: set[str], wrong: str = "") -> None:
        self.wrong = list(wrong)
        self.limits = Limits()
        self.poison = poison
        self.seen: set[str] = set()
        self.right = {case.request.id + case.level.verb: case.golden for case in CASES}

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        name = f"{request.verb}/{request.id}"
        golden = self.right[request.id + request.verb]
        is_spoilt = name == FAILING.id and self.poison <= self.seen
        if name == FAILING.id and self.wrong:
            is_spoilt = self.wrong.pop(0) == "x"
        self.seen.add(name)
        return Reply(golden.id, ok=True, lines=golden.lines[:-1]) if is_spoilt else golden

    def kill(self) -> None:
        self.seen.clear()


def found(poison: set[str]) -> list[str]:
    session = Forgetful(poison)
    before: list[Case] = CASES[:-1]
    for case in before:
        judge_case(session, case, "x")  # type: ignore[arg-type]
    failed = judge_case(session, FAILING, "x")  # type: ignore[arg-type]
    assert isinstance(failed, CaseResult) and failed.verdict == "disagrees"
    return [case.id for case in needed(session, before, failed, "x", compare)]  # type: ignore[arg-type]


def test_a_failure_that_shows_alone_needs_nothing_before_it() -> None:
    assert found(set()) == []


def test_the_one_request_that_spoils_a_later_one_is_found() -> None:
    assert found({CASES[3].id}) == [CASES[3].id]


def test_two_requests_that_only_together_spoil_a_later_one_are_both_found() -> None:
    assert found({CASES[5].id, CASES[30].id}) == [CASES[5].id, CASES[30].id]


def failing(session: Forgetful) -> CaseResult:
    result = judge_case(session, FAILING, "x")  # type: ignore[arg-type]
    assert isinstance(result, CaseResult)
    return result


def test_what_fails_now_and_then_is_not_blamed_on_what_came_before() -> None:
    session = Forgetful({"never"}, "x" + ".x" + "x" * 5 + "xx")
    failed = failing(session)
    assert needed(session, CASES[:2], failed, "x", compare) == []  # type: ignore[arg-type]


def test_an_answer_that_varies_is_said_to() -> None:
    session = Forgetful({"never"}, "x" + ".x..")
    said = by_chance(session, failing(session), "x", compare)  # type: ignore[arg-type]
    assert f"asked alone {TIMES} times, it gives 2 different answers" in said
    steady = Forgetful(set())
    assert by_chance(steady, failing(steady), "x", compare) == ""  # type: ignore[arg-type]
