"""Traces a divergence in `train` or `run` down to the first quantity of the first bad step.

A checksum says that something is wrong, not what. So the harness asks the port again, with the reference's
own numbers as input: that one step with whole tensors, then its activations, then its gradients. Because
every input is right, the first difference is where the mistake is, not where it was carried to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.messages import Request, golden_of
from harness.judge.compare import Compare, Comparison, Difference, Quantity, compare
from harness.run.session import Session
from reference import microgpt
from reference.protocol.requests import TrainRequest, matrices_of, read_run
from reference.protocol.wire import Fields

_STEP = re.compile(r"step (\d+): ")


@dataclass(frozen=True)
class Finding:
    """The narrowest request that still goes wrong, its first difference, and what that says in a sentence.

    quantities: all checkpoints of the reply to that request, if it was asked.
    """

    request: Request
    difference: Difference
    sentence: str
    quantities: tuple[Quantity, ...] = ()


def trace(
    session: Session, request: Request, difference: Difference, compare: Compare = compare
) -> Finding | None:
    """Where a `train` or `run` request first goes wrong; None if it cannot be narrowed.

    Raises what `session.ask` raises.
    """
    if request.verb == "run":
        return _trace_run(session, request, compare)
    if request.verb == "train":
        return _trace_train(session, request, difference, compare)
    return None


def _asked(session: Session, request: Request, compare: Compare, timeout: float | None = None) -> Comparison:
    return compare(request, golden_of(request), session.ask(request, timeout), None)


def _trace_run(session: Session, request: Request, compare: Compare) -> Finding | None:
    """Ask for the run's training as a `train` request, which shows every step in bits."""
    whole = read_run(Fields(request.lines))
    training = whole.training
    lines = [
        *config_lines(training.config),
        *optimizer_lines(training.optimizer),
        line("from", 0),
        line("count", training.optimizer.steps),
        line("full"),
        *(line("tokens", *whole.tokenizer.encode(text)) for text in _used_documents(whole)),
        *matrix_lines(_numbers(training.parameters)),
    ]
    steps = Request("train", f"{request.id}-as-train", tuple(lines))
    found = _asked(session, steps, compare, timeout=session.limits.request * 30)
    if found.first is None:
        return None
    return _trace_train(session, steps, found.first, compare)


def _used_documents(whole: microgpt.Run) -> Sequence[str]:
    return whole.documents[: whole.training.optimizer.steps]


def _trace_train(
    session: Session, request: Request, difference: Difference, compare: Compare
) -> Finding | None:
    match = _STEP.match(difference.checkpoint)
    if not match:
        return None
    step = int(match[1])
    asked = TrainRequest.read(Fields(request.lines))
    while asked.training.step < step:
        asked.training.advance(asked.document())
    for narrower, sentence in _narrower_requests(request.id, asked):
        found = _asked(session, narrower, compare)
        if found.first is not None:
            return Finding(narrower, found.first, sentence, found.quantities)
    sentence = (
        f"step {step} is right when it starts from the reference's own parameters, m and v: "
        "something else is carried over from the steps before"
    )
    return Finding(_with_full(request, step), difference, sentence)


def _narrower_requests(name: str, asked: TrainRequest) -> Iterator[tuple[Request, str]]:
    """The activations, the gradients and the update of the next step, from the reference's own numbers."""
    training = asked.training
    step, config = training.step, training.config
    model = [
        *config_lines(config),
        line("tokens", *asked.document()),
        *matrix_lines(_numbers(training.parameters)),
    ]
    stem = f"{name[:48]}-step-{step}"
    yield Request("forward", stem, tuple(model)), f"the first wrong activation of step {step}"
    yield (
        Request("backward", stem, tuple(model)),
        f"the activations of step {step} are right, its gradients are not",
    )
    moments: list[str] = []
    if step:
        moments += matrix_lines(dict(matrices_of(config, training.m)), "m.")
        moments += matrix_lines(dict(matrices_of(config, training.v)), "v.")
    lines = [
        *config_lines(config),
        *optimizer_lines(training.optimizer),
        line("from", step),
        line("count", 1),
        line("full", step),
        *(line("tokens", *tokens) for tokens in asked.documents),
        *matrix_lines(_numbers(training.parameters)),
        *moments,
    ]
    one_step = Request("train", stem, tuple(lines))
    yield one_step, f"the gradients of step {step} are right, its update is not"


def _numbers(parameters: microgpt.Parameters) -> dict[str, list[list[float]]]:
    return {name: [[value.data for value in row] for row in rows] for name, rows in parameters.items()}


def _with_full(request: Request, step: int) -> Request:
    lines = tuple(f"full {step}" if text.split(" ")[0] == "full" else text for text in request.lines)
    return replace(request, id=f"{request.id[:48]}-step-{step}-in-full", lines=lines)
