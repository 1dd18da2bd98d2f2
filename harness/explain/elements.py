"""Which numbers of a quantity are wrong, by what they are made from: those without gradient, negative ones.

For quantities of which each number is made from those at the same place of others: the moments and parameters
of an update, and what comes out of the activation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from conformance.messages import Request
from harness.explain.blocks import Block, numbers_of, same, same_number

CONDITIONS: dict[str, Callable[[float], bool]] = {
    "0": lambda x: x == 0.0,
    "negative": lambda x: x < 0.0,
    "positive": lambda x: x > 0.0,
    "above 1 in size": lambda x: abs(x) > 1.0,
    "a NaN": lambda x: x != x,
    "infinite": lambda x: abs(x) == float("inf"),
}


def made_from(request: Request, found: Sequence[Block], block: Block) -> dict[str, list[float]]:
    """The right numbers from which those of the block are made, place by place, by name."""
    if request.verb == "adam":
        before = numbers_of(request.lines)
        given = {name: before[name] for name in ("gradients", "m", "v", "parameters") if name in before}
        return {name: [x for row in rows for x in row] for name, rows in given.items()}
    hidden = block.name.removesuffix("activated") + "hidden"
    return {other.name: other.wanted for other in found if other.name == hidden and hidden != block.name}


def unchanged(request: Request, found: Sequence[Block], block: Block) -> str:
    """What is wrong is still what the request gave."""
    before = made_from(request, found, block).get(block.name)
    if before is None or len(before) != len(block.came):
        return ""
    wrong = _wrong(block)
    if not same([before[i] for i in wrong], [block.came[i] for i in wrong]):
        return ""
    where = _where(request, found, block, wrong)
    return f"{block.name} is what it was before{f' {where}' if where else ''}: nothing is done to it there"


def where(request: Request, found: Sequence[Block], block: Block) -> str:
    """What the wrong numbers, and no others, are made from."""
    wrong = _wrong(block)
    place = _where(request, found, block, wrong) if 0 < len(wrong) < len(block.came) else ""
    return f"{block.name} is wrong {place}, and nowhere else" if place else ""


def _wrong(block: Block) -> list[int]:
    pairs = enumerate(zip(block.wanted, block.came, strict=True))
    return [i for i, (a, b) in pairs if not same_number(a, b)]


def _where(request: Request, found: Sequence[Block], block: Block, wrong: Sequence[int]) -> str:
    for name, numbers in made_from(request, found, block).items():
        for condition, holds in CONDITIONS.items():
            if len(numbers) == len(block.came) and wrong == [i for i, x in enumerate(numbers) if holds(x)]:
                return f"where {name} is {condition}"
    return ""
