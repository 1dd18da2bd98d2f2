"""One trial: a GPT or an n-gram learns from lines. Held-out lines and its own samples measure it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from conformance.messages import Request
from harness.errors import ConformError
from harness.judge.check import engine as ports
from reference import microgpt
from reference.app.engine import Engine, PortEngine
from reference.app.trainer import preset_of
from reference.protocol.wire import checksum
from science.seed_quality.ngram import LN2, TEMPERATURES, Ngram
from science.seed_quality.sets import Set
from science.seed_quality.spoiling import Spoiling

Json = dict[str, Any]
PRESET_EMBEDDING = 16
SHOWN = 10  # samples that are kept to be looked at
SHARES = ("validity", "novelty", "distinctness", "harvest")
MEASURES = ("bits", *(f"{share} at {t:g}" for t in TEMPERATURES for share in SHARES))


@dataclass(frozen=True)
class Corpus:
    """The lines that a model learns from: a set's own, spoiled with a seed."""

    of: Set
    spoiling: Spoiling
    seed: int

    @cached_property
    def lines(self) -> Sequence[str]:
        return self.spoiling.lines(self.of, self.seed)

    @property
    def alphabet(self) -> tuple[str, ...]:
        return self.spoiling.alphabet(self.of)


@dataclass(frozen=True)
class Size:
    """Of a GPT. A `block` of None is as long as the set's longest line. `rounds`: each begins where the one
    before ended, with a fresh Adam and half its learning rate. The first one's falls with the embedding.
    """

    layers: int = 1
    embedding: int = 16
    block: int | None = None
    rounds: int = 1


class Course(microgpt.Run):
    """A training whose alphabet is given, so that it may be larger than that of its lines.

    The parameters are drawn before the lines are shuffled: with one alphabet and one seed they are the same
    ones, however many lines there are.
    """

    def __init__(
        self,
        preset: microgpt.Preset,
        lines: Sequence[str],
        alphabet: tuple[str, ...],
        seed: int,
        shuffled: bool,
    ) -> None:
        self.preset = preset
        self.generator = microgpt.Generator(seed)
        self.tokenizer = microgpt.Tokenizer(alphabet)
        config = replace(preset.config, vocabulary=self.tokenizer.vocabulary)
        parameters = microgpt.draw_parameters(preset, config, self.generator)
        self.documents = list(lines)
        if shuffled:
            self.generator.shuffle(self.documents)
        self.training = microgpt.Training.start(config, preset.optimizer, parameters)


@dataclass
class Speaker:
    """What the reference's PortEngine speaks to: a session with a port. Raises ConformError if it refuses."""

    name: str
    engine: ports.Engine

    def ask(self, verb: str, lines: Sequence[str]) -> Sequence[str]:
        reply = self.engine.ask(Request(verb, "seed", tuple(lines)))
        if not reply.ok:
            raise ConformError(f"{self.name} refuses to {verb}: {reply.reason}")
        return reply.lines


def computer(found: ports.Engine) -> Engine:
    """What trains: a port, or the reference where no port was found."""
    return Engine() if found.session is None else PortEngine(Speaker(found.name, found))


def of_gpt(corpus: Corpus, size: Size, steps: int, samples: int, engine: Engine) -> Json:
    """Train a GPT of the preset `classic` in this size, and measure it."""
    of, seed = corpus.of, corpus.seed
    sizes = {"layers": size.layers, "embedding": size.embedding, "block": size.block or of.block}
    preset = preset_of("classic", steps, sizes)
    rate = preset.optimizer.learning_rate * PRESET_EMBEDDING / size.embedding
    preset = replace(preset, optimizer=replace(preset.optimizer, learning_rate=rate))
    course = Course(preset, corpus.lines, corpus.alphabet, seed, corpus.spoiling.shuffled)
    training = course.training
    for number in range(size.rounds):
        if number:
            rate /= 2.0
            optimizer = replace(training.optimizer, learning_rate=rate)
            training = microgpt.Training.start(training.config, optimizer, training.parameters)
            course.training = training
        while training.step < steps:
            if isinstance(engine, PortEngine):
                engine.steps = steps  # all in one request
            engine.advance(course)
    held_out = encoded(course.tokenizer, of.held_out)
    counts = [min(training.config.block, len(tokens) - 1) for tokens in held_out]
    losses = engine.losses(training, held_out)
    total = sum(loss * count for loss, count in zip(losses, counts, strict=True))
    row: Json = {
        "parameters": len(microgpt.flatten(training.parameters)),
        "checksum": checksum([value.data for value in microgpt.flatten(training.parameters)]),
        "bits": total / sum(counts) / LN2,
    }
    for temperature in TEMPERATURES:
        drawn = engine.sample(training, temperature, samples, seed)
        row |= harvest(of, corpus.lines, [course.tokenizer.decode(tokens) for tokens in drawn], temperature)
    return row


def of_ngram(corpus: Corpus, order: int, samples: int) -> Json:
    """Count n-grams in the same lines, and measure them alike."""
    of = corpus.of
    tokenizer = microgpt.Tokenizer(corpus.alphabet)
    model = Ngram(order, tokenizer.vocabulary, encoded(tokenizer, corpus.lines))
    row: Json = {"bits": model.bits(encoded(tokenizer, of.held_out))}
    for temperature in TEMPERATURES:
        generator = microgpt.Generator(corpus.seed)
        drawn = [model.sample(temperature, of.block, generator) for _ in range(samples)]
        row |= harvest(of, corpus.lines, [tokenizer.decode(tokens) for tokens in drawn], temperature)
    return row


def encoded(tokenizer: microgpt.Tokenizer, lines: Iterable[str]) -> list[list[int]]:
    """As `Tokenizer.encode` does it, with a table in the place of a search."""
    place = {character: token for token, character in enumerate(tokenizer.characters)}
    bos = tokenizer.bos
    return [[bos, *(place[character] for character in line), bos] for line in lines]


def harvest(of: Set, lines: Sequence[str], texts: Sequence[str], temperature: float) -> Json:
    """Shares of the samples: right; right and not trained on; different; and all of that at once."""
    trained = set(lines)
    right = [text for text in texts if of.check(text)]
    new = [text for text in right if text not in trained]
    counts = (len(right), len(new), len(set(texts)), len(set(new)))
    row: Json = {
        f"{share} at {temperature:g}": count / len(texts) for share, count in zip(SHARES, counts, strict=True)
    }
    return row | {f"samples at {temperature:g}": texts[:SHOWN]}
