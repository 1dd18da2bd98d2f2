"""Names the mistake behind a trace: the mutants that give its numbers, in the step where it first goes wrong.

The step starts from the reference's own state, so one step of each mutant is enough, however late it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.messages import Request
from harness.explain.mutants import hunt, replays
from harness.explain.mutants.catalogue import MUTANTS
from harness.explain.mutants.in_time import in_time
from harness.explain.mutants.mutant import EditFails, load
from harness.judge.check import goldens, names
from harness.judge.check.names import REPLY, Quantity
from harness.judge.check.setup import Setup
from harness.judge.check.tracefile import Trace, Written
from harness.judge.check.traces import Compared, State, compare_values, numbers
from harness.judge.check.verdict import Cause

SLOW = ("summation", "exact functions", "arithmetic")
AREAS = {  # where the mistake is looked for, by the kind of the first quantity that is wrong
    "init": ("random numbers", "a whole run"),
    "activation": ("model", "attention", "tokenizer", "loss", *SLOW),
    "loss": ("loss", "tokenizer", "model", "attention", "a whole run", *SLOW),
    "grad": ("autograd", "attention", "loss", "model", *SLOW),
    "m": ("Adam and schedule", *SLOW),
    "v": ("Adam and schedule", *SLOW),
    "parameters": ("Adam and schedule", *SLOW),
}
Values = dict[Quantity, list[float]]


def explain(trace: Trace, setup: Setup, first: Compared, state: State) -> list[Cause]:
    """The mutants that give the trace's numbers of that step; those in every bit before those within its
    bound.
    """
    quantity = first.written.quantity
    written = [one for one in trace.written if one.values and one.quantity.step == quantity.step]
    areas = AREAS[quantity.kind]
    listed = [mutant.name for area in areas for mutant in MUTANTS if mutant.area == area]
    listed.sort(key=lambda name: hunt.find(name).area in SLOW)
    if quantity.kind == "init":
        ask = partial(_initial, setup, written)
    else:
        request = _request(state, quantity.step)
        if request is None:
            return []
        ask = partial(_asked, request, [one for one in written if one.quantity.kind != "activation"])
    scores = dict(in_time(ask, [(name,) for name in listed]))
    best = max(scores.values(), default=0)
    whole = proportion(first)
    matching = [name for name, score in scores.items() if score == best and best > 0]
    if not matching:
        return [Cause((), whole)] if whole else []
    meanings = ", or when ".join(hunt.find(name).what for name in matching[:3])
    how = "bit by bit" if best == 2 else "within the bound"
    count = (
        f"all {len(written)} quantities of step {quantity.step}"
        if quantity.kind != "init"
        else "the parameters"
    )
    return [Cause(tuple(matching), f"this is what you get when {meanings}: {how} in {count}")]


def proportion(first: Compared) -> str:
    """Whether all values are the same multiple of the expected ones; then a constant is another one."""
    pairs = [(e, g) for e, g in zip(first.expected, first.written.values, strict=True) if e != 0.0]
    if len(pairs) < 2:
        return ""
    ratio = pairs[0][1] / pairs[0][0]
    if ratio == 0.0 or any(abs(g - ratio * e) > 1e-5 * abs(ratio * e) for e, g in pairs):
        return ""
    meaning = {
        "init": "the initial sigma is another one",
        "grad": "the loss is a sum, or divided by another number",
        "m": "1 - beta1 is another number",
        "v": "1 - beta2 is another number",
    }.get(first.written.quantity.kind, "a constant factor is another one")
    return f"every value is {ratio:.6g} times the expected one: {meaning}"


def _request(state: State, step: int) -> Request | None:
    """The one step `step`, from the state that the reference has then; None if that was not computed."""
    training = state.run.training
    moments: list[str] = []
    if step:
        tensors = state.steps[step - 1].tensors if step <= len(state.steps) else {}
        if not tensors:
            return None
        moments = [*matrix_lines(tensors["m"], "m."), *matrix_lines(tensors["v"], "v.")]
    lines = (
        *config_lines(training.config),
        *optimizer_lines(training.optimizer),
        *(line("from", step), line("count", 1), line("full", step)),
        *[line("tokens", *state.tokens(step))],
        *matrix_lines(state.parameters(step)),
        *moments,
    )
    return Request("train", "check", lines)


def _asked(request: Request, written: Sequence[Written], name: str) -> int:
    """In a process of its own: 2 if the mutant gives every bit of what was written, 1 if within the bound,
    else 0.
    """
    try:
        reply = load(hunt.find(name).changes)(request)
    except (EditFails, SyntaxError):
        return 0
    if not reply.ok:
        return 0
    [step] = goldens.steps_of(reply)
    values: Values = {}
    for one in written:
        quantity = one.quantity
        if quantity.kind == "loss":
            values[quantity] = [step.loss]
        elif quantity.kind in names.KINDS:
            values[quantity] = [x for row in step.tensors[REPLY[quantity.kind]][quantity.name] for x in row]
    return _score(written, values)


def _initial(setup: Setup, written: Sequence[Written], name: str) -> int:
    try:
        parameters = replays.run_of(name, setup).training.parameters
    except Exception:  # whatever it is, such a program has no parameters
        return 0
    found = numbers(parameters)
    return _score(
        written, {one.quantity: [x for row in found[one.quantity.name] for x in row] for one in written}
    )


def _score(written: Sequence[Written], values: Values) -> int:
    hows = {
        compare_values(one, values[one.quantity]).how
        for one in written
        if one.quantity in values and len(values[one.quantity]) == len(one.values)
    }
    if not hows or "wrong" in hows:
        return 0
    return 2 if hows <= {"bit", "printed"} else 1
