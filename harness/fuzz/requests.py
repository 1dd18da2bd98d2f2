"""Strategies for requests that a port must answer with ok: one for each verb.

`REQUESTS` maps a verb to its strategy and to how many of its requests a round of a campaign asks. What the
requests of the model verbs are made of stands in `models.py`; how they are damaged in `damage.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from conformance.cases.case import line, text_line
from conformance.messages import Request
from conformance.verbs import verb_of
from harness.fuzz import doubles, models
from reference.microgpt import PRESETS, documents_of
from reference.protocol.replies import ARITHMETIC, EXPRESSIONS
from reference.protocol.wire import hexadecimal

T = TypeVar("T")
ID = "fuzz"
Lines = list[str]


def one_each(keys: Iterable[str], make: Callable[[str], SearchStrategy[T]]) -> SearchStrategy[T]:
    return st.one_of([make(key) for key in keys])


def keyed(key: str, *words: SearchStrategy[str]) -> SearchStrategy[str]:
    """A line with this key and one word from each strategy."""
    return st.tuples(*words).map(lambda drawn: " ".join((key, *drawn)))


def listed(key: str, words: SearchStrategy[str], least: int, most: int) -> SearchStrategy[str]:
    return st.lists(words, min_size=least, max_size=most).map(lambda drawn: " ".join((key, *drawn)))


def pairs(words: SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(words, words).map(" ".join)


# ---------------------------------------------------------------- numbers

seeds = st.integers(0, 100) | st.sampled_from((2**32 - 1, 2**31)) | st.integers(0, 2**32 - 1)


def arith_lines(numbers: SearchStrategy[str]) -> SearchStrategy[Lines]:
    operations = one_each(ARITHMETIC, lambda key: keyed(key, *[numbers] * ARITHMETIC[key][0]))
    sums = listed("sum", numbers, 1, 8) | listed("dot", pairs(numbers), 1, 5)
    sums |= keyed("decimals", numbers.filter(can_be_printed) | ties)
    few = st.lists(operations | sums, min_size=1, max_size=10)
    return doubles.mostly(
        few, st.builds(long_sum, st.sampled_from(("sum", "dot")), counts_to_the_end, seeds), 20
    )


MOST_IN_A_LINE = 3854
"""Doubles in the longest line: 65,536 bytes, a key of three letters, 17 bytes each."""
counts_to_the_end = st.just(MOST_IN_A_LINE) | st.integers(100, MOST_IN_A_LINE)


def long_sum(key: str, count: int, seed: int) -> Lines:
    """One line with so many doubles; an even number of them, for pairs."""
    source = Random(seed)
    return [" ".join([key, *(hexadecimal(source.uniform(-9.0, 9.0)) for _ in range(count // 2 * 2))])]


ties = st.integers(-(2**30), 2**30).map(lambda n: hexadecimal((2 * n + 1) / 32.0))
"""Numbers half-way between two with four decimals."""


def can_be_printed(word: str) -> bool:
    return not 2.0**53 < abs(doubles.number_of(word)) < inf


def math_lines(numbers: SearchStrategy[str]) -> SearchStrategy[Lines]:
    angles = st.floats(-8.0, 8.0).map(hexadecimal)
    moderate = st.floats(-750.0, 750.0).map(hexadecimal)
    lines = (
        keyed("exp", numbers | moderate),
        keyed("log", numbers | doubles.positive),
        one_each(("sin", "cos"), lambda key: keyed(key, angles)),
        keyed("pow", numbers | doubles.positive, doubles.exponents(4096)),
    )
    return st.lists(st.one_of(lines), min_size=1, max_size=10).map(lambda drawn: ["math exact", *drawn])


counts = st.integers(0, 5) | st.integers(0, 40)


@st.composite
def choices_line(draw: DrawFn, numbers: SearchStrategy[str]) -> str:
    """Draws from any weights; none at all if these have no finite total above 0, which would be an error."""
    words = draw(st.lists(numbers | doubles.positive, min_size=1, max_size=8))
    total = 0.0
    for word in words:
        total += doubles.number_of(word)
    count = draw(counts) if 0.0 < total < float("inf") else 0
    return " ".join(["choices", str(count), *words])


def random_lines(numbers: SearchStrategy[str]) -> SearchStrategy[Lines]:
    """Now and then so many words that the generator makes new ones, in the middle of anything."""
    lines = (
        listed_count("words", counts | st.integers(600, 640)),
        listed_count("random", counts),
        st.tuples(counts, numbers).map(lambda drawn: f"gauss {drawn[0]} {drawn[1]}"),
        listed_count("shuffle", counts | st.integers(0, 700)),
        choices_line(numbers),
        st.just("state"),
    )
    asked = st.lists(st.one_of(lines), min_size=1, max_size=6)
    return st.builds(lambda seed, lines: ["math exact", f"seed {seed}", *lines], seeds, asked)


def listed_count(key: str, numbers: SearchStrategy[int]) -> SearchStrategy[str]:
    return numbers.map(lambda n: f"{key} {n}")


# ---------------------------------------------------------------- text

BLANKS = [*range(9, 14), 32, 28, 29, 30, 31, 133, 160, 0x1680, 0x2003, 0x2028, 0x3000, 0xFEFF, 0x200B, 0]
"""What is stripped, and what some languages would strip too."""
characters = (
    st.characters(codec="ascii", categories=["L", "N"])
    | st.sampled_from([*map(chr, BLANKS)])
    | st.sampled_from("ab \t")
    | st.characters(exclude_categories=["Cs"])
)
texts = st.text(characters, max_size=8)


def long_text(length: int, widest: int) -> str:
    """So many characters of up to `widest` kinds, as far as a line of the protocol holds them."""
    return "".join(chr(97 + i % widest) for i in range(length))


long_texts = st.builds(long_text, st.integers(1000, 10_000), st.integers(1, 2000))
"""Code points below 2,097 have four digits at the most: 10,000 of them are 50,000 bytes."""


def document_lines(strategy: SearchStrategy[str], most: int) -> SearchStrategy[Lines]:
    """Lines with one document at least."""

    def with_document(lines: list[str]) -> Lines:
        return [text_line(text) for text in (lines if documents_of(lines) else [*lines, "a"])]

    return st.lists(strategy, min_size=1, max_size=most).map(with_document)


# ---------------------------------------------------------------- expression graphs

UNARY = ("neg", "exp", "log", "relu")
BINARY = ("add", "sub", "mul", "div")
WITH_NUMBER = ("add_number", "sub_number", "mul_number", "div_number")
NUMBER_WITH = ("number_sub", "number_div")
assert {"leaf", "pow", *UNARY, *BINARY, *WITH_NUMBER, *NUMBER_WITH} == set(EXPRESSIONS)

back = st.sampled_from((0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 14, 18, 23, 30, 37))
"""How many expressions before the present one a node stands: mostly a few, so that nodes are shared."""


def graph_lines(numbers: SearchStrategy[str]) -> SearchStrategy[Lines]:
    binary = one_each(BINARY, lambda key: st.tuples(st.just(key), back, back))
    unary = one_each(UNARY, lambda key: st.tuples(st.just(key), back))
    leaf = st.tuples(st.just("leaf"), numbers)
    expressions = st.one_of(
        leaf,
        binary,
        unary,
        st.tuples(st.sampled_from(WITH_NUMBER), back, numbers),
        st.tuples(st.sampled_from(NUMBER_WITH), numbers, back),
        st.tuples(st.just("pow"), back, doubles.exponents(1024)),
        st.lists(back, min_size=1, max_size=6).map(lambda drawn: ("sum", *drawn)),
    )
    some = st.lists(expressions, max_size=12)  # of five on average: three of them make a graph of some size
    return st.builds(with_references, leaf, st.tuples(some, some, some), st.just(0) | back)


Expression = tuple[str | int, ...]


def with_references(leaf: tuple[str, str], parts: Iterable[list[Expression]], root: int) -> Lines:
    """Distances turned into numbers of nodes; one that reaches back too far starts again at the newest."""
    expressions = [expression for part in parts for expression in part]
    lines = ["math exact", " ".join(leaf)]
    for n, (key, *operands) in enumerate(expressions, start=1):
        words = (x if isinstance(x, str) else str(n - 1 - x % n) for x in operands)
        lines.append(" ".join([str(key), *words]))
    count = len(expressions) + 1
    return [*lines, f"root {count - 1 - root % count}"]


# ---------------------------------------------------------------- training


@st.composite
def adam_lines(draw: DrawFn, numbers: SearchStrategy[str]) -> Lines:
    optimizer = draw(models.optimizers(numbers))
    steps = int(optimizer[-1].split(" ")[1])
    lines = ["math exact", *optimizer, line("step", draw(st.integers(0, steps - 1)))]
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    for name in ("parameters", "gradients", "m", "v"):
        words = draw(doubles.fillings(numbers))(rows * columns)
        lines += models.tensor_lines(name, rows, columns, words)
    return lines


@st.composite
def run_lines(draw: DrawFn) -> Lines:
    preset = draw(st.sampled_from(sorted(PRESETS)))
    steps, samples = draw(st.integers(1, 2)), draw(st.integers(0, 1))
    lines = draw(document_lines(st.text(characters, max_size=3), 3))
    return ["math exact", f"preset {preset}", f"steps {steps}", f"samples {samples}", *lines]


def flavoured(make: Callable[[SearchStrategy[str]], SearchStrategy[Lines]]) -> SearchStrategy[Lines]:
    """Two of three requests with tame numbers only: where every number may be NaN, most results are."""
    return doubles.mostly(make(doubles.tame), make(doubles.wild), 3)


hello: SearchStrategy[Lines] = st.just([])
arith = flavoured(arith_lines)
math = flavoured(math_lines)
random = flavoured(random_lines)
tokens = doubles.mostly(document_lines(texts, 6), document_lines(long_texts, 2), 12)
graph = flavoured(graph_lines)
forward = flavoured(models.documented)
backward = flavoured(models.documented)
adam = flavoured(adam_lines)
train = flavoured(models.trainings)
sample = models.samplings()
run = run_lines()
"""The lines of each verb's requests, as the registry in conformance/verbs.py names them."""


def request(verb: str, lines: Lines) -> Request:
    return Request(verb, ID, tuple(lines))


def good(verb: str) -> SearchStrategy[Request]:
    """Requests of this verb that must be answered with ok."""
    lines: SearchStrategy[Lines] = verb_of(verb).strategy()
    return lines.map(lambda lines: request(verb, lines))
