"""What is learned: four datasets of the garden, two of them joined into documents that fill the block.

Joined: consecutive lines of the file, a line feed between two, until a document has as many characters as the
block has positions. What is held out is decided by the garden's rule, for whole documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from reference import microgpt
from reference.app import garden

DATASETS: Mapping[str, bool] = {"parens": False, "smiles": False, "mime": True, "commits": True}
"""Each with whether its lines are joined."""
MOST_HELD_OUT = 100  # documents, evenly spaced


def joined(lines: Sequence[str], characters: int) -> list[str]:
    """Consecutive lines in documents of at least so many characters. What is left at the end is dropped."""
    documents, begun = [], ""
    for line in lines:
        begun += "\n" * bool(begun) + line
        if len(begun) >= characters:
            documents.append(begun)
            begun = ""
    return documents


@dataclass(frozen=True)
class Material:
    """Documents to learn from, and others that training never sees."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]


@cache
def material(dataset: str, block: int) -> Material:
    """Held-out documents with a character that training lacks are left out: a model has no token for it."""
    lines = garden.lines_of(dataset)
    documents = joined(lines, block) if DATASETS[dataset] else lines
    training = [one for one in documents if not garden.is_held_out(one)]
    known = set("".join(training))
    held_out = [one for one in documents if garden.is_held_out(one) and set(one) <= known]
    return Material(tuple(training), tuple(held_out[:: -(-len(held_out) // MOST_HELD_OUT)]))


@cache
def check(dataset: str) -> Callable[[str], bool]:
    return garden.checker(dataset)


def judged(dataset: str, samples: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many of the lines in samples are right, and how many there are.

    A sample is its characters, the last one empty if the model ended it. What the block cut off is no line.
    """
    lines = []
    for sample in samples:
        *whole, last = "".join(sample).split("\n")
        lines += whole
        if sample and not sample[-1]:
            lines.append(last)
    return sum(map(check(dataset), lines)), len(lines)


def positions(tokens: Sequence[int], block: int) -> int:
    """Those of a document that the block has room for, each of which predicts a character."""
    return min(block, len(tokens) - 1)


def multiplications(config: microgpt.Config, positions: int, pairs: int) -> int:
    """Of one forward pass, in matrices and attention; what is left out (norms, softmax) is a few per cent.

    A layer has four matrices of E x E and two of 4E x E. A pair costs E for the scores of all heads and E for
    the weighted sums. Backward takes twice as many.
    """
    e = config.embedding
    matrices = config.layers * 12 * e * e + config.vocabulary * e
    return positions * matrices + config.layers * pairs * 2 * e
