"""Computes a run: by the fastest port at hand, which is bit-exact like the reference, or by the reference.

A port is at hand if it is built already on this machine, or if the program that builds or runs it is here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.messages import Reply, Request, parse_reply
from harness.build import manifest, runners
from harness.errors import ConformError
from harness.run.limits import Limits
from harness.run.session import Session
from reference import microgpt
from reference.protocol import replies
from reference.protocol.requests import TrainRequest, matrices_of
from reference.protocol.wire import Fields, checksum, hexadecimal, tensor_lines

FASTEST = ("c-fast", "rust", "zig", "c", "go", "haskell", "javascript", "lua")
SECONDS = 600.0
Progress = Callable[[int, int], None]
"""Is told how many steps of how many are done."""


def silent(done: int, total: int) -> None:
    """The progress of somebody who does not watch."""


@dataclass(frozen=True)
class Engine:
    """Answers requests of the protocol. `name` is the port's, or 'reference'."""

    name: str
    session: Session | None = None

    def ask(self, request: Request, progress: Progress = silent) -> Reply:
        """The reply. Raises ConformError if a port fails at it, which a conforming one does not."""
        if self.session is not None:
            return self.session.ask(request, SECONDS)
        if request.verb == "train":
            return _train(request, progress)
        return parse_reply("\n".join([*replies.answer(request.text().split("\n")[:-2]), ""]))


@contextmanager
def fastest(names: Sequence[str] = FASTEST) -> Iterator[Engine]:
    """The fastest of these ports that starts here; the reference if none does."""
    limits = Limits()
    for loaded in filter(_is_at_hand, _known(names)):
        try:
            where = runners.LocalRunner(limits)
            where.prepare(loaded)
            session = Session(where.launch, limits)
            session.ask(Request("hello", "check"))
        except ConformError:
            continue
        try:
            yield Engine(loaded.name, session)
        finally:
            session.kill()
        return
    yield Engine("reference")


def _known(names: Sequence[str]) -> Iterator[manifest.Manifest]:
    for name in names:
        try:
            yield manifest.load(name)
        except ConformError:
            continue


def _is_at_hand(loaded: manifest.Manifest) -> bool:
    program = (loaded.build or loaded.run).split()[0]
    return loaded.toolchain is None and shutil.which(program) is not None


def train_request(run: microgpt.Run, count: int, full: Sequence[int] = ()) -> Request:
    """The first `count` steps of a run that has not begun, whole tensors for the steps in `full`."""
    training = run.training
    used = run.documents[: max(1, min(count, len(run.documents)))]
    lines = (
        *config_lines(training.config),
        *optimizer_lines(training.optimizer),
        line("from", 0),
        line("count", count),
        line("full", *full),
        *(line("tokens", *run.tokenizer.encode(document)) for document in used),
        *matrix_lines(
            {
                name: [[value.data for value in row] for row in rows]
                for name, rows in training.parameters.items()
            }
        ),
    )
    return Request("train", "check", lines)


def sample_request(
    run: microgpt.Run, parameters: dict[str, list[list[float]]], generator: microgpt.Generator
) -> Request:
    """The samples of a run, from its final parameters and the generator as training leaves it."""
    lines = (
        *config_lines(run.training.config),
        f"temperature {hexadecimal(run.preset.temperature)}",
        line("samples", run.preset.samples),
        *matrix_lines(parameters),
        *replies.state_lines(generator),
    )
    return Request("sample", "check", lines)


def _train(request: Request, progress: Progress) -> Reply:
    """As the reference answers it, with progress: a step takes it a tenth of a second."""
    asked = TrainRequest.read(_fields(request))
    training = asked.training
    reply: list[str] = []
    for number in range(asked.count):
        step = training.step
        loss, gradients = training.advance(asked.document())
        progress(number + 1, asked.count)
        numbers = [value.data for value in microgpt.flatten(training.parameters)]
        lists = {"gradients": gradients, "m": training.m, "v": training.v, "parameters": numbers}
        reply += [f"step {step}", f"loss {hexadecimal(loss)}"]
        reply += [f"{name} {checksum(values)}" for name, values in lists.items()]
        if step in asked.full:
            for name, values in lists.items():
                for matrix_name, matrix in matrices_of(training.config, values):
                    reply += tensor_lines(f"{name}.{matrix_name}", matrix)
    return Reply(request.id, True, "", tuple(reply))


def _fields(request: Request) -> Fields:
    return Fields(request.lines)
