"""Claims about `python -m conformance.check_math`: what it says, and with which status it ends."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PORT = """
import sys
from reference import nativemath
from conformance.math_inputs import from_bits
from conformance.check_math import call, hexadecimal
for line in sys.stdin:
    words = line.split()
    if words[0] == "math" and len(words[1]) > 6:
        print("ok", words[1])
    elif words[0] == "end":
        print("end", flush=True)
    elif words[0] != "math":
        value = getattr(nativemath, words[0])(*(from_bits(int(w, 16)) for w in words[1:]))
        print(words[0], hexadecimal(value))
"""


def run(*options: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "conformance.check_math", "--count", "150", "--jobs", "1", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


READ = "import sys\nfor line in sys.stdin:\n    if line == 'end\\n': break\n"


def python(program: str) -> str:
    return shlex.join([sys.executable, "-c", program])


def test_the_reference_passes_and_every_function_has_a_line() -> None:
    status, out, err = run()
    assert (status, err) == (0, "")
    assert [line.split()[:5] for line in out.splitlines()] == [
        [function, "150", "inputs", "0", "mismatches"] for function in ("exp", "log", "sin", "cos", "pow")
    ]


def test_a_port_with_library_functions_fails_and_its_wrong_results_are_shown() -> None:
    status, out, err = run("--function", "exp", "--port-command", python(PORT), "--native")
    assert (status, err) == (1, "")
    first, *examples = out.splitlines()
    wrong = int(first.split()[3])
    assert wrong > 0
    assert f"native differs on {wrong / 150:.4%}" in first
    assert len(examples) == min(wrong, 5)
    assert all(" expected, " in example and example.endswith(" got") for example in examples)


FLOOD = """
import os, signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
while os.write(1, b"yes " * 99 + b"\\n"): pass
"""


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("pass", "ended its output too early"),
        ("import time; time.sleep(30)", "was silent for 1 s (see --timeout)"),
        ("print('ok check-1'); print('end')", "was to answer `ok check-1`, 150 lines and `end`"),
        ("print('error check-1 unsupported'); print('end')", "`error check-1 unsupported` as the first"),
        (FLOOD, "line 152 was `yes yes"),
        ("print('\\n'.join(['ok check-1', *['exp 1.5'] * 150, 'end']))", "it answered `exp 1.5`"),
    ],
)
def test_a_port_that_cannot_be_checked_ends_with_a_sentence(program: str, sentence: str) -> None:
    port = python(READ + program)  # it would otherwise be gone before it is asked
    status, out, err = run("--function", "exp", "--timeout", "1", "--port-command", port)
    assert (status, out) == (2, "")
    assert sentence in err.splitlines()[-1]


def test_a_port_that_does_not_exist_ends_with_a_sentence() -> None:
    status, out, err = run("--port-command", "./no-such-program")
    assert (status, out) == (2, "")
    assert err.startswith("`./no-such-program` could not be started")


def test_bad_options_are_refused() -> None:
    for options in (["--count", "0"], ["--count", "many"], ["--function", "tan"], ["--jobs", "-1"]):
        status, _, err = run(*options)
        assert status == 2
        assert "Traceback" not in err
