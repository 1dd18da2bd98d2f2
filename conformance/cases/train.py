"""Level 10: many steps, with checksums of everything at each, and whole tensors at some."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.cases.case import (
    CLASSIC_SHAPE,
    SEED_SHAPE,
    TINY,
    Case,
    Draw,
    all_of,
    attending,
    bad,
    config_lines,
    draw,
    hexagonal,
    line,
    matrix_lines,
    normal,
    optimizer_lines,
    random_document,
    shape,
    window,
)
from reference.microgpt import PRESETS, Config, Optimizer

SEED, CLASSIC = PRESETS["seed"].optimizer, PRESETS["classic"].optimizer


def cases() -> Iterator[Case]:
    yield case("example", TINY, replace(CLASSIC, steps=4), [1, 3], Steps(2, full=[1]))
    yield case("classic-preset", CLASSIC_SHAPE, CLASSIC, [6, 4, 7, 5], Steps(12, full=[0]), normal(0.08))
    yield case("seed-preset", SEED_SHAPE, SEED, [6, 4, 7, 5], Steps(12, full=[11]), normal(0.02, 0.0))
    yield case(
        "to-the-end", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=40), [3, 2, 4], Steps(40, full=[0, 38, 39])
    )
    yield case(
        "to-the-end-cosine",
        shape(1, 2, 4, 4, 5, "squared_relu"),
        replace(SEED, steps=40),
        [3, 2, 4],
        Steps(40, full=[39]),
    )
    yield case("one-step", shape(1, 2, 4, 4, 5), replace(SEED, steps=1), [3], Steps(1, full=[0]))
    yield case(
        "two-layers", shape(2, 2, 6, 5, 8), replace(CLASSIC, steps=30), [4, 5, 2, 1], Steps(15, full=[14])
    )
    yield case(
        "three-layers", shape(3, 3, 9, 4, 5, "squared_relu"), replace(SEED, steps=30), [3, 4], Steps(10)
    )
    yield case(
        "single-document", shape(1, 2, 4, 8, 5), replace(CLASSIC, steps=100), [5], Steps(100, full=[99])
    )
    yield case(
        "more-documents-than-steps", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=5), [2] * 9, Steps(5)
    )
    yield case(
        "short-and-long-documents",
        shape(1, 2, 4, 3, 5),
        replace(CLASSIC, steps=50),
        [0, 1, 2, 3, 9],
        Steps(20),
    )
    yield case(
        "window",
        attending(shape(2, 2, 6, 8, 6), window(8, 3)),
        replace(SEED, steps=30),
        [7, 5, 8],
        Steps(10, full=[9]),
    )
    yield case(
        "hexagonal",
        attending(shape(1, 2, 4, 12, 6), hexagonal(12, 4)),
        replace(CLASSIC, steps=30),
        [11, 9],
        Steps(8),
    )
    yield case(
        "long-hexagonal",
        attending(shape(2, 2, 4, 64, 6), hexagonal(64, 8)),
        replace(CLASSIC, steps=30),
        [63, 50],
        Steps(8, full=[7]),
    )
    yield case(
        "outputs-zero",
        shape(2, 2, 6, 5, 8, "squared_relu"),
        replace(SEED, steps=20),
        [4, 3],
        Steps(8, full=[0, 1]),
        normal(0.02, 0.0),
    )
    yield case(
        "high-rate", shape(1, 2, 4, 4, 5), replace(CLASSIC, steps=60, learning_rate=0.5), [3, 2], Steps(60)
    )
    yield case(
        "odd-embedding",
        shape(1, 1, 7, 6, 9),
        replace(CLASSIC, steps=25, beta1=0.9, beta2=0.999),
        [5, 6, 3],
        Steps(25),
    )
    yield case(
        "from-zero-parameters",
        shape(1, 2, 4, 4, 5),
        replace(CLASSIC, steps=10),
        [3, 2],
        Steps(6, full=[5]),
        all_of(0.0),
    )
    yield case(
        "later-steps",
        shape(1, 2, 4, 4, 5),
        replace(CLASSIC, steps=50),
        [3, 2, 4],
        Steps(8, first=17, full=[17, 24]),
    )
    yield case(
        "later-steps-cosine",
        shape(2, 1, 5, 4, 6, "squared_relu"),
        replace(SEED, steps=50),
        [3, 2, 4],
        Steps(6, first=44, full=[49]),
    )
    yield case(
        "last-step-only",
        shape(1, 2, 4, 4, 5),
        replace(SEED, steps=4096),
        [3],
        Steps(1, first=4095, full=[4095]),
    )

    good = list(case("", TINY, replace(CLASSIC, steps=4), [1, 3], Steps(2, full=[1])).lines)
    later = list(case("", TINY, replace(CLASSIC, steps=4), [1, 3], Steps(2, first=2)).lines)

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


@dataclass(frozen=True)
class Steps:
    """The steps asked for: `count` from `first` on, with whole tensors at those in `full`."""

    count: int
    first: int = 0
    full: Sequence[int] = ()


USUAL = normal(0.2)


def case(
    name: str,
    config: Config,
    optimizer: Optimizer,
    lengths: Sequence[int],
    steps: Steps,
    parameters: Draw = USUAL,
) -> Case:
    """`lengths` are those of the documents, without BOS."""
    documents = [random_document(config, length, f"{name}-{i}") for i, length in enumerate(lengths)]
    lines = [
        *config_lines(config),
        *optimizer_lines(optimizer),
        line("from", steps.first),
        line("count", steps.count),
        line("full", *steps.full),
        *(line("tokens", *tokens) for tokens in documents),
        *matrix_lines(parameters(config, f"train-{name}")),
    ]
    if steps.first:
        lines += matrix_lines(draw(config, f"m-{name}", 0.02), "m.")
        squares = draw(config, f"v-{name}", 0.02)
        lines += matrix_lines(
            {key: [[x * x for x in row] for row in rows] for key, rows in squares.items()}, "v."
        )
    return Case(name, "train", tuple(lines))
