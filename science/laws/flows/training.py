"""A training, step by step: documents in turn, backward, update."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from reference.protocol.wire import hexadecimal
from science.laws.asking import CHECKSUMS, Asker, written
from science.laws.flows.adam import COSINE, LINEAR, RATE, SCHEDULE, USUAL, Before, Settings, flat, update
from science.laws.ledger import Assertion, law, same, true
from science.laws.models import SMALL, TWO_LAYERS, document, zeros


def documents(vocabulary: int, block: int) -> list[list[int]]:
    return [
        [vocabulary - 1, *[(a + b) % (vocabulary - 1) for b in range(2)], vocabulary - 1] for a in range(3)
    ]


@law(SCHEDULE, "Step s of a training reads document s, and begins again after the last.", "def losses(self)")
def documents_come_in_turn(ask: Asker) -> Iterator[Assertion]:
    for name, model in (("small", SMALL), ("two layers", TWO_LAYERS)):
        read = documents(model.vocabulary, model.block)
        still = replace(USUAL, learning_rate=0.0, steps=8)
        steps = ask.train(model, [*still.lines(), "from 0", "count 8", "full"], read, {})
        for number, step in enumerate(steps):
            yield same(f"{name}, step {number}", step.loss, ask.loss(model, read[number % 3]))


@law(
    SCHEDULE,
    "A training that is interrupted and taken up again ends with the same numbers.",
    "self.step += 1",
)
def a_training_can_be_taken_up_again(ask: Asker) -> Iterator[Assertion]:
    for name, model in (("small", SMALL), ("two layers", TWO_LAYERS)):
        read = documents(model.vocabulary, model.block)
        for settings in (replace(LINEAR, steps=6), replace(COSINE, steps=6)):
            lines = settings.lines()
            whole = ask.train(model, [*lines, "from 0", "count 6", "full 2"], read, {})
            held = whole[2].tensors
            halfway = replace(model, tensors={key: held[f"parameters.{key}"] for key in model.tensors})
            moments = {f"{part}.{key}": held[f"{part}.{key}"] for part in "mv" for key in model.tensors}
            rest = ask.train(halfway, [*lines, "from 3", "count 3", "full"], read, moments)
            for number, (one, other) in enumerate(zip(whole[3:], rest, strict=True), start=3):
                yield same(f"{name}, {settings.schedule}: loss {number}", other.loss, one.loss)
                for key in one.checksums:
                    equal = other.checksums[key] == one.checksums[key]
                    yield true(f"{name}, {settings.schedule}: {key} {number}", equal)


@law(SCHEDULE, "A step of a training is a backward and an update.", "loss.backward()")
def a_step_is_backward_and_update(ask: Asker) -> Iterator[Assertion]:
    for name, model in (("small", SMALL), ("two layers", TWO_LAYERS)):
        read = documents(model.vocabulary, model.block)
        for settings in (replace(LINEAR, steps=6), replace(COSINE, steps=6)):
            steps = ask.train(model, [*settings.lines(), "from 0", "count 3", "full 0 1 2"], read, {})
            p = model.tensors
            m = v = {key: zeros(rows) for key, rows in p.items()}
            for number, step in enumerate(steps):
                label = f"{name}, {settings.schedule}, step {number}"
                gradients = ask.backward(replace(model, tensors=p), read[number])
                for key in p:
                    found = update(ask, settings, number, Before(p[key], gradients[key], m[key], v[key]))
                    found["gradients"] = gradients[key]
                    for part in CHECKSUMS:
                        equal = found[part] == step.tensors[f"{part}.{key}"]
                        yield true(f"{label}: {part} of {key}", equal)
                p, m, v = (
                    {key: step.tensors[f"{part}.{key}"] for key in p} for part in ("parameters", "m", "v")
                )


PRIME = 2**32 - 5


def checksum(values: Iterable[float]) -> str:
    """The two running sums of SPEC.md (section 13) in closed form: of n halves h, 1 + h0 + h1 + ..., and
    n + n h0 + (n - 1) h1 + ..., modulo the greatest prime below 2^32.
    """
    halves = [int(word[at : at + 8], 16) for word in map(hexadecimal, values) for at in (0, 8)]
    count = len(halves)
    second = count + sum((count - index) * half for index, half in enumerate(halves))
    return f"{(1 + sum(halves)) % PRIME:08x} {second % PRIME:08x}"


@law(SCHEDULE, "Checksums are those of the numbers that they stand for.", "return loss.data, gradients")
def checksums_are_of_the_numbers(ask: Asker) -> Iterator[Assertion]:
    for name, model in (("small", SMALL), ("two layers", TWO_LAYERS)):
        read = documents(model.vocabulary, model.block)
        steps = ask.train(model, [*LINEAR.lines(), "from 0", "count 3", "full 0 1 2"], read, {})
        for number, step in enumerate(steps):
            for part in CHECKSUMS:
                values = [x for key in model.tensors for x in flat(step.tensors[f"{part}.{key}"])]
                yield true(f"{name}, step {number}: {part}", step.checksums[part] == checksum(values))


@law(SCHEDULE, "There is no step after the last.", RATE)
def there_is_no_step_after_the_last(ask: Asker) -> Iterator[Assertion]:
    one = {name: [[1.0]] for name in ("parameters", "gradients", "m", "v")}
    for schedule in ("linear", "cosine"):
        for steps in (1, 2, 16):
            settings = Settings(schedule=schedule, steps=steps)
            lines = [f"math {ask.math}", *settings.lines(), f"step {steps}", *written(one)]
            yield true(f"{schedule}, {steps}", ask.refused("adam", lines), "it was answered")


@law(SCHEDULE, "A training that learns one document by heart loses less and less.", "def advance")
def one_document_is_learned(ask: Asker) -> Iterator[Assertion]:
    for name, model in (("small", SMALL), ("two layers", TWO_LAYERS)):
        for settings in (LINEAR, COSINE):
            lines = replace(settings, learning_rate=0.02, steps=30).lines()
            steps = ask.train(model, [*lines, "from 0", "count 30", "full"], [document(model)], {})
            for number in range(10, 30, 5):
                holds = steps[number].loss < steps[number - 10].loss
                yield true(f"{name}, {settings.schedule}, step {number}", holds)
