"""Level 12: everything from seed 42, as a user would run it."""

from collections.abc import Iterator, Sequence
from importlib.resources import files

from conformance.cases.case import Case, bad, dataset, text_line

A_FEW = (
    "emma",
    "olivia",
    "ava",
    "noah",
    "liam",
    "mia",
    "zoe",
    "quinn",
    "xavier",
    "jay",
    "hugo",
    "bo",
    "kim",
    "fay",
    "wes",
    "priscilla-anne",
    "dev",
    "ty",
)


def cases() -> Iterator[Case]:
    garden = files("reference").joinpath("garden/names.txt").read_text(encoding="utf-8").splitlines()
    yield case("example", "seed", 2, 1, ["ab", "ba"])
    for preset in ("seed", "classic"):
        yield case(f"{preset}-a-few-names", preset, 25, 5, A_FEW)
        yield case(f"{preset}-garden", preset, 12, 3, garden)
        yield case(f"{preset}-one-document", preset, 10, 4, ["anna"])
        yield case(f"{preset}-one-letter", preset, 6, 12, ["a"])
    yield case("white-space", "seed", 4, 2, ["  emma ", "", "\tava\r", " ", "a b"])
    yield case("non-ascii", "classic", 8, 6, ["žofie", "łucja", "zoë", "さくら", "мария", "😀a"])
    yield case("emoji", "classic", 6, 4, dataset("emoji.txt"))
    yield case("kana", "seed", 12, 4, dataset("kana.txt"))
    yield case(
        "longer-than-block", "seed", 3, 2, ["abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"]
    )
    yield case("one-step", "classic", 1, 1, A_FEW)
    # The loss of step 2 is so near to a tie that a float32 prints 2.7415.
    yield case("four-decimals", "classic", 60, 2, ["bggvm", "wps", "aryrjd"])
    yield case("no-samples", "seed", 3, 0, A_FEW)
    yield case("hundred-samples", "seed", 2, 101, ["ab", "cd"])
    yield case("long-seed-garden", "seed", 500, 20, garden)
    yield case("long-classic-garden", "classic", 1000, 20, garden)
    good = list(case("", "seed", 2, 1, ["ab"]).lines)
    yield from bad(
        "run",
        {
            "no-lines": [],
            "preset": ["preset modern" if t.startswith("preset") else t for t in good],
            "steps-zero": ["steps 0" if t.startswith("steps") else t for t in good],
            "samples-missing": [t for t in good if not t.startswith("samples")],
            "no-dataset": good[:-1],
            "only-empty-lines": [*good[:-1], "line", "line 32"],
            "surrogate": [*good, "line 57343"],
            "unknown-key": [*good, "seed 42"],
        },
    )


def case(name: str, preset: str, steps: int, samples: int, lines: Sequence[str]) -> Case:
    head = ("math exact", f"preset {preset}", f"steps {steps}", f"samples {samples}")
    return Case(name, "run", (*head, *map(text_line, lines)))
