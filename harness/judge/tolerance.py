"""Judges a reply within the measured tolerance: what docs/JUDGING.md calls agreement `tolerance`.

The spread of every quantity of every case, when each function's result moves by one ulp, is kept in
`conformance/tolerance.json`. Each value of a quantity may be off by FACTOR times its spread: an absolute
distance, since near zero a count of ulps says nothing. What no function has a part in must be equal in every
bit. Not for measuring: see `conformance/spread.py`.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from conformance import verbs
from conformance.bounds import RUNS, SEED, Bounds, BrokenBounds, digest, load
from conformance.doubles import double_of
from conformance.ladder import find_case
from conformance.messages import Reply, Request
from conformance.spread import CHECKSUM, FACTOR, Spread, distance, quantities
from harness.errors import ConformError, MachineFault, ManifestError, ProtocolFault
from harness.judge.climb import FAULTS
from harness.judge.compare import Allow, Allowance, Comparison, Difference, compare
from harness.run.reaper import python_environment
from harness.run.session import Session
from reference.protocol.wire import checksum

_EXACT = Allowance(
    math.inf, "none: no exp, log, sin, cos or pow has a part in it, so every bit must be equal"
)
_TEXT = Allowance(math.inf, "none: a move of the functions by an ulp does not change it")
_UNJUDGED = Allowance(0.0, "")
_OWN_TENSORS = "none: it must be the checksum of the tensors in the same reply"


@cache
def _known() -> Bounds:
    """Raises ManifestError if the file of the tolerances is broken."""
    try:
        return load()
    except BrokenBounds as problem:
        raise ManifestError(str(problem)) from None


def spread(request: Request, golden: Reply) -> Spread:
    """How far each quantity of the reply may move by one ulp a call: looked up, else measured now."""
    name = digest(request, golden)
    found = _known().spreads.get(name)
    return found if found is not None else _measured(request, golden)


@cache
def _measured(request: Request, golden: Reply) -> Spread:
    """In a process of its own, because the reference's functions are changed meanwhile."""
    asked = {"request": request.text(), "golden": golden.text(), "runs": RUNS, "seed": SEED}
    done = subprocess.run(
        [sys.executable, "-m", "conformance.spread"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=python_environment(),
    )
    if done.returncode != 0:
        raise MachineFault(
            f"the spread of '{request.id}' could not be measured: exit status {done.returncode}",
            log=done.stderr.splitlines()[-5:],
        )
    answer = json.loads(done.stdout)
    if "problem" in answer:
        raise ManifestError(f"'{request.id}' cannot be judged within a tolerance: {answer['problem']}")
    found: Spread = answer["spread"]
    return found


def compare_within(request: Request, golden: Reply, reply: Reply, port_name: str | None = None) -> Comparison:
    """Like `compare`, but the first difference is the first that is outside its bound.

    Checksums are not compared with the golden trace, but with the tensors of the reply, where it has them.
    """
    found = compare(request, golden, reply, port_name, allowances(request, golden))
    if request.verb == "train" and found.agrees:
        found = replace(found, first=_wrong_checksum(reply.lines))
    return found


def kinds_of_math(session: Session, name: str) -> list[str]:
    """What the port's hello offers: exact, native, or both. Raises ProtocolFault for a wrong hello."""
    example = find_case("hello/example")
    reply = session.ask(example.request)
    difference = compare(example.request, example.golden, reply, name).first
    if difference is not None:
        raise ProtocolFault(
            f"the reply to hello is wrong: expected {difference.expected}, got {difference.got}",
            hint=f"make conform PORT={name} LEVEL=1",
        )
    return reply.lines[3].split(" ")[1:]


def wants_native(session: Session, name: str, asked_for: bool) -> bool:
    """Whether to ask for the port's own functions: if that was asked for, or it has no others.

    Raises ManifestError if it was asked for and the port has none. A port that cannot even say hello is left
    to the ladder, which says so.
    """
    try:
        kinds = kinds_of_math(session, name)
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        return asked_for
    if asked_for and "native" not in kinds:
        raise ManifestError(
            f"{name} has no functions of its own to ask for: its hello says 'math {' '.join(kinds)}'",
            hint="leave out --math native (make: MATH=native)",
        )
    return asked_for or "exact" not in kinds


def in_native(request: Request) -> Request:
    """The same request for the port's own functions."""
    lines = tuple("math native" if line == "math exact" else line for line in request.lines)
    return request if request.raw else replace(request, lines=lines)


def allowances(request: Request, golden: Reply) -> Allow:
    """What may differ in a reply to this request, and how far."""
    if not golden.ok or not verbs.has(request.verb, "moved"):
        return lambda difference: _EXACT
    if request.verb == "math":
        return _function_allowance
    limits = {name: FACTOR * moved for name, moved in spread(request, golden).items()}
    names = quantities(request.verb, golden.lines)

    def allow(difference: Difference) -> Allowance:
        name = names[difference.line - 2] if difference.line - 2 < len(names) else None
        if name == CHECKSUM:
            return _UNJUDGED
        if name is None or difference.kind != "value":
            return _TEXT
        if name not in limits:
            return _EXACT
        return _within(distance(difference.expected, difference.got), limits[name])

    return allow


def _within(off: float, limit: float) -> Allowance:
    share = 0.0 if off == 0.0 or limit == math.inf else off / limit
    return Allowance(share, f"{limit:.3g}, {FACTOR} times the spread measured; it is off by {off:.3g}")


def _function_allowance(difference: Difference) -> Allowance:
    """A function may be FACTOR ulps off, but must be right where IEEE 754 fixes the result."""
    if difference.kind != "value" or difference.ulps is None:
        return _TEXT
    right = double_of(difference.expected)
    function, *arguments = difference.asked.split(" ")
    numbers = [double_of(word) for word in arguments]
    one = function in ("exp", "cos") and numbers == [0.0]
    one = one or (function == "pow" and (numbers[0] == 1.0 or numbers[1] == 0.0))
    if right == 0.0 or not math.isfinite(right) or one:
        return Allowance(math.inf, "none: IEEE 754 fixes this result")
    return Allowance(difference.ulps / FACTOR, f"{FACTOR} ulps")


def _wrong_checksum(lines: Sequence[str]) -> Difference | None:
    """The first checksum that is not that of the tensors which the port gave for the same step."""
    said: dict[str, tuple[int, str]] = {}
    own: dict[str, list[float]] = {}
    step = name = ""
    for number, line in enumerate((*lines, "step")):
        key, *words = line.split(" ")
        if key == "step":
            for list_name, numbers in own.items():
                at, came = said[list_name]
                if came != checksum(numbers):
                    where = f"step {step}: {list_name}"
                    return Difference(
                        "text", where, checksum(numbers), came, None, at + 2, bound=_OWN_TENSORS
                    )
            said, own, step = {}, {}, "".join(words)
        elif key == "tensor":
            name = words[0].partition(".")[0]
        elif key == "row":
            own.setdefault(name, []).extend(map(double_of, words))
        elif key != "loss":
            said[key] = number, " ".join(words)
    return None
