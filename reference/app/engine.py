"""Who computes: a port that speaks the protocol, fast and with the reference's bits, or the reference itself.

A port is found through the entry points of the group `microgpt.engines`: each is a function without
arguments that gives a context manager of a `Speaker`, or of None where it has none. So this package knows
nothing of how ports are built. Ports compute exact math only.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Protocol

from reference import microgpt
from reference.app.refusal import Refusal
from reference.protocol.replies import state_lines, words_line
from reference.protocol.requests import matrices_of
from reference.protocol.wire import BadRequest, Fields, hexadecimal, tensor_lines

GROUP = "microgpt.engines"
CHUNK_SECONDS = 2.0  # about how long a request may take, since Ctrl-C and the display wait for it
MOST_STEPS = 1024  # of one request
MOST_SAMPLES = 1000


class Speaker(Protocol):
    """Answers requests of the protocol. `ask` raises Refusal if it fails."""

    name: str

    def ask(self, verb: str, lines: Sequence[str]) -> Sequence[str]: ...


Provider = Callable[[], AbstractContextManager[Speaker | None]]


def providers() -> list[Provider]:
    return [entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]


class Engine:
    """Computes with the reference."""

    name = "reference"

    def advance(self, run: microgpt.Run) -> list[float]:
        """Some more steps of `run`, at least one if any is left: their losses. All of its state moves on."""
        training = run.training
        document = run.documents[training.step % len(run.documents)]
        return [training.advance(run.tokenizer.encode(document))[0]]

    def sample(
        self, training: microgpt.Training, temperature: float, count: int, seed: int
    ) -> list[list[int]]:
        """The tokens of `count` samples, drawn with a new stream of random numbers."""
        generator = microgpt.Generator(seed)
        parameters = training.parameters
        return [microgpt.sample(training.config, parameters, temperature, generator) for _ in range(count)]

    def losses(self, training: microgpt.Training, documents: Sequence[Sequence[int]]) -> list[float]:
        """The loss of each document, with these parameters."""
        return [
            microgpt.document_loss(training.config, training.parameters, tokens).data for tokens in documents
        ]


class PortEngine(Engine):
    """Computes with a port: the same bits, many steps a request."""

    def __init__(self, speaker: Speaker) -> None:
        self.name = f"port {speaker.name}"
        self.speaker = speaker
        self.steps = 1  # of the next request

    def advance(self, run: microgpt.Run) -> list[float]:
        training, documents = run.training, run.documents
        first, count = training.step, min(self.steps, training.optimizer.steps - training.step)
        if count <= 0:
            return []
        # The port takes document number (step modulo count), so they begin where that puts the first one.
        turned = [documents[(first + (i - first) % count) % len(documents)] for i in range(count)]
        began = time.monotonic()
        fields = self._ask("train", _train_lines(training, count, map(run.tokenizer.encode, turned)))
        losses = _read_steps(fields, training, count)
        seconds = time.monotonic() - began
        # Not by the mean time of a step: what a request costs besides its steps can be most of it.
        if seconds < CHUNK_SECONDS:
            self.steps = min(2 * count, MOST_STEPS)
        elif seconds > 2.0 * CHUNK_SECONDS:
            self.steps = max(1, count // 2)
        return losses

    def sample(
        self, training: microgpt.Training, temperature: float, count: int, seed: int
    ) -> list[list[int]]:
        generator = microgpt.Generator(seed)
        lines = [
            *_config_lines(training.config),
            f"temperature {hexadecimal(temperature)}",
            f"samples {count}",
            *_matrix_lines(training.config, _numbers(training)),
            *state_lines(generator),
        ]
        samples: list[list[int]] = []
        for line in self._ask("sample", lines).lines:
            key, _, value = line.partition(" ")
            if key == "sample":
                samples.append([])
            elif key == "token" and int(value) != training.config.vocabulary - 1:
                samples[-1].append(int(value))
        return samples

    def losses(self, training: microgpt.Training, documents: Sequence[Sequence[int]]) -> list[float]:
        """Steps at a learning rate of 0 leave the parameters as they are, and give the losses."""
        losses: list[float] = []
        for start in range(0, len(documents), MOST_STEPS):
            part = documents[start : start + MOST_STEPS]
            optimizer = replace(training.optimizer, learning_rate=0.0, steps=len(part))
            still = microgpt.Training.start(training.config, optimizer, training.parameters)
            fields = self._ask("train", _train_lines(still, len(part), part, full=False))
            losses += _losses(fields, 0, len(part))
        return losses

    def _ask(self, verb: str, lines: Sequence[str]) -> Fields:
        return Fields(self.speaker.ask(verb, lines))


def _numbers(training: microgpt.Training) -> list[float]:
    return [value.data for value in microgpt.flatten(training.parameters)]


def _config_lines(config: microgpt.Config) -> list[str]:
    sizes = ("layers", "heads", "embedding", "block", "vocabulary", "activation")
    return [
        "math exact",
        *(f"{size} {getattr(config, size)}" for size in sizes),
        *(words_line("attend", positions) for positions in config.attention),
    ]


def _matrix_lines(config: microgpt.Config, numbers: Sequence[float], prefix: str = "") -> Iterator[str]:
    for name, matrix in matrices_of(config, numbers):
        yield from tensor_lines(prefix + name, matrix)


def _train_lines(
    training: microgpt.Training, count: int, documents: Iterable[Sequence[int]], full: bool = True
) -> list[str]:
    config, optimizer, first = training.config, training.optimizer, training.step
    rates = ("learning_rate", "beta1", "beta2", "epsilon")
    lines = [
        *_config_lines(config),
        *(f"{rate} {hexadecimal(getattr(optimizer, rate))}" for rate in rates),
        f"schedule {optimizer.schedule}",
        f"steps {optimizer.steps}",
        f"from {first}",
        f"count {count}",
        f"full {first + count - 1}" if full else "full",
        *(words_line("tokens", tokens) for tokens in documents),
        *_matrix_lines(config, _numbers(training)),
    ]
    if first:
        lines += _matrix_lines(config, training.m, "m.")
        lines += _matrix_lines(config, training.v, "v.")
    return lines


def _losses(fields: Fields, first: int, count: int) -> Iterator[float]:
    """The loss of each step. After the last one, whole tensors may follow."""
    for step in range(first, first + count):
        fields.integer("step", step, step)
        yield fields.double("loss")
        for name in ("gradients", "m", "v", "parameters"):
            fields.values(name, 2)


def _read_steps(fields: Fields, training: microgpt.Training, count: int) -> list[float]:
    """Take over what the reply says of the parameters and moments. Raises Refusal if it says it wrongly."""
    try:
        losses = list(_losses(fields, training.step, count))
        lists: dict[str, list[float]] = {}
        for name in ("gradients", "m", "v", "parameters"):
            lists[name] = [
                x
                for matrix, rows, columns in training.config.matrices()
                for row in fields.tensor(f"{name}.{matrix}", rows, columns)
                for x in row
            ]
    except BadRequest as problem:
        raise Refusal(
            f"the engine's reply is wrong: {problem}; '--engine reference' does without it"
        ) from None
    for value, number in zip(microgpt.flatten(training.parameters), lists["parameters"], strict=True):
        value.data = number
    training.m, training.v = lists["m"], lists["v"]
    training.step += count
    return losses


@contextmanager
def chosen(kind: str, math: str = "exact") -> Iterator[Engine]:
    """The fastest engine at hand for "auto", the reference for "reference" or for native math."""
    if kind == "auto" and math == "exact":
        for provider in providers():
            with provider() as speaker:
                if speaker is not None:
                    yield PortEngine(speaker)
                    return
    yield Engine()
