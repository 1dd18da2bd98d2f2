"""Level 10: many steps, with checksums of everything at each, and whole tensors at some."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from conformance.cases.case import (
    CLASSIC_SHAPE,
    SEED_SHAPE,
    TINY,
    Case,
    Matrices,
    bad,
    config_lines,
    constant,
    draw,
    hexagonal,
    line,
    matrix_lines,
    optimizer_lines,
    random_document,
    shape,
    window,
)
from reference.microgpt import PRESETS, Config, Optimizer

SEED, CLASSIC = PRESETS["seed"].optimizer, PRESETS["classic"].optimizer


def cases() -> Iterator[Case]:
    yield case("example", TINY, replace(CLASSIC, steps=4), [1, 3], count=2, full=[1])
    yield case("classic-preset", CLASSIC_SHAPE, CLASSIC, [6, 4, 7, 5], count=12, full=[0], sigma=0.08)
    yield case(
        "seed-preset", SEED_SHAPE, SEED, [6, 4, 7, 5], count=12, full=[11], sigma=0.02, output_sigma=0.0
    )
    yield case(
        "to-the-end", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=40), [3, 2, 4], count=40, full=[0, 38, 39]
    )
    yield case(
        "to-the-end-cosine",
        shape(1, 2, 4, 4, 5, "squared_relu"),
        replace(SEED, steps=40),
        [3, 2, 4],
        count=40,
        full=[39],
    )
    yield case("one-step", shape(1, 2, 4, 4, 5), replace(SEED, steps=1), [3], count=1, full=[0])
    yield case(
        "two-layers", shape(2, 2, 6, 5, 8), replace(CLASSIC, steps=30), [4, 5, 2, 1], count=15, full=[14]
    )
    yield case(
        "three-layers", shape(3, 3, 9, 4, 5, "squared_relu"), replace(SEED, steps=30), [3, 4], count=10
    )
    yield case(
        "single-document", shape(1, 2, 4, 8, 5), replace(CLASSIC, steps=100), [5], count=100, full=[99]
    )
    yield case("more-documents-than-steps", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=5), [2] * 9, count=5)
    yield case(
        "short-and-long-documents",
        shape(1, 2, 4, 3, 5),
        replace(CLASSIC, steps=50),
        [0, 1, 2, 3, 9],
        count=20,
    )
    yield case(
        "window",
        shape(2, 2, 6, 8, 6, attention=window(8, 3)),
        replace(SEED, steps=30),
        [7, 5, 8],
        count=10,
        full=[9],
    )
    yield case(
        "hexagonal",
        shape(1, 2, 4, 12, 6, attention=hexagonal(12, 4)),
        replace(CLASSIC, steps=30),
        [11, 9],
        count=8,
    )
    yield case(
        "long-hexagonal",
        shape(2, 2, 4, 64, 6, attention=hexagonal(64, 8)),
        replace(CLASSIC, steps=30),
        [63, 50],
        count=8,
        full=[7],
    )
    yield case(
        "outputs-zero",
        shape(2, 2, 6, 5, 8, "squared_relu"),
        replace(SEED, steps=20),
        [4, 3],
        count=8,
        full=[0, 1],
        sigma=0.02,
        output_sigma=0.0,
    )
    yield case(
        "high-rate", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=60, learning_rate=0.5), [3, 2], count=60
    )
    yield case(
        "odd-embedding",
        shape(1, 1, 7, 6, 9),
        replace(CLASSIC, steps=25, beta1=0.9, beta2=0.999),
        [5, 6, 3],
        count=25,
    )
    zero = shape(1, 2, 4, 4, 5)
    yield case(
        "from-zero-parameters",
        zero,
        replace(CLASSIC, steps=10),
        [3, 2],
        count=6,
        full=[5],
        parameters=constant(zero, 0.0),
    )
    yield case(
        "later-steps",
        shape(1, 2, 4, 4, 5),
        replace(CLASSIC, steps=50),
        [3, 2, 4],
        first=17,
        count=8,
        full=[17, 24],
    )
    yield case(
        "later-steps-cosine",
        shape(2, 1, 5, 4, 6, "squared_relu"),
        replace(SEED, steps=50),
        [3, 2, 4],
        first=44,
        count=6,
        full=[49],
    )
    yield case(
        "last-step-only",
        shape(1, 2, 4, 4, 5),
        replace(SEED, steps=4096),
        [3],
        first=4095,
        count=1,
        full=[4095],
    )

    good = list(case("", TINY, replace(CLASSIC, steps=4), [1, 3], count=2, full=[1]).lines)
    later = list(case("", TINY, replace(CLASSIC, steps=4), [1, 3], first=2, count=2, full=[]).lines)

    def changed(prefix: str, *new: str) -> list[str]:
        index = next(i for i, text in enumerate(good) if text.startswith(prefix))
        return [*good[:index], *new, *good[index + 1 :]]

    yield from bad(
        "train",
        {
            "no-lines": [],
            "from-past-the-end": changed("from", "from 4"),
            "count-past-the-end": changed("count", "count 5"),
            "count-zero": changed("count", "count 0"),
            "full-outside": changed("full", "full 2"),
            "full-not-increasing": changed("full", "full 1 0"),
            "full-missing": changed("full"),
            "no-documents": [text for text in good if not text.startswith("tokens")],
            "moments-not-wanted": [*good, "tensor m.wte 3 1"],
            "moments-missing": later[: later.index("tensor m.wte 3 1")],
            "moments-without-v": later[: later.index("tensor v.wte 3 1")],
            "moments-exchanged": [
                t.replace("m.", "w.").replace("v.", "m.").replace("w.", "v.") for t in later
            ],
        },
    )


def case(
    name: str,
    config: Config,
    optimizer: Optimizer,
    lengths: Sequence[int],
    count: int,
    first: int = 0,
    full: Sequence[int] = (),
    sigma: float = 0.2,
    output_sigma: float | None = None,
    parameters: Matrices | None = None,
) -> Case:
    """`lengths` are those of the documents, without BOS."""
    documents = [random_document(config, length, f"{name}-{i}") for i, length in enumerate(lengths)]
    lines = [
        *config_lines(config),
        *optimizer_lines(optimizer),
        line("from", first),
        line("count", count),
        line("full", *full),
        *(line("tokens", *tokens) for tokens in documents),
        *matrix_lines(parameters or draw(config, f"train-{name}", sigma, output_sigma)),
    ]
    if first:
        lines += matrix_lines(draw(config, f"m-{name}", 0.02), "m.")
        squares = draw(config, f"v-{name}", 0.02)
        lines += matrix_lines(
            {key: [[x * x for x in row] for row in rows] for key, rows in squares.items()}, "v."
        )
    return Case(name, "train", tuple(lines))
