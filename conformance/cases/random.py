"""Level 4: the stream of random numbers, draw by draw."""

from collections.abc import Iterator

from conformance.cases.case import GREATEST, INF, LEAST, NAN, Case, bad, line

SEEDS = (0, 1, 42, 2147483648, 4294967295)


def cases() -> Iterator[Case]:
    yield case(
        "example",
        "words 2",
        "random 2",
        line("gauss 3", 0.02),
        "shuffle 5",
        line("choices 3", 0.5, 0.25, 0.25),
    )
    for seed in SEEDS:
        yield case(f"seed-{seed}", "words 10", "random 5", line("gauss 5", 1.0), "shuffle 10", seed=seed)
    yield case("words-over-the-edge", "words 623", "words 1", "words 1", "words 1000")
    yield case("random-over-the-edge", "words 623", "random 400")
    yield case("gauss-pairs", *[line(f"gauss {n}", 1.0) for n in (1, 1, 1, 2, 3, 200)])
    yield case(
        "gauss-kept-across",
        line("gauss 1", 1.0),
        "words 3",
        "random 1",
        line("gauss 2", 1.0),
        "shuffle 4",
        line("gauss 1", 1.0),
    )
    yield case(
        "gauss-kept-of-another-sigma",
        *[text for s in (0.02, 3.0, -1.0, 0.08) for text in (line("gauss 1", s), "state")],
    )
    yield case(
        "gauss-sigma", *[line("gauss 2", s) for s in (0.02, 0.08, 0.0, -0.0, -1.0, LEAST, GREATEST, INF, NAN)]
    )
    yield case("gauss-many", *[line("gauss 500", 0.08) for _ in range(8)], "words 1")
    yield case(
        "shuffle-sizes", *[f"shuffle {n}" for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65)]
    )
    yield case("shuffle-large", "shuffle 1000", "shuffle 4096", "shuffle 10000", "words 1")
    yield case("choices-one", line("choices 4", 1.0), "words 1")
    yield case("choices-zero-weights", line("choices 60", 0.0, 1.0, 0.0, 0.0, 2.0, 0.0), "words 1")
    yield case("choices-many", line("choices 300", *(1.0 / (1 + i) for i in range(27))))
    yield case("choices-equal", line("choices 300", *[1.0 / 3.0] * 3), line("choices 100", *[0.125] * 8))
    yield case(
        "choices-tiny", line("choices 40", LEAST, LEAST, LEAST), line("choices 40", 1e-300, 1e-300, 1e300)
    )
    yield case("choices-negative", line("choices 40", 2.0, -1.0, 3.0))
    yield case("choices-none", line("choices 0", 1.0, 2.0), "words 1")
    # Weights whose running sum meets `random() * total` exactly: left and right bisection differ there.
    yield case("choices-on-the-border", *borders())
    yield case("state-fresh", "state")
    yield case("state-later", "words 5", "state", line("gauss 1", 1.0), "state", "words 1000", "state")
    # New words are made when one is asked for, and not as soon as all are used up.
    yield case("state-all-used", "words 624", "state", "random 312", "state")
    yield from bad(
        "random",
        {
            "no-math": ["seed 42", "words 1"],
            "no-seed": ["math exact", "words 1"],
            "seed-too-large": ["math exact", "seed 4294967296", "words 1"],
            "seed-negative": ["math exact", "seed -1", "words 1"],
            "leading-zero": ["math exact", "seed 042", "words 1"],
            "no-draws": ["math exact", "seed 42"],
            "too-many-draws": ["math exact", "seed 42", "words 1001"],
            "huge-count": ["math exact", "seed 42", "shuffle 4000000000"],
            "unknown-draw": ["math exact", "seed 42", "dice 2"],
            "no-weights": ["math exact", "seed 42", "choices 1"],
            "zero-total": ["math exact", "seed 42", line("choices 1", 0.0, -0.0)],
            "nan-weight": ["math exact", "seed 42", line("choices 1", 1.0, NAN)],
            "infinite-total": ["math exact", "seed 42", line("choices 1", GREATEST, GREATEST)],
            "gauss-without-sigma": ["math exact", "seed 42", "gauss 1"],
        },
    )


def case(name: str, *draws: str, seed: int = 42) -> Case:
    return Case(name, "random", ("math exact", f"seed {seed}", *draws))


def borders() -> Iterator[str]:
    """The weight r first, where r is the very number that random() gives next; the total is 1."""
    import random

    stream = random.Random(42)
    for _ in range(8):
        r = stream.random()
        yield line("choices 1", r, 1.0 - r)
        second = stream.random()
        yield line("choices 1", second / 2.0, second / 2.0, 1.0 - second)
