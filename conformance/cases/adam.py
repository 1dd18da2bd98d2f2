"""Level 9: one update of parameters, m and v from given gradients."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from conformance.cases.case import (
    GREATEST,
    INF,
    LEAST,
    NAN,
    SPECIAL,
    Case,
    bad,
    chance,
    line,
    matrix_lines,
    optimizer_lines,
)
from reference.microgpt import PRESETS, Optimizer

SEED, CLASSIC = PRESETS["seed"].optimizer, PRESETS["classic"].optimizer
Number = Callable[[Random], float]


def cases() -> Iterator[Case]:
    yield case("example", CLASSIC, 0, 1, 3)
    for name, optimizer in (("seed", SEED), ("classic", CLASSIC)):
        for step in (0, 1, 2, 9, 99, optimizer.steps // 2, optimizer.steps - 2, optimizer.steps - 1):
            yield case(f"{name}-step-{step}", optimizer, step)
        yield case(f"{name}-zero-gradients", optimizer, 3, draws=Draws(gradients=always(0.0)))
        yield case(
            f"{name}-fresh-zero",
            optimizer,
            0,
            draws=Draws(gradients=always(0.0), m=always(0.0), v=always(0.0)),
        )
        yield case(
            f"{name}-minus-zero",
            optimizer,
            0,
            draws=Draws(gradients=always(-0.0), m=always(-0.0), v=always(0.0)),
        )
        yield case(
            f"{name}-tiny-gradients",
            optimizer,
            5,
            draws=Draws(gradients=uniform(-1e-170, 1e-170), v=always(0.0)),
        )
        yield case(
            f"{name}-subnormal",
            optimizer,
            0,
            draws=Draws(gradients=lambda s: LEAST * s.randrange(1000), m=always(LEAST), v=always(LEAST)),
        )
        yield case(f"{name}-huge-gradients", optimizer, 5, draws=Draws(gradients=uniform(-1e200, 1e200)))
        yield case(f"{name}-fresh", optimizer, 0, 8, 8, draws=Draws(m=always(0.0), v=always(0.0)))
    yield case("one-step", replace(CLASSIC, steps=1), 0)
    yield case("one-step-cosine", replace(SEED, steps=1), 0)
    yield case("last-of-4096", replace(CLASSIC, steps=4096), 4095)
    yield case("last-of-4096-cosine", replace(SEED, steps=4096), 4095)
    yield case("schedule-thirds", replace(SEED, steps=3), 1)
    yield case("schedule-sevenths", replace(CLASSIC, steps=7), 3)
    yield case("no-momentum", replace(CLASSIC, beta1=0.0, beta2=0.0), 4)
    yield case("betas-of-one", replace(CLASSIC, beta1=1.0, beta2=1.0), 4)
    yield case("common-betas", replace(CLASSIC, beta1=0.9, beta2=0.999, learning_rate=0.003), 12)
    yield case(
        "epsilon-zero",
        replace(CLASSIC, epsilon=0.0),
        1,
        draws=Draws(gradients=lambda s: s.choice((0.0, 1.0, -1.0)), m=always(0.0), v=always(0.0)),
    )
    yield case("epsilon-large", replace(CLASSIC, epsilon=0.5), 6)
    yield case("rate-zero", replace(CLASSIC, learning_rate=0.0), 2)
    yield case("rate-negative", replace(SEED, learning_rate=-0.1), 2)
    yield case("special-gradients", CLASSIC, 1, 1, 12, draws=Draws(gradients=iterate(SPECIAL)))
    yield case(
        "special-moments",
        CLASSIC,
        1,
        1,
        12,
        draws=Draws(m=iterate(SPECIAL), v=iterate(tuple(map(abs, SPECIAL)))),
    )
    yield case("negative-v", CLASSIC, 1, 1, 4, draws=Draws(v=always(-1.0)))
    yield case("infinite-negative-v", CLASSIC, 1, 1, 4, draws=Draws(v=always(-INF)))
    yield case("special-parameters", SEED, 1, 1, 12, draws=Draws(parameters=iterate(SPECIAL)))
    yield case("not-finite-options", replace(CLASSIC, epsilon=INF, learning_rate=GREATEST, beta1=NAN), 1)
    yield case("wide", CLASSIC, 17, 2, 500)
    yield case("tall", SEED, 17, 300, 1)
    good = case("", CLASSIC, 0, 1, 2).lines
    yield from bad(
        "adam",
        {
            "no-lines": [],
            "step-past-the-end": [
                text.replace("step 0", "step 1000") if text.startswith("step ") else text for text in good
            ],
            "steps-zero": ["steps 0" if text.startswith("steps") else text for text in good],
            "steps-too-many": ["steps 4097" if text.startswith("steps") else text for text in good],
            "schedule": ["schedule constant" if text.startswith("schedule") else text for text in good],
            "shapes-differ": [text.replace("m 1 2", "m 2 1") for text in good],
            "no-v": list(good[:-2]),
            "decimal-rate": [
                "learning_rate 0.01" if text.startswith("learning_rate") else text for text in good
            ],
            "no-epsilon": [text for text in good if not text.startswith("epsilon")],
            "empty-tensor": [text.replace("parameters 1 2", "parameters 0 2") for text in good],
            "rows-huge": [text.replace("parameters 1 2", "parameters 4294967297 2") for text in good],
        },
    )


def always(value: float) -> Number:
    return lambda source: value


def uniform(low: float, high: float) -> Number:
    return lambda source: source.uniform(low, high)


def iterate(values: tuple[float, ...]) -> Number:
    rest = iter(values)
    return lambda source: next(rest)


@dataclass(frozen=True)
class Draws:
    """Where the numbers of each tensor of a request come from, in the request's order."""

    parameters: Number = uniform(-0.5, 0.5)
    gradients: Number = uniform(-0.1, 0.1)
    m: Number = uniform(-0.05, 0.05)
    v: Number = uniform(0.0, 0.01)


USUAL = Draws()


def case(
    name: str, optimizer: Optimizer, step: int, rows: int = 3, columns: int = 8, draws: Draws = USUAL
) -> Case:
    source = chance(f"adam-{name}")
    tensors = {
        key: [[number(source) for _ in range(columns)] for _ in range(rows)]
        for key, number in vars(draws).items()
    }
    options = ("math exact", *optimizer_lines(optimizer), line("step", step))
    return Case(name, "adam", (*options, *matrix_lines(tensors)))
