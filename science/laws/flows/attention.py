"""Attention and the feed-forward part of a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from science.laws.asking import Asker
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, same, true
from science.laws.models import cases, column, scaled, with_tensor, with_tensors, zeros

ATTENTION, FORWARD = "attention", "feed-forward"
SCORES = "scores = [product / maths.pow(float(size), 0.5)"
MIXED = "mixed = [add_up(w * value[j]"
LINEAR = "return [add_up(w * xi for w, xi in zip(row, x"
ACTIVATE = "x = [ACTIVATIONS[config.activation](xi)"
RESIDUAL = "x = [a + b for a, b in zip(x, residual"


@law(ATTENTION, "Weights lie in [0, 1] and sum to one.", "weights = softmax(scores)", "2 roundings for each")
def weights_sum_to_one(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for key, [row] in ask.forward(model, document).items():
            if key.endswith(".weights"):
                yield true(f"{name}: {key} in [0, 1]", all(0.0 <= weight <= 1.0 for weight in row))
                yield near(f"{name}: {key}", math.fsum(row), 1.0, 4 * len(row) * EPSILON)


@law(
    ATTENTION, "The first position has nothing else to look at: its weight is 1.", "weights = softmax(scores)"
)
def the_first_position_attends_to_itself(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for key, [row] in ask.forward(model, document).items():
            if key.startswith("pos0.") and key.endswith(".weights"):
                yield true(f"{name}: {key}", row == [1.0], f"{row}")


@law(ATTENTION, "A later token changes nothing before it.", "keys = [cache.keys[p][part] for p in positions]")
def later_tokens_change_nothing_before(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(1, model.block):
            other = [*document]
            other[t] = (other[t] + 1) % model.vocabulary
            changed = ask.forward(model, other)
            for key in (f"pos{t - 1}.logits", f"pos{t - 1}.layer0.attn_out"):
                yield true(f"{name}: token {t}, {key}", changed[key] == found[key])


@law(
    ATTENTION,
    "The cache is no shortcut: a document's beginning, asked alone, gives the same numbers.",
    "keys = [",
)
def a_beginning_asked_alone_gives_the_same(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for length in range(1, model.block):
            for key, value in ask.forward(model, document[: length + 1]).items():
                if key.startswith(f"pos{length - 1}.") and not key.endswith(".loss"):
                    yield true(f"{name}: {length} positions, {key}", found[key] == value)


@law(
    ATTENTION,
    "Heads can change places, with their rows of wq, wk and wv and their columns of wo.",
    "for head in range(config.heads)",
    "the sums of wo run in another order: 8 roundings for each element",
)
def heads_can_change_places(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        if model.heads == 1:
            continue
        size = model.embedding // model.heads
        order = [*range(size, model.embedding), *range(size)]
        changed = {}
        for key, rows in model.tensors.items():
            if key.endswith(("wq", "wk", "wv")):
                changed[key] = [rows[index] for index in order]
            elif key.endswith("wo"):
                changed[key] = [[row[index] for index in order] for row in rows]
        found, turned = ask.forward(model, document), ask.forward(with_tensors(model, changed), document)
        for t in range(model.block):
            key = f"pos{t}.layer0.attn_out"
            within = 64 * model.embedding * EPSILON
            yield from each_near(f"{name}: {key}", turned[key][0], found[key][0], within)


@law(ATTENTION, "Who looks at himself alone sees his own value.", MIXED)
def who_looks_at_himself_sees_his_own_value(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        alone = replace(model, attention=tuple((t,) for t in range(model.block)))
        found = ask.forward(alone, document)
        for t in range(model.block):
            joined = [
                value for head in range(model.heads) for value in found[f"pos{t}.layer0.head{head}.mixed"][0]
            ]
            yield from each_same(f"{name}: pos{t}", joined, found[f"pos{t}.layer0.v"][0])


@law(
    ATTENTION,
    "Keys that say nothing give equal weights, and the mean of the values.",
    "weights = softmax(scores)",
    "2 roundings for each position",
)
def empty_keys_give_the_mean(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        bare = with_tensor(model, "layer0.attn_wk", zeros(model.tensors["layer0.attn_wk"]))
        found, size = ask.forward(bare, document), model.embedding // model.heads
        for t in range(model.block):
            for head in range(model.heads):
                weights = found[f"pos{t}.layer0.head{head}.weights"][0]
                yield from each_near(
                    f"{name}: pos{t}, head {head}", weights, [1 / (t + 1)] * (t + 1), 4 * EPSILON
                )
                for j in range(size):
                    seen = [found[f"pos{s}.layer0.v"][0][head * size + j] for s in range(t + 1)]
                    mean, top = math.fsum(seen) / (t + 1), max(map(abs, seen))
                    mixed = found[f"pos{t}.layer0.head{head}.mixed"][0][j]
                    yield near(
                        f"{name}: pos{t}, head {head}, mixed[{j}]", mixed, mean, 8 * (t + 1) * EPSILON * top
                    )


@law(
    ATTENTION,
    "A score is the product of query and key over the root of the head's size.",
    SCORES,
    "2 roundings for each product of the sum",
)
def scores_are_scaled_products(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found, size = ask.forward(model, document), model.embedding // model.heads
        for t in range(model.block):
            for head in range(model.heads):
                part = slice(head * size, (head + 1) * size)
                q, scores = found[f"pos{t}.layer0.q"][0][part], found[f"pos{t}.layer0.head{head}.scores"][0]
                for s, score in enumerate(scores):
                    terms = [a * b for a, b in zip(q, found[f"pos{s}.layer0.k"][0][part], strict=True)]
                    right = math.fsum(terms) / math.sqrt(size)
                    within = 4 * (size + 2) * EPSILON * math.fsum(map(abs, terms))
                    yield near(f"{name}: pos{t}, head {head}, key {s}", score, right, within)


@law(ATTENTION, "Twice the queries, twice the scores.", SCORES)
def scores_are_linear_in_the_queries(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        key = "layer0.attn_wq"
        found = ask.forward(model, document)
        twice = ask.forward(with_tensor(model, key, scaled(model.tensors[key], 2.0)), document)
        for t in range(model.block):
            where = f"pos{t}.layer0.head0.scores"
            yield from each_same(
                f"{name}: {where}", twice[where][0], [2 * value for value in found[where][0]]
            )


@law(
    ATTENTION,
    "Weights are the softmax of the scores: the ratio of two is the exponential of a difference.",
    "weights = softmax(scores)",
    "relatively 16 roundings",
)
def weights_are_exponentials_of_scores(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for key, [weights] in found.items():
            if key.endswith(".weights"):
                [scores] = found[key.replace(".weights", ".scores")]
                for s in range(1, len(scores)):
                    right = weights[0] * math.exp(scores[s] - scores[0])
                    yield near(f"{name}: {key}[{s}]", weights[s], right, 16 * EPSILON * right)


@law(
    ATTENTION,
    "There is one score for each position of the table.",
    "keys = [cache.keys[p][part] for p in positions]",
)
def a_score_for_each_listed_position(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for width in (1, 2, 3):
            table = tuple(tuple(range(max(0, t - width + 1), t + 1)) for t in range(model.block))
            found = ask.forward(replace(model, attention=table), document)
            for t in range(model.block):
                number = len(found[f"pos{t}.layer0.head0.scores"][0])
                yield true(f"{name}: window {width}, pos{t}", number == len(table[t]), f"{number}")


@law(
    ATTENTION,
    "What is not listed is not seen, and what is listed is.",
    "keys = [cache.keys[p][part] for p in positions]",
)
def what_is_not_listed_is_not_seen(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        last = model.block - 1
        table = (*(tuple(range(t + 1)) for t in range(last)), (0, last))
        narrow = replace(model, attention=table)
        key = f"pos{last}.layer0.attn_out"
        for t in range(model.block):
            other = [*document]
            other[t] = (other[t] + 1) % model.vocabulary
            unmoved = ask.forward(narrow, document)[key] == ask.forward(narrow, other)[key]
            yield true(f"{name}: token {t}", unmoved == (t not in table[last]))


@law(ATTENTION, "Without wo, attention adds nothing.", RESIDUAL)
def without_wo_attention_adds_nothing(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        bare = with_tensor(model, "layer0.attn_wo", zeros(model.tensors["layer0.attn_wo"]))
        found = ask.forward(bare, document)
        for t in range(model.block):
            yield from each_same(
                f"{name}: pos{t}", found[f"pos{t}.layer0.attn_residual"][0], found[f"pos{t}.normed"][0]
            )


# ---------------------------------------------------------------- feed-forward


@law(FORWARD, "What is activated is max(h, 0), or its square.", ACTIVATE)
def activation_is_what_it_is_called(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for key, [hidden] in found.items():
            if key.endswith(".hidden"):
                right = [max(value, 0.0) for value in hidden]
                if model.activation == "squared_relu":
                    right = [value * value for value in right]
                yield from each_same(f"{name}: {key}", found[key.replace("hidden", "activated")][0], right)


@law(FORWARD, "Each residual is the sum of what came in and what was computed.", RESIDUAL)
def residuals_are_sums(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            came = found[f"pos{t}.normed"][0]
            for layer in range(model.layers):
                for part in ("attn", "mlp"):
                    prefix = f"pos{t}.layer{layer}.{part}"
                    right = [a + b for a, b in zip(found[f"{prefix}_out"][0], came, strict=True)]
                    came = found[f"{prefix}_residual"][0]
                    yield from each_same(f"{name}: {prefix}_residual", came, right)


LINEARS = (("attn_norm", "attn_wq", "q"), ("attn_norm", "attn_wk", "k"), ("attn_norm", "attn_wv", "v"),
           ("mlp_norm", "mlp_fc1", "hidden"), ("activated", "mlp_fc2", "mlp_out"))  # fmt: skip


@law(
    FORWARD, "A linear layer is its matrix times its input.", LINEAR, "2 roundings for each product of a row"
)
def linear_is_matrix_times_vector(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        last = model.layers - 1
        for t in range(model.block):
            for source, matrix, target in LINEARS:
                [x], [y] = found[f"pos{t}.layer{last}.{source}"], found[f"pos{t}.layer{last}.{target}"]
                for row, value in zip(model.tensors[f"layer{last}.{matrix}"], y, strict=True):
                    terms = [w * xi for w, xi in zip(row, x, strict=True)]
                    within = 2 * len(row) * EPSILON * math.fsum(map(abs, terms))
                    yield near(f"{name}: pos{t}.{target}", value, math.fsum(terms), within)


@law(
    FORWARD,
    "Twice the first matrix: twice what is hidden, and two or four times what is activated.",
    ACTIVATE,
)
def activation_is_homogeneous(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        key, factor = "layer0.mlp_fc1", 2.0 if model.activation == "relu" else 4.0
        found = ask.forward(model, document)
        twice = ask.forward(with_tensor(model, key, scaled(model.tensors[key], 2.0)), document)
        for t in range(model.block):
            where = f"pos{t}.layer0"
            right = [factor * value for value in found[f"{where}.activated"][0]]
            yield from each_same(f"{name}: {where}.activated", twice[f"{where}.activated"][0], right)


@law(FORWARD, "Without the second matrix, the layer adds nothing.", RESIDUAL)
def without_fc2_nothing_is_added(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        bare = with_tensor(model, "layer0.mlp_fc2", zeros(model.tensors["layer0.mlp_fc2"]))
        found = ask.forward(bare, document)
        for t in range(model.block):
            where = f"pos{t}.layer0"
            yield from each_same(
                f"{name}: {where}", found[f"{where}.mlp_residual"][0], found[f"{where}.attn_residual"][0]
            )


@law(
    FORWARD,
    "Hidden units can change places, with their row of the first matrix and their column of the second.",
    LINEAR,
    "the sums run in another order: 2 roundings for each product",
)
def hidden_units_can_change_places(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        first, second = model.tensors["layer0.mlp_fc1"], model.tensors["layer0.mlp_fc2"]
        turned = with_tensors(
            model, {"layer0.mlp_fc1": first[::-1], "layer0.mlp_fc2": [row[::-1] for row in second]}
        )
        found, other = ask.forward(model, document), ask.forward(turned, document)
        for t in range(model.block):
            where = f"pos{t}.layer0"
            activated = found[f"{where}.activated"][0]
            for index, row in enumerate(second):
                size = math.fsum(abs(w * a) for w, a in zip(row, activated, strict=True))
                a, b = other[f"{where}.mlp_out"][0][index], found[f"{where}.mlp_out"][0][index]
                yield near(f"{name}: {where}.mlp_out[{index}]", a, b, 8 * len(row) * EPSILON * size)


@law(
    FORWARD,
    "A unit that is off does not count: its column of the second matrix makes no difference.",
    ACTIVATE,
)
def a_unit_that_is_off_does_not_count(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        hidden = [found[f"pos{t}.layer0.hidden"][0] for t in range(model.block)]
        off = [unit for unit in range(4 * model.embedding) if max(column(hidden, unit)) < 0.0]
        for unit in off:
            rows = [
                [99.0 if index == unit else w for index, w in enumerate(row)]
                for row in model.tensors["layer0.mlp_fc2"]
            ]
            changed = ask.forward(with_tensor(model, "layer0.mlp_fc2", rows), document)
            yield same(f"{name}: unit {unit}", changed["loss"][0][0], found["loss"][0][0])
