"""Requests that are simpler than one that fails: what hypothesis, which knows only its draws, does not try.

It takes lines away, but not a node in the middle of a graph; and parameters are drawn many at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from conformance.messages import Request

NUMBER = re.compile(r"(?<= )[0-9a-f]{16}\b")
NODE = re.compile(r"(?<= )[0-9]{1,5}\b")
PLAIN = ("0000000000000000", "3ff0000000000000")


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


def without_a_node(request: Request) -> Iterator[Request]:
    """For each node, the graph in which its first child stands in its place; a leaf must not be in use."""
    settings, *expressions = request.lines
    for gone in reversed(range(len(expressions) - 1)):
        first = NODE.search(expressions[gone])
        in_use = any(int(n) == gone for line in expressions for n in NODE.findall(line))
        if first is None and in_use:
            continue
        child = int(first[0]) if first else 0

        def renumbered(match: re.Match[str], gone: int = gone, child: int = child) -> str:
            node = int(match[0])
            return str(child if node == gone else node - (node > gone))

        kept = (line for number, line in enumerate(expressions) if number != gone)
        yield replace(request, lines=(settings, *(NODE.sub(renumbered, line) for line in kept)))
