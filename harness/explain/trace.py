"""Traces a divergence in `train` or `run` down to the first quantity of the first bad step.

A checksum says that something is wrong, not what. So the harness asks the port again, with the reference's
own numbers as input: that step's activations, its gradients, its update, then the step with whole tensors.
Because every input is right, the first difference is where the mistake is, not where it was carried to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.messages import Reply, Request, golden_of
from harness.explain import printed
from harness.explain.clues import in_bits
from harness.judge.compare import Compare, Comparison, Difference, Quantity, compare
from harness.run.session import Session
from reference import microgpt
from reference.protocol.requests import TrainRequest, matrices_of, read_run
from reference.protocol.wire import Fields

COLUMNS = 64  # of the tensors of an `adam` request
PRINTED_BEFORE = 3  # lines that a run prints before those of its steps
MOST_STEPS = 4096
_STEP = re.compile(r"step (\d+): ")
_PRINTED = re.compile(r"print\[(\d+)\](?:\[\d+\])*")


@dataclass(frozen=True)
class Finding:
    """The narrowest request that still goes wrong, its first difference, and what that says in a sentence.

    quantities, golden, reply: all checkpoints of that request, and its replies, if it was asked.
    """

    request: Request
    difference: Difference
    sentence: str
    quantities: tuple[Quantity, ...] = ()
    golden: Reply | None = None
    reply: Reply | None = None


def trace(
    session: Session, request: Request, difference: Difference, compare: Compare = compare
) -> Finding | None:
    """Where a `train` or `run` request first goes wrong; None if it cannot be narrowed.

    Raises what `session.ask` raises.
    """
    if request.verb == "run":
        return _trace_run(session, request, difference, compare)
    if request.verb == "train":
        return _trace_train(session, request, difference, compare)
    return None


@dataclass(frozen=True)
class _Asked:
    """A request with both replies, compared."""

    request: Request
    golden: Reply
    reply: Reply
    comparison: Comparison

    def finding(self, difference: Difference, sentence: str) -> Finding:
        return Finding(
            self.request, difference, sentence, self.comparison.quantities, self.golden, self.reply
        )


def _ask(session: Session, request: Request, compare: Compare, timeout: float | None = None) -> _Asked:
    golden, reply = golden_of(request), session.ask(request, timeout)
    return _Asked(request, golden, reply, compare(request, golden, reply, None))


# ---------------------------------------------------------------- a run


def _trace_run(
    session: Session, request: Request, difference: Difference, compare: Compare
) -> Finding | None:
    """Ask for the run's training as a `train` request, which shows every step in bits."""
    whole = read_run(Fields(request.lines))
    training = whole.training
    steps = min(training.optimizer.steps, _steps_before(difference))
    lines = [
        *config_lines(training.config),
        *optimizer_lines(training.optimizer),
        line("from", 0),
        line("count", steps),
        line("full"),
        *(line("tokens", *whole.tokenizer.encode(text)) for text in whole.documents[:steps]),
        *matrix_lines(_numbers(training.parameters)),
    ]
    long = session.limits.request * 30
    asked = _ask(
        session, Request("train", f"{request.id[:48]}-as-train", tuple(lines)), compare, timeout=long
    )
    if asked.comparison.first is not None:
        return _trace_train(session, asked.request, asked.comparison.first, compare)
    again = _ask(session, request, compare, timeout=long)
    sentence = printed.sentence(whole, difference, again.golden, again.reply)
    return replace(again.finding(difference, sentence), quantities=())


def _steps_before(difference: Difference) -> int:
    """As many steps as show why a printed line is wrong: those up to its own, if it is a step's."""
    match = _PRINTED.fullmatch(difference.checkpoint)
    return max(1, int(match[1]) - PRINTED_BEFORE + 1) if match else MOST_STEPS


# ---------------------------------------------------------------- a training


def _trace_train(
    session: Session, request: Request, difference: Difference, compare: Compare
) -> Finding | None:
    match = _STEP.match(difference.checkpoint)
    if not match:
        return None
    step = int(match[1])
    asked = TrainRequest.read(Fields(request.lines))
    is_first = asked.training.step == step
    while asked.training.step < step:
        asked.training.advance(asked.document())
    stem = f"{request.id[:48]}-step-{step}"
    for narrower in _narrower_requests(stem, asked):
        found = _ask(session, narrower, compare)
        if found.comparison.first is not None:
            first = first_tensor(found.comparison)
            return found.finding(first, _sentence(step, narrower.verb, first))
    whole = _ask(session, _with_full(request, stem, step), compare, session.limits.request * 30)
    if whole.comparison.first is None:
        return Finding(
            request, difference, f"step {step} was wrong once, and is right when it is asked again"
        )
    first = first_tensor(whole.comparison)
    return whole.finding(first, _first_of_many(step, first) if is_first else _after_others(step, first))


def _after_others(step: int, first: Difference) -> str:
    quantity = _quantity(first)
    bits = in_bits(step)
    carried = bits or CARRIED.get(quantity, "something is carried over from the steps before")
    return (
        f"step {step} is right when it starts from the reference's own parameters, m and v; after the "
        f"steps before it {_verb(quantity)} wrong: {carried}"
    )


def _first_of_many(step: int, first: Difference) -> str:
    return (
        f"step {step} is right when it is the only one of a request, and {_verb(_quantity(first))} wrong "
        "when others follow, though none comes before: look for memory that is read before it is written, "
        "for what an earlier request leaves behind, for a use of 'count' or of the number of documents"
    )


CARRIED = {
    "loss": "the document is another one, or something of the last document is kept (keys, values, nodes)",
    "gradients": "gradients are not reset to +0.0, or the graph of an earlier step is still there",
    "m": "the moments are not kept from step to step as they are",
    "v": "the moments are not kept from step to step as they are",
    "parameters": "the step is not counted up, or counted twice: look at the rate and the corrections",
}
CAUSES_OF_A_STEP = {
    "loss": "the activations are right when asked as forward, the loss of the step is not: look at "
    "which document "
    "and which parameters it takes",
    "gradients": "the gradients are right when asked as backward, those of the step are not: look at "
    "how they are "
    "reset, collected or changed before the update",
    "m": "the gradients and the formula of Adam are right: look at the step number and at m and v at "
    "the start",
    "v": "the gradients and the formula of Adam are right: look at the step number and at m and v at "
    "the start",
    "parameters": "the gradients, m, v and the formula of Adam are right: look at the step number "
    "and at which "
    "parameters are updated",
    "": "every tensor is right and a checksum is not: look at how checksums are computed (section 13)",
}


def _verb(quantity: str) -> str:
    noun = {"loss": "the loss", "m": "m", "v": "v", "": "a checksum"}.get(quantity, f"the {quantity}")
    return f"{noun} {'are' if noun.endswith('s') and quantity not in ('loss', '') else 'is'}"


def _quantity(difference: Difference) -> str:
    """Which of the quantities of a step it is; '' for a checksum."""
    name = _STEP.sub("", difference.checkpoint)
    quantity = re.split(r"[.\[]", name)[0]
    is_checksum = quantity != "loss" and "." not in name
    return "" if is_checksum or quantity not in CARRIED else quantity


def first_tensor(comparison: Comparison) -> Difference:
    """The first difference in a number, if there is one; a checksum cannot say which number is wrong."""
    numbers = [q.first for q in comparison.quantities if q.first is not None and q.first.kind == "value"]
    assert comparison.first is not None
    return min(numbers, key=lambda found: found.line, default=comparison.first)


def _sentence(step: int, verb: str, first: Difference) -> str:
    if verb == "forward":
        return f"the first wrong activation of step {step}"
    if verb == "backward":
        return f"the activations of step {step} are right, its gradients are not"
    if verb == "adam":
        return f"the gradients of step {step} are right, its update is not: see the level adam"
    return f"step {step}: {CAUSES_OF_A_STEP[_quantity(first)]}"


def _narrower_requests(stem: str, asked: TrainRequest) -> Iterator[Request]:
    """The activations, the gradients, the update, and all of the next step, from the reference's own
    numbers.
    """
    training = asked.training
    step, config = training.step, training.config
    parameters = _numbers(training.parameters)
    model = [*config_lines(config), line("tokens", *asked.document()), *matrix_lines(parameters)]
    yield Request("forward", stem, tuple(model))
    yield Request("backward", stem, tuple(model))
    yield _update(stem, training, asked.document())
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
        *matrix_lines(parameters),
        *moments,
    ]
    yield Request("train", stem, tuple(lines))


def _update(stem: str, training: microgpt.Training, tokens: list[int]) -> Request:
    """The update of the step as an `adam` request: all numbers in rows, the last filled up with zeros."""
    values = microgpt.flatten(training.parameters)
    for value in values:
        value.grad = 0.0
    microgpt.document_loss(training.config, training.parameters, tokens).backward()
    lists = {
        "parameters": [value.data for value in values],
        "gradients": [value.grad for value in values],
        "m": training.m,
        "v": training.v,
    }
    missing = -len(values) % COLUMNS
    tensors = {
        name: [[*numbers, *[0.0] * missing][i : i + COLUMNS] for i in range(0, len(numbers), COLUMNS)]
        for name, numbers in lists.items()
    }
    lines = ["math exact", *optimizer_lines(training.optimizer), line("step", training.step)]
    return Request("adam", stem, (*lines, *matrix_lines(tensors)))


def _numbers(parameters: microgpt.Parameters) -> dict[str, list[list[float]]]:
    return {name: [[value.data for value in row] for row in rows] for name, rows in parameters.items()}


def _with_full(request: Request, stem: str, step: int) -> Request:
    lines = tuple(f"full {step}" if text.split(" ")[0] == "full" else text for text in request.lines)
    return replace(request, id=f"{stem}-in-full", lines=lines)
