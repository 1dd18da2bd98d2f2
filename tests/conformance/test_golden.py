"""Golden traces that a port computes and the reference confirms."""

from __future__ import annotations

import sys

import pytest

from conformance import golden
from conformance.cases import arith

REFERENCE = f"{sys.executable} -m reference"
SAYS_NOTHING = "import sys; print('ok ' + sys.stdin.readline().split()[1] + chr(10) + 'end')"
WRONG = f'{sys.executable} -c "{SAYS_NOTHING}"'
REQUESTS = [case.request() for case in arith.cases()]


def test_a_conforming_program_gives_the_bytes_of_the_reference() -> None:
    for request in REQUESTS[:3]:
        assert golden.reply_to(request, REFERENCE) == golden.reply_to(request)


def test_a_wrong_program_is_found_out_by_the_replies_that_are_confirmed() -> None:
    with pytest.raises(SystemExit, match="does not conform: it answers 'arith "):
        for request in REQUESTS:
            golden.reply_to(request, WRONG)


def test_what_it_answers_is_taken_where_nothing_is_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden, "CONFIRMED", 257)  # no hash begins with a multiple of it but 0
    request = next(r for r in REQUESTS if golden.hash_of(r)[:2] != "00")
    assert golden.reply_to(request, WRONG).endswith(b"\nend\n")
    assert golden.reply_to(request, WRONG) != golden.reply_to(request)


def test_errors_are_the_references_own() -> None:
    request = b"arith bad\nsqrt no\nend\n"
    assert golden.reply_to(request, WRONG.replace("ok", "error")) == golden.reply_to(request)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(SystemExit, match="--by 'no-such-program' does not start"):
        golden.reply_to(REQUESTS[0], "no-such-program")
