"""Trains with one table and measures: asked of the fastest engine, whose bits are the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from hashlib import sha256

import psutil

from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.doubles import double_of
from conformance.messages import Reply, Request
from harness.errors import ConformError
from harness.judge.check.engine import Engine
from reference import microgpt
from reference.protocol.replies import state_lines
from reference.protocol.wire import hexadecimal
from science.hexagons import documents, tables

PRESET = "classic"
SAMPLES, SAMPLES_JOINED = 20, 5  # a joined document has several lines
TEMPERATURE = 0.5


@dataclass(frozen=True)
class Cell:
    """What a table is tried on: all tables of a cell start from the same parameters and documents."""

    dataset: str
    block: int
    layers: int


@dataclass(frozen=True)
class Lessons:
    """The documents in the order of a seed, as tokens."""

    tokenizer: microgpt.Tokenizer
    encoded: tuple[list[int], ...]


@lru_cache(maxsize=8)
def lessons(cell: Cell, seed: int) -> Lessons:
    """As a run of the reference has them before it draws its parameters, which takes far longer."""
    texts = microgpt.documents_of(documents.material(cell.dataset, cell.block).training)
    microgpt.Generator(seed).shuffle(texts)
    tokenizer = microgpt.Tokenizer.of(texts)
    return Lessons(tokenizer, tuple(map(tokenizer.encode, texts)))


def begun(cell: Cell, seed: int) -> microgpt.Run:
    """Shuffled, drawn, and not trained."""
    preset = microgpt.PRESETS[PRESET]
    config = replace(
        preset.config, layers=cell.layers, block=cell.block, attention=microgpt.causal(cell.block)
    )
    microgpt.use_math("exact")
    return microgpt.Run(
        replace(preset, config=config), documents.material(cell.dataset, cell.block).training, seed
    )


@lru_cache(maxsize=8)
def _drawn(cell: Cell, seed: int) -> tuple[str, ...]:
    """The lines of the parameters from which every table starts."""
    parameters = begun(cell, seed).training.parameters
    matrices = {name: [[x.data for x in row] for row in rows] for name, rows in parameters.items()}
    return tuple(matrix_lines(matrices))


@dataclass(frozen=True)
class Trial:
    """One training."""

    cell: Cell
    table: str
    seed: int
    steps: int

    @cached_property
    def attention(self) -> tables.Table:
        return tables.NAMED[self.table].table(self.cell.block, self.seed)

    @property
    def config(self) -> microgpt.Config:
        return replace(
            microgpt.PRESETS[PRESET].config,
            layers=self.cell.layers,
            block=self.cell.block,
            vocabulary=lessons(self.cell, self.seed).tokenizer.vocabulary,
            attention=self.attention,
        )

    @property
    def optimizer(self) -> microgpt.Optimizer:
        """The schedule falls to 0 over the steps of this trial, however few they are."""
        return replace(microgpt.PRESETS[PRESET].optimizer, steps=self.steps)

    def request(self, count: int | None = None) -> Request:
        """The training, or its first `count` steps; the reply ends with the final parameters."""
        count = self.steps if count is None else count
        used = lessons(self.cell, self.seed).encoded[:count]
        lines = (
            *config_lines(self.config),
            *optimizer_lines(self.optimizer),
            *_steps(count),
            line("full", count - 1),
            *(line("tokens", *tokens) for tokens in used),
            *_drawn(self.cell, self.seed),
        )
        return Request("train", "hexagons", lines)

    @property
    def samples(self) -> int:
        return SAMPLES_JOINED if documents.DATASETS[self.cell.dataset] else SAMPLES

    @cached_property
    def key(self) -> str:
        """Of all that decides the outcome."""
        said = (self, self.attention, self.samples, TEMPERATURE, _data_key(self.cell))
        return sha256(repr(said).encode()).hexdigest()[:16]


@cache
def _data_key(cell: Cell) -> str:
    preset = replace(microgpt.PRESETS[PRESET], temperature=TEMPERATURE)
    said = (preset, documents.material(cell.dataset, cell.block))
    return sha256(repr(said).encode()).hexdigest()


def _steps(count: int) -> tuple[str, ...]:
    return (line("from", 0), line("count", count))


def work(trial: Trial) -> Iterator[tuple[int, int]]:
    """Of each step: the pairs attended in all layers, and the multiplications forward."""
    config, encoded = trial.config, lessons(trial.cell, trial.seed).encoded
    pairs = [tables.pairs_attended(trial.attention, n) for n in range(config.block + 1)]
    for step in range(trial.steps):
        n = documents.positions(encoded[step % len(encoded)], config.block)
        yield config.layers * pairs[n], documents.multiplications(config, n, pairs[n])


@dataclass(frozen=True)
class Outcome:
    """loss: nats a character, over the held-out documents. right of `lines`: of what was sampled.

    seconds: of a processor, for the training alone.
    """

    loss: float
    right: int
    lines: int
    seconds: float


def ask(engine: Engine, request: Request) -> Reply:
    reply = engine.ask(request)
    if not reply.ok:
        raise ConformError(f"{engine.name} refuses to {request.verb}: {reply.reason}")
    return reply


def processor_seconds() -> float:
    """Of this process and those that it started, so far. What else the machine does adds nothing."""
    me = psutil.Process()
    used = [one.cpu_times() for one in (me, *me.children(recursive=True))]
    return sum(one.user + one.system for one in used)


def losses_of(reply: Reply) -> list[float]:
    return [double_of(text.split()[1]) for text in reply.lines if text.startswith("loss ")]


def parameters_of(reply: Reply) -> tuple[str, ...]:
    """The lines of the final parameters, as a request has them."""
    head = "tensor parameters."
    first = next(i for i, text in enumerate(reply.lines) if text.startswith(head))
    return tuple(text.replace(head, "tensor ", 1) for text in reply.lines[first:])


def held_out_loss(engine: Engine, trial: Trial, parameters: Sequence[str], most: int | None = None) -> float:
    """The mean over all characters, of the first `most` documents if that is given.

    A training at a learning rate of 0 changes nothing and gives the losses.
    """
    tokenizer = lessons(trial.cell, trial.seed).tokenizer
    held_out = documents.material(trial.cell.dataset, trial.cell.block).held_out[:most]
    encoded = [tokenizer.encode(document) for document in held_out]
    still = replace(trial.optimizer, learning_rate=0.0, steps=len(encoded))
    lines = (
        *config_lines(trial.config),
        *optimizer_lines(still),
        *_steps(len(encoded)),
        "full",
        *(line("tokens", *tokens) for tokens in encoded),
        *parameters,
    )
    losses = losses_of(ask(engine, Request("train", "hexagons", lines)))
    lengths = [documents.positions(tokens, trial.cell.block) for tokens in encoded]
    return sum(loss * n for loss, n in zip(losses, lengths, strict=True)) / sum(lengths)


def samples(engine: Engine, trial: Trial, parameters: Sequence[str]) -> list[list[str]]:
    """The characters of each sample; the token that ends one is an empty one."""
    lines = (
        *config_lines(trial.config),
        f"temperature {hexadecimal(TEMPERATURE)}",
        line("samples", trial.samples),
        *parameters,
        *state_lines(microgpt.Generator(trial.seed)),
    )
    characters = (*lessons(trial.cell, trial.seed).tokenizer.characters, "")
    found: list[list[str]] = []
    for text in ask(engine, Request("sample", "hexagons", lines)).lines:
        word, _, value = text.partition(" ")
        if word == "sample":
            found.append([])
        elif word == "token":
            found[-1].append(characters[int(value)])
    return found


def train(engine: Engine, trial: Trial) -> Outcome:
    """Raises ConformError if the engine fails or refuses."""
    request = trial.request()
    start = processor_seconds()
    reply = ask(engine, request)
    seconds = processor_seconds() - start
    parameters = parameters_of(reply)
    loss = held_out_loss(engine, trial, parameters)
    right, lines = documents.judged(trial.cell.dataset, samples(engine, trial, parameters))
    return Outcome(loss, right, lines, seconds)
