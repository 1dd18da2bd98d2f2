"""Which keys or values a head would have to have met, if its scores or its mixed values are wrong.

A reply of `forward` shows queries, keys, values and weights, so scores and sums of weighted values are
computed again with those of other positions, heads and layers, or with keys in the place of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import sqrt

from conformance.messages import Request
from harness.explain.blocks import Block, config_of
from harness.explain.steps import all_near, left
from reference.microgpt import Config

SHOWN = 16  # positions
_PLACE = re.compile(r"pos(\d+)\.layer(\d+)\.head(\d+)\.(scores|mixed)")
Numbers = dict[str, list[float]]


def other_positions(request: Request, found: Sequence[Block], block: Block) -> str:
    """The positions, head, layer or matrix whose keys or values give the wrong numbers; '' if none do."""
    place, config = _PLACE.fullmatch(block.name), config_of(request)
    if place is None or config is None or all_near(block.wanted, block.came):
        return ""
    t, layer, head = (int(number) for number in place.groups()[:3])
    right = {other.name: other.wanted for other in found}
    table = list(config.attention[t])
    usual = ("v" if place[4] == "mixed" else "k", layer, head, table)
    for what, k, h, positions in _choices(config, t, usual):
        vectors = [right.get(f"pos{p}.layer{k}.{what}") for p in positions]
        its = [_part(config, vector, h) for vector in vectors if vector is not None]
        if len(its) < len(positions):
            continue
        if place[4] == "mixed":
            weights = right[f"pos{t}.layer{layer}.head{head}.weights"]
            made = [
                left([w * x for w, x in zip(weights, column, strict=True)])
                for column in zip(*its, strict=True)
            ]
        else:
            query = _part(config, right[f"pos{t}.layer{layer}.q"], head)
            made = [left([a * b for a, b in zip(query, key, strict=True)]) / sqrt(len(key)) for key in its]
        if all_near(made, block.came):
            return (
                f"{block.name} is made from {_named(what, k, h, positions)}, where {_named(*usual)} is right"
            )
    return ""


Choice = tuple[str, int, int, list[int]]


def _choices(config: Config, t: int, usual: Choice) -> Iterator[Choice]:
    """All that differ in one thing from the right one."""
    what, layer, head, table = usual
    count = len(table)
    lists = [list(range(count)), list(range(t + 1 - count, t + 1)), table[::-1]]
    lists += [sorted(table, key=str), *([p % 2**bits for p in table] for bits in (6, 7, 8, 9))]
    lists += [[p + 1 for p in table], [max(0, p - 1) for p in table], [t] * count, [0] * count]
    yield from ((what, layer, head, other) for other in lists if other != table)
    yield from ((what, layer, h, table) for h in range(config.heads) if h != head)
    yield from ((what, k, head, table) for k in range(config.layers) if k != layer)
    yield from ((other, layer, head, table) for other in "qkv" if other != what)


def _part(config: Config, vector: Sequence[float], head: int) -> list[float]:
    size = config.embedding // config.heads
    return list(vector[head * size : (head + 1) * size])


def _named(what: str, layer: int, head: int, positions: Sequence[int]) -> str:
    listed = ", ".join(map(str, positions[:SHOWN])) + (", ..." if len(positions) > SHOWN else "")
    return f"{what} of layer {layer}, head {head}, positions {listed}"
