"""Replies taken apart into named blocks of numbers, so that one can ask what wrong numbers have in common.

Not for finding the first difference: `harness/judge/compare.py` does that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from conformance.doubles import double_of
from conformance.messages import Reply, Request
from reference.microgpt import Config
from reference.protocol.requests import read_config
from reference.protocol.wire import BadRequest, Fields

_DOUBLE = re.compile(r"[0-9a-f]{16}")
Rows = list[list[float]]


@dataclass(frozen=True)
class Block:
    """One quantity: its golden and its received numbers, row by row, of the same shape."""

    name: str
    expected: Rows
    got: Rows

    @property
    def wanted(self) -> list[float]:
        return [x for row in self.expected for x in row]

    @property
    def came(self) -> list[float]:
        return [x for row in self.got for x in row]

    @property
    def differs(self) -> bool:
        return not same(self.wanted, self.came)


def same(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two lists have the same bits; NaN is NaN."""
    return len(a) == len(b) and all(map(same_number, a, b))


def same_number(a: float, b: float) -> bool:
    return a.hex() == b.hex()


def numbers_of(lines: Sequence[str], headings: Sequence[str] = ()) -> dict[str, Rows]:
    """Every line or tensor of doubles by its name; lines with the same key are the rows of one block.

    headings: keys, such as "step", that name what follows them.
    """
    found: dict[str, Rows] = {}
    prefix = tensor = ""
    for text in lines:
        key, *words = text.split(" ")
        if key in headings:
            prefix = f"{key} {words[0]}: "
        elif key == "tensor":
            tensor = prefix + words[0]
            found[tensor] = []
        elif words and all(map(_DOUBLE.fullmatch, words)):
            name = tensor if key == "row" else prefix + key
            found.setdefault(name, []).append([double_of(word) for word in words])
    return found


def blocks(golden: Reply, reply: Reply) -> list[Block]:
    """The blocks that both replies have in the same shape, in the order of the golden reply."""
    wanted, came = (numbers_of(it.lines, ("step", "sample")) for it in (golden, reply))
    return [
        Block(name, rows, came[name])
        for name, rows in wanted.items()
        if name in came and list(map(len, rows)) == list(map(len, came[name]))
    ]


def config_of(request: Request) -> Config | None:
    """The shape of the model that a request is about, if it is about one."""
    try:
        return read_config(Fields(request.lines))
    except BadRequest:
        return None


def list_of(request: Request, key: str) -> list[int]:
    """The integers of the first line with this key; none without such a line."""
    line = next((line for line in request.lines if line.startswith(f"{key} ")), "")
    return [int(word) for word in line.split(" ")[1:]]


def number_of(request: Request, key: str) -> float:
    """The double of the line with this key. Raises StopIteration without such a line."""
    return double_of(next(line.split(" ")[1] for line in request.lines if line.startswith(f"{key} ")))
