"""Logits and softmax, and the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator

from science.laws.asking import Asker
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, same, true
from science.laws.models import cases, scaled, with_tensor, with_tensors, zeros

SOFTMAX, LOSS = "logits and softmax", "loss"
TOTAL = "return [e / total for e in exps]"
TOP = "exps = [(logit - top).exp()"
HEAD = 'logits = linear(x, parameters["lm_head"])'
MEAN = "return (1.0 / count) * add_up(losses)"


@law(SOFTMAX, "Probabilities lie in [0, 1] and sum to one.", TOTAL, "2 roundings for each")
def probabilities_sum_to_one(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            [row] = found[f"pos{t}.probabilities"]
            yield true(f"{name}: pos{t} in [0, 1]", all(0.0 <= value <= 1.0 for value in row))
            yield near(f"{name}: pos{t}", math.fsum(row), 1.0, 4 * len(row) * EPSILON)


@law(
    SOFTMAX,
    "The logarithm of the ratio of two probabilities is the difference of their logits.",
    TOP,
    "16 roundings, and those of the two logits",
)
def log_ratios_are_differences_of_logits(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            [z], [p] = found[f"pos{t}.logits"], found[f"pos{t}.probabilities"]
            for index in range(1, len(z)):
                within = EPSILON * (16 + 4 * abs(z[index]) + 4 * abs(z[0]))
                yield near(f"{name}: pos{t}[{index}]", math.log(p[index] / p[0]), z[index] - z[0], within)


@law(
    SOFTMAX,
    "Moving all logits by the same amount moves no probability.",
    TOP,
    "the roundings of the moved logits, 16 for each of their size",
)
def moving_all_logits_changes_nothing(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        rows = [[value + 0.75 for value in row] for row in model.tensors["lm_head"]]
        found, moved = (
            ask.forward(model, document),
            ask.forward(with_tensor(model, "lm_head", rows), document),
        )
        for t in range(model.block):
            key = f"pos{t}.probabilities"
            size = max(map(abs, moved[f"pos{t}.logits"][0] + found[f"pos{t}.logits"][0]))
            within = 16 * model.embedding * EPSILON * (1.0 + size)
            yield from each_near(f"{name}: {key}", moved[key][0], found[key][0], within)


@law(SOFTMAX, "Where no logit says anything, all tokens are equally likely.", TOTAL, "2 roundings")
def empty_logits_are_uniform(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(with_tensor(model, "lm_head", zeros(model.tensors["lm_head"])), document)
        right = [1.0 / model.vocabulary] * model.vocabulary
        for t in range(model.block):
            yield from each_near(f"{name}: pos{t}", found[f"pos{t}.probabilities"][0], right, EPSILON)


@law(SOFTMAX, "The order of the probabilities is that of the logits.", TOTAL)
def order_of_probabilities_is_that_of_logits(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            [z], [p] = found[f"pos{t}.logits"], found[f"pos{t}.probabilities"]
            order = sorted(range(len(z)), key=lambda index: z[index])
            ranked = [p[index] for index in order]
            yield true(f"{name}: pos{t}", ranked == sorted(ranked))


@law(SOFTMAX, "Logits are linear in the last matrix: twice the matrix, twice the logits.", HEAD)
def logits_are_linear(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        twice = with_tensor(model, "lm_head", scaled(model.tensors["lm_head"], 2.0))
        found, other = ask.forward(model, document), ask.forward(twice, document)
        for t in range(model.block):
            right = [2 * value for value in found[f"pos{t}.logits"][0]]
            yield from each_same(f"{name}: pos{t}", other[f"pos{t}.logits"][0], right)


@law(SOFTMAX, "Logits that are far apart make no number overflow.", TOP)
def large_logits_do_not_overflow(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        huge = with_tensor(model, "lm_head", scaled(model.tensors["lm_head"], 4096.0))
        found = ask.forward(huge, document)
        for t in range(model.block):
            [row] = found[f"pos{t}.probabilities"]
            yield near(f"{name}: pos{t}", math.fsum(row), 1.0, 4 * len(row) * EPSILON)


# ---------------------------------------------------------------- loss


@law(
    LOSS,
    "A position's loss is minus the logarithm of the next token's probability.",
    "losses.append(",
    "4 roundings",
)
def loss_is_minus_log_probability(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            right = -math.log(found[f"pos{t}.probabilities"][0][document[t + 1]])
            yield near(f"{name}: pos{t}", found[f"pos{t}.loss"][0][0], right, 4 * EPSILON * max(1.0, right))


@law(LOSS, "A document's loss is the mean of its positions'.", MEAN, "2 roundings for each position")
def loss_is_a_mean(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for length in range(1, model.block + 1):
            found = ask.forward(model, document[: length + 1])
            losses = [found[f"pos{t}.loss"][0][0] for t in range(length)]
            mean = math.fsum(losses) / length
            yield near(f"{name}: {length} positions", found["loss"][0][0], mean, 4 * length * EPSILON * mean)


@law(LOSS, "No loss is negative.", "losses.append(")
def no_loss_is_negative(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for key, [row] in found.items():
            if key.endswith("loss"):
                yield true(f"{name}: {key}", row[0] >= 0.0, f"{row[0]!r}")


@law(LOSS, "A model that knows nothing loses log V, whatever the document.", MEAN, "8 roundings")
def knowing_nothing_costs_log_v(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        nothing = with_tensors(model, {key: zeros(rows) for key, rows in model.tensors.items()})
        right = math.log(model.vocabulary)
        for length in range(1, model.block + 1):
            loss = ask.loss(nothing, document[: length + 1])
            yield near(f"{name}: {length} positions", loss, right, 8 * EPSILON * right)


@law(LOSS, "What is beyond the block is neither read nor predicted.", "count = min(")
def beyond_the_block_nothing_is_read(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        loss = ask.loss(model, document)
        for tail in ([0], [1, 2], [0] * 9):
            yield same(f"{name}: {len(tail)} more", ask.loss(model, [*document, *tail]), loss)


@law(LOSS, "Every position predicts the token after it, and no other.", "losses.append(")
def the_target_is_the_next_token(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        other = [*document[:-1], (document[-1] + 1) % model.vocabulary]
        changed = ask.forward(model, other)
        last = model.block - 1
        for t in range(last):
            yield same(f"{name}: pos{t}", changed[f"pos{t}.loss"][0][0], found[f"pos{t}.loss"][0][0])
        yield true(f"{name}: the last", changed[f"pos{last}.loss"] != found[f"pos{last}.loss"])
