"""The requests of the ladder, level by level, as Python: each module makes the cases of one level.

`conformance/golden.py` writes them to `conformance/levels/` together with the reference's replies.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from conformance.cases import (
    adam,
    arith,
    backward,
    forward,
    graph,
    hello,
    math,
    random,
    run,
    sample,
    tokens,
    train,
)
from conformance.cases.case import Case


@dataclass(frozen=True)
class LevelCases:
    number: int
    verb: str
    cases: Callable[[], Iterator[Case]]

    @property
    def folder(self) -> str:
        return f"{self.number:02d}-{self.verb}"


_MODULES = (hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run)
LEVELS = tuple(
    LevelCases(number, module.__name__.rpartition(".")[2], module.cases)
    for number, module in enumerate(_MODULES, start=1)
)
