"""Level 11: tokens drawn from given parameters and a given state of the generator."""

from collections.abc import Iterator
from dataclasses import dataclass

from conformance.cases.case import (
    CLASSIC_SHAPE,
    INF,
    NAN,
    SEED_SHAPE,
    TINY,
    Case,
    Draw,
    all_of,
    attending,
    bad,
    config_lines,
    hexagonal,
    line,
    matrix_lines,
    normal,
    shape,
    window,
)
from reference.microgpt import Config, Generator


def cases() -> Iterator[Case]:
    yield case("example", TINY, 0.5, 2, normal(1.0))
    yield case("classic-preset", CLASSIC_SHAPE, 0.5, 4, normal(0.3))
    yield case("seed-preset", SEED_SHAPE, 0.5, 4, normal(0.3))
    yield case("seed-preset-untrained", SEED_SHAPE, 0.5, 2, normal(0.02, 0.0))
    for name, temperature in (
        ("1", 1.0),
        ("hot", 30.0),
        ("cold", 0.05),
        ("third", 1.0 / 3.0),
        ("negative", -0.7),
        ("infinite", INF),
    ):
        yield case(f"temperature-{name}", shape(1, 2, 4, 6, 6), temperature, 4, normal(0.8))
    yield case("two-layers", shape(2, 2, 6, 5, 8), 0.7, 5, normal(0.5))
    yield case("three-layers", shape(3, 1, 5, 4, 4, "squared_relu"), 0.9, 5, normal(0.6))
    yield case("window", attending(shape(2, 2, 6, 8, 6), window(8, 2)), 0.8, 3, normal(0.6))
    yield case("hexagonal", attending(shape(1, 2, 4, 12, 6), hexagonal(12, 4)), 0.8, 3, normal(0.6))
    yield case("all-zero", shape(1, 2, 4, 6, 6), 0.5, 6, all_of(0.0))
    yield case("block-of-one", shape(1, 2, 4, 1, 6), 0.5, 10, normal(0.8))
    yield case("never-bos", without_bos := shape(1, 2, 4, 7, 5), 0.01, 3, normal(2.0))
    yield case("many-samples", without_bos, 0.9, 60, normal(0.6))
    yield case("no-samples", TINY, 0.5, 0, normal(0.5))
    yield case("state-at-the-edge", shape(1, 2, 4, 6, 6), 0.9, 6, normal(0.6), State(drawn=623))
    yield case("state-in-the-middle", shape(1, 2, 4, 6, 6), 0.9, 6, normal(0.6), State(drawn=301))
    yield case("kept-gauss", shape(1, 2, 4, 6, 6), 0.9, 3, normal(0.6), State(kept="3ff0000000000000"))
    good = list(case("", TINY, 0.5, 1, normal(0.5)).lines)
    state = next(text for text in good if text.startswith("state"))
    tensors_with_nan = list(case("", TINY, 0.5, 1, all_of(NAN)).lines)
    yield from bad(
        "sample",
        {
            "no-lines": [],
            "no-temperature": [text for text in good if not text.startswith("temperature")],
            "temperature-decimal": ["temperature 0.5" if t.startswith("temperature") else t for t in good],
            "temperature-zero": [
                line("temperature", 0.0) if t.startswith("temperature") else t for t in good
            ],
            "samples-too-many": ["samples 1001" if t.startswith("samples") else t for t in good],
            "state-short": [t.rsplit(" ", 1)[0] if t is state else t for t in good],
            "state-index": [t.replace("state 624", "state 625") for t in good],
            "state-word": [state.rsplit(" ", 1)[0] + " 4294967296" if t is state else t for t in good],
            "no-kept": good[:-1],
            "kept-zero": [*good[:-1], "kept 0"],
            "not-finite": tensors_with_nan,
        },
    )


@dataclass(frozen=True)
class State:
    """That of the generator from seed 42, after so many words. kept: as the request writes it."""

    drawn: int = 0
    kept: str = "none"


FRESH = State()


def case(
    name: str, config: Config, temperature: float, samples: int, parameters: Draw, state: State = FRESH
) -> Case:
    generator = Generator(42)
    for _ in range(state.drawn):
        generator.getrandbits(32)
    words = generator.getstate()[1]
    lines = (
        *config_lines(config),
        line("temperature", temperature),
        line("samples", samples),
        *matrix_lines(parameters(config, f"sample-{name}")),
        line("state", words[624], *words[:624]),
        line("kept", state.kept),
    )
    return Case(name, "sample", lines)
