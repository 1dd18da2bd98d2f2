"""The models and documents of levels 7 and 8: shapes, parameters and attention tables in which mistakes
show.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.cases.case import (
    CLASSIC_SHAPE,
    LEAST,
    NAN,
    SEED_SHAPE,
    TINY,
    Case,
    Matrices,
    attending,
    bad,
    config_lines,
    constant,
    document,
    draw,
    hexagonal,
    line,
    matrix_lines,
    random_document,
    shape,
    window,
)
from reference.microgpt import Config


@dataclass(frozen=True)
class Example:
    """A model and one document: the input of `forward` and of `backward`."""

    name: str
    config: Config
    tokens: list[int]
    parameters: Matrices

    def lines(self) -> tuple[str, ...]:
        return (*config_lines(self.config), line("tokens", *self.tokens), *matrix_lines(self.parameters))


def drawn(
    name: str, config: Config, length: int, sigma: float = 0.3, output_sigma: float | None = None
) -> Example:
    tokens = random_document(config, length, name)
    return Example(name, config, tokens, draw(config, name, sigma, output_sigma))


def examples() -> Iterator[Example]:
    yield Example("example", TINY, [2, 0, 1, 2], draw(TINY, "example", 0.5))
    yield drawn("seed-preset", SEED_SHAPE, 6, 0.02, 0.0)
    yield drawn("seed-preset-later", SEED_SHAPE, 6, 0.1)
    yield drawn("classic-preset", CLASSIC_SHAPE, 7, 0.08)
    yield drawn("classic-preset-full-block", CLASSIC_SHAPE, 15, 0.08)
    yield drawn("two-layers", shape(2, 2, 6, 5, 8), 4)
    yield drawn("three-layers", shape(3, 3, 9, 4, 5, "squared_relu"), 5)
    yield drawn("five-layers", shape(5, 1, 3, 3, 4), 3)
    yield drawn("one-head", shape(1, 1, 8, 4, 6), 4)
    yield drawn("heads-of-one", shape(1, 5, 5, 4, 6), 4)
    yield drawn("odd-embedding", shape(1, 1, 7, 6, 9, "squared_relu"), 6)
    yield drawn("embedding-of-ten", shape(2, 2, 10, 4, 7), 5)
    yield drawn("embedding-of-one", shape(2, 1, 1, 4, 5), 4)
    yield drawn("one-token", shape(1, 2, 4, 8, 5), 1)
    yield drawn("no-token", shape(1, 2, 4, 8, 5), 0)
    yield drawn("longer-than-block", shape(1, 2, 4, 3, 5), 9)
    yield drawn("as-long-as-block", shape(1, 2, 4, 3, 5), 2)
    yield drawn("block-of-one", shape(1, 2, 4, 1, 5), 3)
    yield drawn("two-in-the-vocabulary", shape(1, 2, 4, 6, 2), 5)
    repeated = shape(1, 2, 4, 8, 5)
    yield Example("repeated-token", repeated, document(repeated, [1] * 7), draw(repeated, "repeated-token"))
    yield Example("bos-inside", repeated, [4, 4, 2, 4, 0, 4], draw(repeated, "bos-inside"))
    yield Example("without-bos", repeated, [0, 1, 2, 3], draw(repeated, "without-bos"))
    yield drawn("long-block", shape(1, 2, 4, 40, 5), 39)
    yield drawn("window", attending(shape(2, 2, 6, 8, 6), window(8, 3)), 8)
    yield drawn("only-itself", attending(shape(1, 2, 6, 6, 6), window(6, 1)), 6)
    yield drawn("hexagonal", attending(shape(2, 2, 4, 12, 6), hexagonal(12, 4)), 11)
    yield drawn("long-hexagonal", attending(shape(2, 2, 4, 64, 6), hexagonal(64, 8)), 63)
    strided = [[s for s in range(t) if (t - s) % 3 == 0] + [t] for t in range(9)]
    yield drawn("strided", attending(shape(1, 3, 6, 9, 6), strided), 8)
    yield drawn("outputs-zero", shape(2, 2, 6, 5, 8), 4, 0.2, 0.0)
    small = shape(1, 2, 4, 4, 5, "squared_relu")
    for name, value in (("zero", 0.0), ("minus-zero", -0.0), ("one", 1.0), ("least", LEAST), ("nan", NAN)):
        yield Example(f"all-{name}", small, random_document(small, 3, name), constant(small, value))
    for name, sigma in (
        ("subnormal", 1e-310),
        ("tiny", 1e-160),
        ("small", 1e-6),
        ("large", 5.0),
        ("very-large", 40.0),
        ("huge", 1e120),
    ):
        yield drawn(f"{name}-parameters", small, 4, sigma)
        yield drawn(f"{name}-parameters-relu", shape(1, 2, 4, 4, 5), 4, sigma)
    yield from ties()


def ties() -> Iterator[Example]:
    """All logits equal: each is the greatest, and the first one is taken."""
    config = shape(1, 2, 4, 4, 5)
    parameters = draw(config, "equal-logits")
    parameters["lm_head"] = [parameters["lm_head"][0]] * config.vocabulary
    yield Example("equal-logits", config, document(config, [0, 1, 2]), parameters)
    same = draw(config, "equal-embeddings")
    same["wpe"] = [same["wpe"][0]] * config.block
    yield Example("equal-positions", config, document(config, [3, 3, 3]), same)


def faults(verb: str) -> Iterator[Case]:
    good = list(Example("", TINY, [2, 0, 1, 2], draw(TINY, "faults", 0.5)).lines())

    def changed(prefix: str, *new: str) -> list[str]:
        """The good request with its first line that begins so replaced."""
        index = next(i for i, text in enumerate(good) if text.startswith(prefix))
        return [*good[:index], *new, *good[index + 1 :]]

    yield from bad(
        verb,
        {
            "no-lines": [],
            "math-kind": changed("math", "math approximate"),
            "no-layers": changed("layers 1"),
            "layers-zero": changed("layers", "layers 0"),
            "layers-huge": changed("layers", "layers 4000000000"),
            "heads-do-not-divide": changed("heads", "heads 2"),
            "embedding-too-large": changed("embedding", "embedding 513"),
            "block-huge": changed("block", "block 9999999999"),
            "vocabulary-of-one": changed("vocabulary", "vocabulary 1"),
            "activation": changed("activation", "activation gelu"),
            "order-of-keys": ["math exact", "heads 1", "layers 1", *good[3:]],
            "attend-ahead": changed("attend 0 1", "attend 0 2"),
            "attend-without-itself": changed("attend 0 1", "attend 0"),
            "attend-not-increasing": changed("attend 0 1", "attend 1 0 1"),
            "attend-nothing": changed("attend 0 1", "attend"),
            "attend-missing": changed("attend 0 1"),
            "token-too-large": changed("tokens", "tokens 2 0 3"),
            "one-token-line": changed("tokens", "tokens 2"),
            "no-tokens": changed("tokens"),
            "tensor-name": changed("tensor lm_head", "tensor head 3 1"),
            "tensor-order": changed("tensor wte", "tensor wpe 3 1"),
            "tensor-shape": changed("tensor wte", "tensor wte 1 3"),
            "row-too-long": changed("row", line("row", 1.0, 2.0)),
            "row-missing": changed("row"),
            "row-not-hexadecimal": changed("row", "row 3ff000000000000g"),
            "truncated": good[:-1],
            "something-after": [*good, line("row", 1.0)],
        },
    )
