"""Cases near the ends of SPEC.md's ranges. Their requests are made by rule, since they have up to 14 MB.

Only hashes of requests and replies are stored, in `conformance/large.json`. Here a buffer that is too small,
a token in eight bits or a walk that recurses is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from conformance.cases.case import (
    TINY,
    Case,
    Matrices,
    attending,
    chance,
    config_lines,
    document,
    line,
    matrix_lines,
    optimizer_lines,
    random_document,
    shape,
    text_line,
    window,
)
from reference.microgpt import MOST_CHARACTERS, PRESETS, Config, Generator
from reference.protocol.wire import LINE_LIMIT

CLASSIC = PRESETS["classic"].optimizer
DOCUMENTS = 40_000
NODES = 400_000


def noise(config: Config, name: str, scale: float = 0.5, positive: bool = False) -> Matrices:
    """Evenly distributed parameters: normal ones would take minutes at this size."""
    source = chance(name)
    low = 0.0 if positive else -scale
    return {
        matrix: [[source.uniform(low, scale) for _ in range(columns)] for _ in range(rows)]
        for matrix, rows, columns in config.matrices()
    }


def windowed(block: int, width: int) -> list[list[int]]:
    """The last position attends to all, every other one to a window."""
    return [*window(block, width)[:-1], list(range(block))]


DEEP = shape(16, 4, 4, 3, 5)
MANY_HEADS = shape(1, 64, 64, 3, 3)
DEEP_WITH_MANY_HEADS = shape(16, 64, 64, 2, 3)
WIDE = shape(1, 2, 2, 3, 2048)
LONG = attending(shape(1, 1, 2, 1024, 3, "squared_relu"), windowed(1024, 4))


def documented(verb: str, name: str, config: Config, tokens: Sequence[int] = ()) -> Case:
    """`forward` or `backward` of one document, as long as the block if none is given."""
    tokens = tokens or random_document(config, config.block - 1, name)
    lines = (*config_lines(config), line("tokens", *tokens), *matrix_lines(noise(config, name)))
    return Case(name, verb, lines)


def training(name: str, config: Config, steps: int, tokens: Sequence[int]) -> Case:
    lines = (
        *config_lines(config),
        *optimizer_lines(replace(CLASSIC, steps=steps)),
        *("from 0", f"count {steps}", f"full {steps - 1}"),
        line("tokens", *tokens),
        *matrix_lines(noise(config, name)),
    )
    return Case(name, "train", lines)


def sampling(name: str, config: Config, samples: int, bos: float | None = None) -> Case:
    """`bos`: the row of BOS in lm_head, which decides how soon samples end."""
    parameters = noise(config, name, positive=bos is not None)
    if bos is not None:
        parameters["lm_head"][-1] = [bos] * config.embedding
    words = Generator(42).getstate()[1]
    lines = (
        *config_lines(config),
        *(line("temperature", 0.5), f"samples {samples}"),
        *matrix_lines(parameters),
        *(line("state", words[624], *words[:624]), "kept none"),
    )
    return Case(name, "sample", lines)


def update(name: str, rows: int, columns: int) -> Case:
    source = chance(name)
    tensors = {
        key: [[source.uniform(0.0, 0.1) for _ in range(columns)] for _ in range(rows)]
        for key in ("parameters", "gradients", "m", "v")
    }
    return Case(name, "adam", ("math exact", *optimizer_lines(CLASSIC), "step 3", *matrix_lines(tensors)))


def longest_line(key: str, words: Sequence[str]) -> str:
    """Words in turn, and then the word 1000, until the line has as many bytes as a line may have."""
    text, i = key, 0
    while len(text) + 1 + len(words[i % len(words)]) <= LINE_LIMIT - 5 or (LINE_LIMIT - len(text)) % 5:
        text, i = f"{text} {words[i % len(words)]}", i + 1
    return text + " 1000" * ((LINE_LIMIT - len(text)) // 5)


def chain_of_nodes() -> Iterator[str]:
    yield from ("math exact", line("leaf", 0.5), line("leaf", 0.999))
    for i in range(1, NODES):
        yield f"mul 1 {i}" if i % 2 else f"add {i} 0"
    yield f"root {NODES}"


def names(count: int) -> Iterator[str]:
    """Words of one to five letters, in no alphabetical order."""
    for i in range(count):
        i = (i * 7919) % count
        yield "".join(chr(97 + (i // 14**place) % 14) for place in range(1 + i % 5))


def alphabet() -> Iterator[str]:
    """As many distinct characters as there may be, five to a line, some beyond 16 bits."""
    characters = [chr(0x4E00 + i) if i % 3 else chr(0x1F300 + i) for i in range(MOST_CHARACTERS)]
    for i in range(0, MOST_CHARACTERS, 5):
        yield "".join(characters[i : i + 5])


def run(name: str, preset: str, lines: Iterator[str]) -> Case:
    head = ("math exact", f"preset {preset}", "steps 1", "samples 1")
    return Case(name, "run", (*head, *map(text_line, lines)))


def weights() -> Case:
    source = chance("large-choices")
    draws = line("choices 1000", *(source.random() for _ in range(1000)))
    return Case("large-choices", "random", ("math exact", "seed 42", draws, "words 1"))


def sums() -> Case:
    """3 + 17 * 3,854 = 65,521 bytes a line; 17 more would be too many."""
    source = chance("large-line")
    lines = (line(key, *(source.uniform(-1.0, 1.0) for _ in range(3854))) for key in ("sum", "dot"))
    return Case("large-line", "arith", tuple(lines))


ALPHABET = [str(0x1F300 + i) for i in range(60)]

# Level by level, and quick to list: a case is made only when it is asked for.
RULES: dict[str, Callable[[], Case]] = {
    "arith/large-line": sums,
    "random/large-choices": weights,
    "tokens/large-line": lambda: Case("large-line", "tokens", (longest_line("line", ALPHABET), "line 97")),
    "tokens/large-vocabulary": lambda: Case("large-vocabulary", "tokens", tuple(map(text_line, alphabet()))),
    "tokens/large-dataset": lambda: Case("large-dataset", "tokens", tuple(map(text_line, names(DOCUMENTS)))),
    "graph/large-chain": lambda: Case("large-chain", "graph", tuple(chain_of_nodes())),
    "forward/large-layers-and-heads": lambda: documented(
        "forward", "large-layers-and-heads", DEEP_WITH_MANY_HEADS, [2, 0]
    ),
    "forward/large-vocabulary": lambda: documented(
        "forward", "large-vocabulary", WIDE, [2047, 2046, 255, 256]
    ),
    "forward/large-block": lambda: documented("forward", "large-block", LONG),
    "forward/large-document": lambda: Case("large-document", "forward", tuple(with_long_document())),
    "backward/large-layers": lambda: documented("backward", "large-layers", DEEP),
    "backward/large-heads": lambda: documented("backward", "large-heads", MANY_HEADS),
    "backward/large-vocabulary": lambda: documented(
        "backward", "large-vocabulary", WIDE, [2047, 1024, 129, 2047]
    ),
    "backward/large-block": lambda: documented("backward", "large-block", LONG),
    "adam/large-rows": lambda: update("large-rows", 2048, 1),
    "adam/large-columns": lambda: update("large-columns", 1, 2048),
    "train/large-vocabulary": lambda: training("large-vocabulary", WIDE, 2, [2047, 2046, 300, 2047]),
    "train/large-steps": lambda: training("large-steps", TINY, 4096, document(TINY, [1])),
    "sample/large-vocabulary": lambda: sampling("large-vocabulary", WIDE, 2),
    "sample/large-block": lambda: sampling("large-block", replace(LONG, vocabulary=9), 1, bos=-90.0),
    "sample/large-samples": lambda: sampling("large-samples", TINY, 1000),
    "run/large-dataset": lambda: run("large-dataset", "classic", names(DOCUMENTS)),
    "run/large-vocabulary": lambda: run("large-vocabulary", "seed", alphabet()),
}


def with_long_document() -> Iterator[str]:
    config = shape(1, 1, 2, 2, 1200)
    lines = documented("forward", "large-document", config).lines
    tokens = longest_line("tokens", ["1199", "1101", "1010"])
    return chain.from_iterable([tokens] if text.startswith("tokens") else [text] for text in lines)
