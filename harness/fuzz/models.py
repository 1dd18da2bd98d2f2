"""Strategies for what the model verbs share: shapes, attention tables, documents, parameters, optimizers.

Nearly everything is small: the reference is plain Python, and its time is what a campaign spends. One model
in LARGE_ONE_IN has one size that goes to the end of its range, and others that make up for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from conformance.cases.case import config_lines, line
from harness.fuzz import doubles
from reference.microgpt import ACTIVATIONS, Config, causal
from reference.protocol.wire import hexadecimal

HEADS_AND_EMBEDDINGS = (
    *((1, 1), (1, 2), (2, 2), (1, 3), (3, 3), (2, 4), (4, 4), (1, 5), (5, 5)),
    *((2, 6), (3, 6), (1, 7), (4, 8), (3, 9), (2, 10), (12, 12), (5, 15), (4, 16)),
)
WORK = 400
"""Bound for layers x block x embedding^2: a forward and backward pass of the reference in some 10 ms."""
LARGE_ONE_IN = 16
WIDEST = 64  # tokens before the present one that the table of a large block attends to, at most a few of them


@cache
@st.composite
def configs(draw: DrawFn) -> Config:
    """One to three layers, odd numbers of heads, any attention table; now and then one large size."""
    if draw(st.integers(1, LARGE_ONE_IN)) == LARGE_ONE_IN:
        return draw(large_configs())
    heads, embedding = draw(st.sampled_from(HEADS_AND_EMBEDDINGS))
    layers = draw(st.integers(1, min(3, max(1, WORK // embedding**2))))
    block = draw(st.integers(1, max(1, min(7, WORK // (layers * embedding**2)))))
    vocabulary = draw(st.integers(2, 8))
    activation = draw(st.sampled_from(sorted(ACTIVATIONS)))
    table = causal(block)
    if draw(st.booleans()):
        # Bit s of a position's mask: does it attend to position s?
        masks = [draw(st.integers(0, 2**position - 1)) for position in range(block)]
        table = tuple((*(s for s in range(t) if mask >> s & 1), t) for t, mask in enumerate(masks))
    return Config(layers, heads, embedding, block, vocabulary, activation, table)


@st.composite
def large_configs(draw: DrawFn) -> Config:
    """One of vocabulary, layers, block and heads at the end of its range or near it, the rest small."""
    layers, heads, embedding, block, vocabulary = 1, 1, draw(st.integers(1, 2)), draw(st.integers(1, 3)), 5
    activation = draw(st.sampled_from(sorted(ACTIVATIONS)))
    which = draw(st.sampled_from(("vocabulary", "layers", "block", "heads")))
    if which == "vocabulary":
        vocabulary = draw(st.sampled_from((2048, 2047, 1025, 256, 257, 129)) | st.integers(100, 2048))
    elif which == "layers":
        layers = draw(st.sampled_from((16, 10, 11)) | st.integers(4, 16))
    elif which == "heads":
        heads = embedding = draw(st.sampled_from((64, 33, 32)))
        block = 1
    else:
        block = draw(st.sampled_from((1024, 1023, 257, 128)) | st.integers(100, 1024))
        reach = draw(st.integers(1, WIDEST))
        table = tuple(tuple(dict.fromkeys((max(0, t - reach), max(0, t - 1), t))) for t in range(block))
        return Config(1, 1, 1, block, vocabulary, activation, table)
    return Config(layers, heads, embedding, block, vocabulary, activation, causal(block))


def documents(config: Config) -> SearchStrategy[list[int]]:
    """Two tokens or more, shorter and longer than the block, with BOS anywhere or nowhere."""
    if config.block > 100:
        lengths = st.integers(2, config.block + 3) | st.just(config.block + 1)
        return st.builds(_long_document, st.just(config.vocabulary), lengths, st.integers(0, 2**32))
    return _tokens(config.vocabulary, config.block + 3)


def _long_document(vocabulary: int, length: int, seed: int) -> list[int]:
    return Random(seed).choices(range(vocabulary), k=length)


@cache
def _tokens(vocabulary: int, most: int) -> SearchStrategy[list[int]]:
    return st.lists(st.integers(0, vocabulary - 1), min_size=2, max_size=most)


@cache
@st.composite
def optimizers(draw: DrawFn, numbers: SearchStrategy[str]) -> list[str]:
    """Its lines up to `steps`: the presets' numbers, or any at all."""
    usual = draw(st.booleans())
    choices = (
        ("learning_rate", (0.01, 0.001, 1.0)),
        ("beta1", (0.9, 0.85)),
        ("beta2", (0.95, 0.99, 0.999)),
        ("epsilon", (1e-8, 0.0)),
    )
    lines = []
    for key, values in choices:
        word = hexadecimal(draw(st.sampled_from(values))) if usual else draw(numbers)
        lines.append(f"{key} {word}")
    lines.append(line("schedule", draw(st.sampled_from(("linear", "cosine")))))
    lines.append(line("steps", draw(st.integers(1, 12) | st.integers(1, 4096))))
    return lines


def tensor_lines(name: str, rows: int, columns: int, words: Sequence[str]) -> list[str]:
    body = (" ".join(["row", *words[i * columns : (i + 1) * columns]]) for i in range(rows))
    return [f"tensor {name} {rows} {columns}", *body]


def matrix_lines(config: Config, filling: Callable[[int], list[str]], prefix: str = "") -> list[str]:
    """The tensors of all parameter matrices, filled by one filling."""
    matrices = config.matrices()
    words = filling(sum(rows * columns for _, rows, columns in matrices))
    lines: list[str] = []
    for name, rows, columns in matrices:
        lines += tensor_lines(prefix + name, rows, columns, words)
        words = words[rows * columns :]
    return lines


@st.composite
def documented(draw: DrawFn, numbers: SearchStrategy[str]) -> list[str]:
    """The lines of `forward` and of `backward`: a model and one document."""
    config = draw(configs())
    filling = draw(doubles.fillings(numbers))
    tokens = draw(documents(config))
    return [*config_lines(config), line("tokens", *tokens), *matrix_lines(config, filling)]


@st.composite
def trainings(draw: DrawFn, numbers: SearchStrategy[str]) -> list[str]:
    """The lines of `train`: few steps, from any step on, whole tensors for some of them."""
    config = draw(configs())
    optimizer = draw(optimizers(numbers))
    steps = int(optimizer[-1].split(" ")[1])
    first = draw(st.just(0) | st.integers(0, steps - 1))
    count = draw(st.integers(1, min(3, steps - first)))
    full = [step for step in range(first, first + count) if draw(st.booleans())]
    lines = [
        *config_lines(config),
        *optimizer,
        line("from", first),
        line("count", count),
        line("full", *full),
    ]
    lines += [line("tokens", *draw(documents(config))) for _ in range(draw(st.integers(1, 3)))]
    for prefix in ("", "m.", "v.") if first else ("",):
        lines += matrix_lines(config, draw(doubles.fillings(numbers)), prefix)
    return lines


@st.composite
def samplings(draw: DrawFn) -> list[str]:
    """The lines of `sample`: finite probabilities, any state of the generator."""
    config = draw(configs())
    temperatures = (0.5, 1.0, 0.1, 2.0, 1e-3, 1e10, 1e300, float("inf"), -1.0, -0.5)
    temperature = draw(st.sampled_from(temperatures).map(hexadecimal) | doubles.positive)
    samples = draw(st.integers(0, 3))
    parameters = matrix_lines(config, draw(doubles.fillings(doubles.tame)))
    state = draw(states())
    kept = draw(st.just("none") | doubles.wild)
    lines = [*config_lines(config), f"temperature {temperature}", line("samples", samples), *parameters]
    return [*lines, line("state", *state), f"kept {kept}"]


@cache
@st.composite
def states(draw: DrawFn) -> list[int]:
    """An index and 624 words: any position, words from a seed or all the same, some of them replaced."""
    source = Random(draw(st.integers(0, 2**32)))
    index = draw(st.sampled_from((624, 0, 1, 227, 397, 623)) | st.integers(0, 624))
    constant = draw(st.none() | st.none() | st.sampled_from((0, 1, 2**31, 2**32 - 1)))
    words = [source.getrandbits(32) if constant is None else constant for _ in range(624)]
    for place, word in draw(st.lists(st.tuples(st.integers(0, 623), st.integers(0, 2**32 - 1)), max_size=3)):
        words[place] = word
    return [index, *words]
