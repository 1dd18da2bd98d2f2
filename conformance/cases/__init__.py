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
from conformance.verbs import Verb, verb_of


@dataclass(frozen=True)
class LevelCases:
    """The cases of one level, and the row of its verb."""

    verb: Verb
    cases: Callable[[], Iterator[Case]]


_MODULES = (hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run)
LEVELS = tuple(LevelCases(verb_of(module.__name__.rpartition(".")[2]), module.cases) for module in _MODULES)
