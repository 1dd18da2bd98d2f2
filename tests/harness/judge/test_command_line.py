"""Claims about the mark `command line`: what a port prints, how it ends, and in which circumstances."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from conformance.cases.command_line import FOLDER, Run, runs
from harness.judge import command_line
from harness.judge.command_line import command_line as ask
from harness.judge.marks import Tally
from harness.run.circumstances import OTHERS, Circumstances
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.process import Process

SOME = [
    run
    for run in runs()
    if run.name in ("no-last-lf", "crlf", "line-of-70000", "stray-byte", "unknown-preset", "empty")
]
KNOWS_THE_ANSWERS = """
import os, sys
from pathlib import Path
from conformance.cases.command_line import runs
data = sys.stdin.buffer.read()
run = next(r for r in runs() if r.input == data and r.arguments == tuple(sys.argv[1:]))
output, status = run.output, 0 if run.output else 1
sentence = "" if run.output else "microgpt: this cannot be done"
{mistake}
sys.stdout.buffer.write(output)
sys.stderr.write(sentence)
sys.exit(status)
"""


def asked(folder: Path, mistake: str = "", chosen: Sequence[Run] = SOME) -> Tally:
    """What a port comes to that looks its answers up and then makes one mistake."""
    (folder / "port.py").write_text(KNOWS_THE_ANSWERS.format(mistake=mistake))
    root = str(FOLDER.parent.parent)

    def launch(args: Sequence[str], circumstances: Circumstances) -> Process:
        command = f"env PYTHONPATH={root} {sys.executable} -S port.py"
        return LocalProcess(command, folder, Limits(), args, circumstances=circumstances)

    return ask(launch, chosen, Limits())


def test_the_right_output_is_right(tmp_path: Path) -> None:
    tally = asked(tmp_path)
    assert (tally.asked, tally.agreed, tally.failures) == (6, 6, ())


@pytest.mark.parametrize(
    ("mistake", "wrong", "where", "got"),
    [
        (
            "if os.environ['LC_ALL'].startswith('de'): output = output.replace(b'.', b',')",
            "no-last-lf",
            "line 4 of standard output",
            "loss 1,",
        ),
        (
            "if len(data) > 65536: output = output.replace(b': 3', b': 4')",
            "line-of-70000",
            "line 1 of",
            ": 4",
        ),
        (
            "pieces = [data[i : i + 65536] for i in range(0, len(data), 65536)]\n"
            "if b''.join(piece.decode(errors='ignore').encode() for piece in pieces) != data: output = b''",
            "line-of-70000",
            "line 1 of",
            "the end",
        ),
        ("if run.name == 'crlf': output = output[:-1]", "crlf", "standard output", "without an LF"),
        ("output = output or b'num docs: 0'", "empty", "standard output", "num docs: 0"),
        ("status = 0", "empty", "exit status", "ended with exit code 0"),
        ("if run.name == 'no-last-lf': status = 3", "no-last-lf", "exit status", "ended with exit code 3"),
        ("if run.name == 'stray-byte': status = 2", "stray-byte", "exit status", "exit code 2, saying"),
        (
            "if len(data) > 65536: output, status, sentence = b'', 1, 'not UTF-8'",
            "line-of-70000",
            "line 1 of",
            "saying 'not UTF-8'",
        ),
        ("sentence = ''", "empty", "standard error", "nothing"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, mistake: str, wrong: str, where: str, got: str) -> None:
    tally = asked(tmp_path, mistake)
    failure = next(failure for failure in tally.failures if failure.case.name == wrong)
    assert failure.difference is not None and failure.case.id == f"command-line/{wrong}"
    assert where in failure.difference.checkpoint and got in failure.difference.got
    assert f"< {wrong}.input" in failure.difference.asked and "TZ=" in failure.difference.asked


def test_a_crash_is_a_status_and_a_hang_a_fault(tmp_path: Path) -> None:
    crashed = asked(tmp_path, "os.kill(os.getpid(), 11)", SOME[:1])
    difference = crashed.failures[0].difference
    assert difference is not None and "end" in difference.got

    quick = Limits(start=0.5, request=0.5)

    def launch(args: Sequence[str], circumstances: Circumstances) -> Process:
        return LocalProcess("sleep 1000;", tmp_path, quick, args, circumstances=circumstances)

    fault = ask(launch, SOME[:1], quick).failures[0].fault
    assert fault is not None and "did not end within 1 s" in fault.message and "LC_ALL" in fault.message


def test_a_word_that_is_no_preset_may_be_refused_with_2(tmp_path: Path) -> None:
    misuse = [run for run in runs() if run.is_misuse]
    assert misuse and asked(tmp_path, "status = 2", misuse).agreed == len(misuse)


def test_runs_are_told_apart_by_what_they_are_given() -> None:
    given: Callable[[Run], tuple[object, ...]] = lambda run: (run.arguments, run.input)  # noqa: E731
    assert len({given(run) for run in runs()}) == len(list(runs()))
    assert {run.name for run in runs() if not run.output} == {
        *("empty", "blank", "stray-byte", "cut-character", "overlong", "surrogate"),
        *("characters-2048", "unknown-preset"),
    }
    assert sum(run.quick and bool(run.output) for run in runs()) == 1, "slow ports train once"


def test_others_are_no_usual_circumstances() -> None:
    assert command_line.OTHERS == OTHERS
    assert {other.locale for other in OTHERS} == {"de_DE.UTF-8", "C"}
    assert all(other.stack == 1 << 20 and other.timezone for other in OTHERS)
