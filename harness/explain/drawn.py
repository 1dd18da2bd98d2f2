"""Which token stands where another is right: the target of a loss, or what is drawn from right probabilities.

A reply of `sample` shows the probabilities of each draw, so all are made again from them, in other ways.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from conformance.doubles import double_of
from conformance.messages import Reply, Request
from harness.explain.blocks import Block, config_of, list_of
from harness.explain.steps import near
from reference.exactmath import log
from reference.protocol.requests import read_generator
from reference.protocol.wire import Fields

Draw = Callable[[Sequence[float], random.Random, int], int]
"""A token from probabilities and a generator at a position, counted from 0."""


def _choice(weights: Sequence[float], u: float) -> int:
    sums = list(accumulate(weights))
    return bisect_right(sums, u * sums[-1], 0, len(sums) - 1)


def _left(weights: Sequence[float], u: float) -> int:
    sums = list(accumulate(weights))
    return bisect_left(sums, u * sums[-1], 0, len(sums) - 1)


def _after(count: int) -> Draw:
    def draw(weights: Sequence[float], generator: random.Random, position: int) -> int:
        for _ in range(count):
            generator.random()
        return _choice(weights, generator.random())

    return draw


WAYS: dict[str, Draw] = {
    "without BOS at the first position": lambda w, g, t: _choice(w[:-1] if t == 0 else w, g.random()),
    "without BOS": lambda w, g, t: _choice(w[:-1], g.random()),
    "as the most likely token": lambda w, g, t: max(range(len(w)), key=w.__getitem__),
    "after one more random number": _after(1),
    "with a random number of one word": lambda w, g, t: _choice(w, g.getrandbits(32) / 2.0**32),
    "with 1 - random()": lambda w, g, t: _choice(w, 1.0 - g.random()),
    "from the last token to the first": lambda w, g, t: len(w) - 1 - _choice(w[::-1], g.random()),
    "by a bisection to the left": lambda w, g, t: _left(w, g.random()),
    "from the most likely token down": lambda w, g, t: _sorted(w, g.random()),
    "from the squares of the probabilities": lambda w, g, t: _choice([p * p for p in w], g.random()),
}


def _sorted(weights: Sequence[float], u: float) -> int:
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    return order[_choice([weights[i] for i in order], u)]


def other_draws(request: Request, reply: Reply) -> str:
    """The one way to draw that gives all tokens of the reply from its own probabilities; '' if none does."""
    if request.verb != "sample":
        return ""
    draws: list[tuple[int, list[float], int]] = []
    position, weights = 0, [1.0]
    for text in reply.lines:
        key, *words = text.split(" ")
        if key == "sample":
            position = 0
        elif key == "probabilities":
            weights = [double_of(word) for word in words]
        elif key == "token":
            draws.append((position, weights, int(words[0])))
            position += 1
    start = next(i for i, text in enumerate(request.lines) if text.startswith("state "))
    fitting = [name for name, draw in WAYS.items() if _fits(request.lines[start:], draws, draw)]
    return f"the tokens are those that are drawn {fitting[0]}" if draws and len(fitting) == 1 else ""


def _fits(state: Sequence[str], draws: Sequence[tuple[int, list[float], int]], draw: Draw) -> bool:
    generator = read_generator(Fields(state))
    return all(draw(weights, generator, position) == token for position, weights, token in draws)


def other_target(request: Request, found: Sequence[Block], block: Block) -> str:
    """The token whose -log p a wrong loss is."""
    place, config = re.fullmatch(r"pos(\d+)\.loss", block.name), config_of(request)
    right = next(
        (other.wanted for other in found if place and other.name == f"pos{place[1]}.probabilities"), []
    )
    if place is None or config is None or not right:
        return ""
    tokens, t = list_of(request, "tokens"), int(place[1])
    fitting = [token for token, p in enumerate(right) if p > 0.0 and near(-log(p), block.came[0])]
    if len(fitting) != 1 or fitting[0] == tokens[t + 1]:
        return ""
    names = {config.vocabulary - 1: "BOS", tokens[t]: "the token that the position is given"}
    name = f" ({names[fitting[0]]})" if fitting[0] in names else ""
    last = ", the last position of the block" if t == config.block - 1 else ""
    return f"{block.name} is that of token {fitting[0]}{name}, where {tokens[t + 1]} comes next{last}"
