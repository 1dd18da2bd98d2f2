"""Requests that are simpler than one that fails: what hypothesis, which knows only its draws, does not try.

It takes lines away, but not a node in the middle of a graph; and parameters are drawn many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from conformance.messages import Request
from harness.explain.smaller import NUMBER, PLAIN, without_a_node


def shrunk(request: Request, fails: Callable[[Request], bool]) -> Request:
    """The simplest request that still fails; `fails` may raise to end the search."""
    found = True
    while found:
        found = False
        for simpler in candidates(request):
            if fails(simpler):
                request, found = simpler, True
                break
    return request


def candidates(request: Request) -> Iterator[Request]:
    """Each one simpler by one step: so many in all that every search ends."""
    if request.verb == "graph":
        yield from without_a_node(request)
    for number, line in enumerate(request.lines):
        for plain in PLAIN:
            simpler = NUMBER.sub(plain, line)
            if complexity(simpler) < complexity(line):
                lines = (*request.lines[:number], simpler, *request.lines[number + 1 :])
                yield replace(request, lines=lines)


def complexity(line: str) -> int:
    """How far a line's numbers are from plain ones."""
    ranks = {plain: rank for rank, plain in enumerate(PLAIN)}
    return sum(ranks.get(word, len(PLAIN)) for word in NUMBER.findall(line))
