"""Where no known mistake fits: the smallest request, made from a failing one, that fails in the same way.

Asks the port smaller and smaller requests (one layer, one head, one position, a shorter document, plainer
parameters) and the reference for the right replies. What is left to read is small, and its clues are plain.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from conformance.messages import Reply, Request, golden_of
from harness.errors import ConformError
from harness.explain.blocks import blocks, config_of, list_of
from harness.explain.causes import FEW, other_zero
from harness.explain.clues import clues
from harness.explain.smaller import smaller
from harness.explain.trace import first_tensor
from harness.explain.way_back import first_on_the_way_back, readable
from harness.judge.compare import Compare, Difference, Quantity, compare
from harness.run.session import Session

BUDGET = 20.0  # seconds
SHOWN = 200  # characters of a request that is shown whole
PATIENCE = 5.0  # seconds for one request; a smaller one takes no longer than the first, which was answered


@dataclass(frozen=True)
class Smallest:
    """The smallest request found that fails like the first: with its replies, and its first difference."""

    request: Request
    golden: Reply
    reply: Reply
    difference: Difference
    quantities: tuple[Quantity, ...]

    @property
    def clues(self) -> tuple[str, ...]:
        return clues(self.request, self.golden, self.reply, self.difference)


def smallest(
    session: Session, request: Request, seconds: float = BUDGET, judge_by: Compare = compare
) -> Smallest | None:
    """The smallest request that fails as this one does; None if this one passes, or the port fails at it.

    Raises MachineFault.
    """
    deadline = time.monotonic() + seconds
    found = _asked(session, replace(request, id="smallest"), judge_by)
    if found is None:
        return None
    wanted = _alike(found)
    while True:
        for candidate in smaller(found.request):
            if time.monotonic() > deadline:
                return found
            tried = _asked(session, candidate, judge_by)
            if tried is not None and _alike(tried) == wanted:
                found = tried
                break
        else:
            return found


def probes(session: Session, request: Request) -> tuple[str, ...]:
    """What other requests about the same thing say: for `random`, whether the seeding is right already."""
    seed = next((text for text in request.lines if text.startswith("seed ")), None)
    if request.verb != "random" or seed is None:
        return ()
    seeded = _asked(session, Request("random", "seeded", ("math exact", seed, "state")), compare)
    if seeded is None:
        return ("the state after seeding is right: look at what is drawn from it",)
    return (f"already the state after seeding is wrong, first at {seeded.difference.checkpoint}",)


def _asked(session: Session, request: Request, judge_by: Compare) -> Smallest | None:
    """What a request comes to; None if it agrees, or there is no reply."""
    if request.raw:
        return None
    golden = golden_of(request)
    if not golden.ok:
        return None
    try:
        reply = session.ask(request, min(PATIENCE, session.limits.request))
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        return None
    seen = judge_by(request, golden, reply, None)
    if seen.first is None:
        return None
    return Smallest(request, golden, reply, first_tensor(seen), seen.quantities)


def _alike(found: Smallest) -> tuple[object, str]:
    """What a smaller failure must have in common with this one; on the way back the first wrong matrix, and
    not the first in the reply.
    """
    if found.request.verb != "backward":
        return kind(found.difference), ""
    first, _ = first_on_the_way_back(found.request, blocks(found.golden, found.reply))
    return found.difference.kind, re.sub(r"\d+", "", first) or found.difference.checkpoint


def kind(difference: Difference) -> tuple[str, str, bool, bool]:
    """What two failures must have in common: kind, quantity, whether it is rounding, whether a zero's
    sign.
    """
    name = re.sub(r"\d+", "", difference.checkpoint)
    is_near = difference.ulps is not None and difference.ulps <= FEW
    return difference.kind, re.sub(r"(\[\])+$", "", name), is_near, other_zero(difference)


def in_words(request: Request) -> str:
    """A small request itself; of one about a model its size: 'one layer, one head, embedding 1, one
    position'.
    """
    config = config_of(request)
    if config is None:
        lines = [readable(text) for text in request.lines if text not in ("math exact", "full")]
        whole = f"{request.verb}: {'; '.join(lines)}"
        return whole if len(whole) <= SHOWN else f"{request.verb}, {_counted(len(request.lines), 'line')}"
    tokens = list_of(request, "tokens")
    positions = min(config.block, len(tokens) - 1) if tokens else config.block
    parts: Sequence[str] = (
        _counted(config.layers, "layer"),
        _counted(config.heads, "head"),
        f"embedding {config.embedding}",
        f"vocabulary {config.vocabulary}",
        _counted(positions, "position"),
    )
    return f"{request.verb}, {', '.join(parts)}"


def _counted(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count:,} {noun}s"
