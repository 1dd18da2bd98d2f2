"""A whole run is made of its parts, asked one by one: shuffle, parameters, training, samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import zip_longest

from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker, Model, Run, Sample, Shape, Step, doubles, integers
from science.laws.flows.adam import Settings
from science.laws.ledger import Assertion, law, true

STEPS, SAMPLES, SEED = 4, 5, 42
LINES = ("  ab", "ba\r", "", "cab")  # fewer documents than steps: they come again


@dataclass(frozen=True)
class Setting:
    """A preset of SPEC.md (section 10)."""

    block: int
    sigma: float
    output_sigma: float
    activation: str
    optimizer: Settings


SETTINGS = {
    "seed": Setting(8, 0.02, 0.0, "squared_relu", Settings(0.01, 0.9, 0.95, 1e-8, "cosine", STEPS)),
    "classic": Setting(16, 0.08, 0.08, "relu", Settings(0.01, 0.85, 0.99, 1e-8, "linear", STEPS)),
}


@dataclass(frozen=True)
class Parts:
    """A run, and what its parts say when each is asked for itself.

    samples: the documents that the letters of `sample` spell. word: the generator's next after them.
    """

    run: Run
    documents: int
    vocabulary: int
    parameters: int
    steps: list[Step]
    samples: list[str]
    word: int


def parts(ask: Asker, preset: str) -> Parts:
    """Ask the run and its parts. All draws are on one stream, from seed 42."""
    setting, found = SETTINGS[preset], ask.tokens(LINES)
    [letters], encoded = found["vocabulary"], found["encoded"]
    shape = Shape(1, 4, 16, setting.block, len(letters) + 1, setting.activation)
    sizes = shape.matrices()
    draws = [f"shuffle {len(encoded)}"]
    for name, (rows, columns) in sizes.items():
        output = name.endswith(("attn_wo", "mlp_fc2"))
        draws += [f"gauss {columns} {hexadecimal(setting.output_sigma if output else setting.sigma)}"] * rows
    order, *drawn = ask.draws(SEED, *draws)
    rows_drawn = map(doubles, drawn)
    tensors = {name: [next(rows_drawn) for _ in range(rows)] for name, (rows, _) in sizes.items()}
    shuffled = [encoded[index] for index in integers(order)]
    model = Model.of(shape, tensors)
    settings = [*setting.optimizer.lines(), "from 0", f"count {STEPS}", f"full {STEPS - 1}"]
    steps = ask.train(model, settings, shuffled, {})
    trained = replace(model, tensors={name: steps[-1].tensors[f"parameters.{name}"] for name in sizes})
    samples, word = ask.sample(trained, 0.5, SAMPLES, ask.state(SEED, *draws))
    return Parts(
        ask.run(preset, STEPS, SAMPLES, LINES),
        len(encoded),
        shape.vocabulary,
        sum(rows * columns for rows, columns in sizes.values()),
        steps,
        [_spelled(sample, letters) for sample in samples],
        word,
    )


def _spelled(sample: Sample, letters: list[int]) -> str:
    return "".join(chr(letters[token]) for token in sample.tokens if token < len(letters))


def four_decimals(loss: float) -> str:
    """By decimal arithmetic, from the exact value."""
    return str(Decimal(loss).quantize(Decimal("0.0001"), ROUND_HALF_EVEN))


@law(
    "text to tokens",
    "A run prints how many documents, tokens and parameters it has, BOS included: as many as are counted.",
    'yield f"num docs',
)
def a_run_counts_what_it_has(ask: Asker) -> Iterator[Assertion]:
    for preset in SETTINGS:
        found = parts(ask, preset)
        right = [
            f"num docs: {found.documents}",
            f"vocab size: {found.vocabulary}",
            f"num params: {found.parameters}",
        ]
        for line, wanted in zip_longest(found.run.printed[: len(right)], right):
            yield true(f"{preset}: {wanted}", line == wanted, f"{line!r}")


@law(
    "shuffle and choice",
    "A run shuffles its documents, draws its parameters and trains on them in turn: each loss that it prints "
    "is that of a training on what was so drawn.",
    "self.generator.shuffle(self.documents)",
    "exact, from the double to its four decimals",
)
def losses_of_a_run_are_those_of_its_training(ask: Asker) -> Iterator[Assertion]:
    for preset in SETTINGS:
        found = parts(ask, preset)
        for number, step in enumerate(found.steps):
            line, loss = found.run.printed[3 + number], four_decimals(step.loss)
            yield true(f"{preset}, step {number}", line.endswith(f" {loss}"), f"{line!r} is not for {loss}")


@law(
    "Adam",
    "At the end of a run, parameters, m and v are those of a training on its documents and draws.",
    "name: [[Value(generator.gauss(0.0, sigma(name)))",
)
def a_run_ends_as_its_training(ask: Asker) -> Iterator[Assertion]:
    for preset in SETTINGS:
        found = parts(ask, preset)
        for name in ("parameters", "m", "v"):
            yield true(f"{preset}: {name}", found.run.checksums[name] == found.steps[-1].checksums[name])


@law(
    "sampling",
    "A run samples from its trained parameters at temperature 0.5, on the same stream.",
    "sample(training.config, training.parameters, self.preset.temperature",
)
def samples_of_a_run_go_on_with_its_stream(ask: Asker) -> Iterator[Assertion]:
    for preset in SETTINGS:
        found = parts(ask, preset)
        printed = [line.partition(": ")[2] for line in found.run.printed[-SAMPLES:]]
        for number, (line, right) in enumerate(zip(printed, found.samples, strict=True)):
            yield true(f"{preset}, sample {number}", line == right, f"{line!r} is not {right!r}")
        yield true(f"{preset}: next word", found.run.word == found.word)


@law(
    "schedule",
    "A run prints its steps from 1 to the last, four wide, and its samples from 1, two wide.",
    'yield f"step {step:4d} / {steps:4d}',
)
def steps_and_samples_are_counted_from_1(ask: Asker) -> Iterator[Assertion]:
    for preset in SETTINGS:
        printed = ask.run(preset, STEPS, SAMPLES, LINES).printed
        heads = [line.rpartition(" ")[0] for line in printed[3 : 3 + STEPS]]
        for number, head in enumerate(heads, start=1):
            right = f"step {number:>4} / {STEPS:>4} | loss"
            yield true(f"{preset}, step {number}", head == right, f"{head!r}")
        for number, line in enumerate(printed[-SAMPLES:], start=1):
            yield true(f"{preset}, sample {number}", line.startswith(f"sample {number:>2}: "), f"{line!r}")
        yield true(f"{preset}: lines", len(printed) == 3 + STEPS + 2 + SAMPLES, f"{len(printed)}")
