"""Claims about the mark `steady`: what changes an answer is found, and said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from conformance import ladder
from harness.judge import steady as judge
from harness.judge.climb import climb
from harness.judge.compare import compare
from harness.judge.marks import Tally
from harness.judge.steady import Asker, steady
from harness.run.circumstances import USUAL, Circumstances
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.process import Process
from harness.run.session import Session

PORT = """
import locale, os, resource, sys
count = 0
def answer(name, wrong=False):
    global count
    count += 1
    os.write(1, b"ok " + name + b"\\nadd " + (b"1" if wrong else b"0") * 16 + b"\\nend\\n")
rest = b""
while chunk := os.read(0, 1 << 20):
    rest += chunk
    while b"\\nend\\n" in rest:
        request, _, rest = rest.partition(b"\\nend\\n")
        name = request.split(b"\\n")[0].split(b" ")[1]
        wrong = {wrong}
        answer(name, wrong)
        {after}
"""
CASES = ladder.levels()[1].cases[:6]


def asked(folder: Path, wrong: str = "False", after: str = "pass") -> Tally:
    """Six cases of `arith` that all get the same answer, but for what goes wrong in the port."""
    (folder / "port.py").write_text(PORT.format(wrong=wrong, after=after))
    limits = Limits(start=5.0, request=5.0)

    def launch(args: Sequence[str] = (), circumstances: Circumstances = USUAL) -> Process:
        return LocalProcess(f"{sys.executable} -S port.py", folder, limits, args, circumstances=circumstances)

    session = Session(launch, limits)
    found = climb(session, [(ladder.levels()[1], CASES)], "port")
    return steady(Asker(launch, session, "port", compare), found, 7)


def where(tally: Tally) -> set[str]:
    return {failure.difference.asked for failure in tally.failures if failure.difference}


def test_the_same_answers_are_steady_whether_or_not_they_are_right(tmp_path: Path) -> None:
    tally = asked(tmp_path)
    assert (tally.asked, tally.agreed) == (6, 6)


@pytest.mark.parametrize(
    ("wrong", "words", "failures"),
    [
        (
            "os.environ['LC_ALL'] == 'C'",
            "in other circumstances: LC_ALL=C, TZ=America/St_Johns, stack 1 MiB, another working directory",
            3,
        ),
        ("os.environ['LC_ALL'][:2] == 'de'", "in other circumstances: LC_ALL=de_DE.UTF-8, TZ=Asia/Kathm", 3),
        ("'TZ' in os.environ", "TZ=", 6),
        ("os.getcwd() != os.path.dirname(os.path.abspath(__file__))", "another working directory", 3),
        ("locale.setlocale(locale.LC_ALL, '') and f'{1.5:n}' == '1,5'", "LC_ALL=de_DE.UTF-8", 3),
        ("resource.getrlimit(resource.RLIMIT_STACK)[0] == 1 << 20", "stack 1 MiB", 6),
    ],
)
def test_circumstances_that_change_an_answer_are_named(
    tmp_path: Path, wrong: str, words: str, failures: int
) -> None:
    tally = asked(tmp_path, wrong)
    assert len(tally.failures) == failures
    assert all(words in text for text in where(tally))


def test_a_port_that_drops_the_rest_of_a_chunk_is_told_so(tmp_path: Path) -> None:
    tally = asked(tmp_path, after="rest = b''")
    assert where(tally) == {"in other circumstances: several requests at once"}
    assert tally.agreed == 4, (
        "the second request of each write gets no answer; those behind it are asked alone"
    )


def test_a_port_that_dies_in_other_circumstances_is_told_so(tmp_path: Path) -> None:
    tally = asked(tmp_path, "os.environ['LC_ALL'] == 'C' and os.abort()")
    assert all(failure.fault and "LC_ALL=C" in failure.fault.message for failure in tally.failures)


def test_what_an_earlier_request_leaves_behind_is_found(tmp_path: Path) -> None:
    tally = asked(tmp_path, wrong="count == 2")
    assert where(tally) & {
        "asked alone, in a process of its own",
        "in other circumstances: several requests at once",
    }


def test_a_large_request_is_sent_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judge, "AT_ONCE_BYTES", 1)
    assert asked(tmp_path, after="rest = b''").agreed == 6
