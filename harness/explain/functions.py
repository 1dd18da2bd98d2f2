"""Why a function of level 3 is wrong: at hard arguments alone, or near one, where a shortcut goes too far."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conformance.cases.case import line
from conformance.messages import Reply, Request
from harness.judge.climb import LevelResult

_HARD = re.compile(r"-(hard|near)\b")
HALVINGS = range(1, 56)
NEAR = {"exp": 0.0, "log": 1.0, "sin": 0.0, "cos": 0.0}
"""Each function's argument near which programs take a shortcut, since its result is simple there."""
HARD = (
    "nothing is wrong but the hardest arguments: the formula is right, its precision is not; where both ends "
    "of the error interval do not round alike, compute again with more bits"
)


def only_hard(found: Sequence[LevelResult]) -> str:
    """A sentence if no case of `math` fails but hard ones, those near zeros of the functions too; else ''."""
    results = [result for level in found if level.level.verb == "math" for result in level.results]
    failed = [result.case.name for result in results if result.verdict == "disagrees"]
    return HARD if failed and len(results) > len(failed) and all(map(_HARD.search, failed)) else ""


def approach(function: str) -> Request | None:
    """Asks for the function ever nearer to its simple argument, from both sides; None for pow."""
    if function not in NEAR:
        return None
    at = NEAR[function]
    arguments = (at + sign * 2.0**-k for k in HALVINGS for sign in (1.0, -1.0))
    lines = (line(function, x) for x in arguments if x != at)
    return Request("math", "approach", ("math exact", *lines))


def shortcut(request: Request, golden: Reply, reply: Reply) -> str:
    """From where on the function is wrong, if it is right farther away; else ''."""
    if not reply.ok or len(golden.lines) != len(reply.lines):
        return ""
    wrong = [i for i, (a, b) in enumerate(zip(golden.lines, reply.lines, strict=True)) if a != b]
    if not wrong or wrong[0] < 2:
        return ""
    function = request.lines[1].partition(" ")[0]
    at = f"{NEAR[function]:g} + " if NEAR[function] else ""
    return (
        f"{function} is wrong from about {at}2^-{HALVINGS[wrong[0] // 2]} on and right farther away: look at "
        f"the shortcut for arguments near {NEAR[function]:g}, which goes too far"
    )
