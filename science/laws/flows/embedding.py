"""Embedding and rmsnorm."""

from __future__ import annotations

import math
from collections.abc import Iterator

from science.laws.asking import Asker, Model, written
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, true
from science.laws.models import cases, scaled, with_tensor, with_tensors, zeros

EMBEDDING, NORM = "embedding", "rmsnorm"
SUM = 'zip(parameters["wte"][token], parameters["wpe"][position]'
MEAN = "mean_square = add_up(xi * xi for xi in x)"
SCALE = "return [xi * scale for xi in x]"


@law(EMBEDDING, "A position's embedding is its token's row plus its place's row.", SUM)
def embedding_is_the_sum_of_two_rows(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, document)
        for t in range(model.block):
            rows = zip(model.tensors["wte"][document[t]], model.tensors["wpe"][t], strict=True)
            right = [a + b for a, b in rows]
            yield from each_same(f"{name}: pos{t}", found[f"pos{t}.embedded"][0], right)


@law(EMBEDDING, "Rows of tokens that are not read make no difference to anything.", SUM)
def unread_rows_make_no_difference(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        read = set(document[: model.block])
        rows = [row if token in read else [9.0] * len(row) for token, row in enumerate(model.tensors["wte"])]
        if rows == model.tensors["wte"]:
            rows = [*rows]
        changed = ask.forward(with_tensor(model, "wte", rows), document)
        yield true(name, changed == ask.forward(model, document))


@law(EMBEDDING, "Without place rows, a token looks the same at every place.", SUM)
def without_places_a_token_is_a_token(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        bare = with_tensor(model, "wpe", zeros(model.tensors["wpe"]))
        found = ask.forward(bare, [document[0]] * (model.block + 1))
        for t in range(1, model.block):
            yield from each_same(f"{name}: pos{t}", found[f"pos{t}.normed"][0], found["pos0.normed"][0])


@law(EMBEDDING, "Places are told apart: other place rows change what a position sees.", SUM)
def places_are_told_apart(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found = ask.forward(model, [document[0]] * (model.block + 1))
        for t in range(1, model.block):
            yield true(f"{name}: pos{t}", found[f"pos{t}.embedded"] != found["pos0.embedded"])


@law(
    EMBEDDING,
    "Renaming the tokens renames the logits and leaves the loss.",
    SUM,
    "the sums of softmax run in another order: V roundings of the loss and of each logit's exponential",
)
def names_of_tokens_do_not_matter(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        order = [*range(model.vocabulary - 1)][::-1] + [model.vocabulary - 1]
        renamed = with_tensors(
            model, {key: [model.tensors[key][old] for old in order] for key in ("wte", "lm_head")}
        )
        place = {old: new for new, old in enumerate(order)}
        found, turned = ask.forward(model, document), ask.forward(renamed, [place[one] for one in document])
        yield near(
            f"{name}: loss", turned["loss"][0][0], found["loss"][0][0], 64 * model.vocabulary * EPSILON
        )
        for t in range(model.block):
            right = [found[f"pos{t}.logits"][0][old] for old in order]
            yield from each_same(f"{name}: pos{t}.logits", turned[f"pos{t}.logits"][0], right)


@law(EMBEDDING, "A model has its matrices and no other: one more is refused.", 'shapes = [("wte"')
def one_matrix_more_is_refused(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for more in ("lm_head", f"layer{model.layers}.attn_wq", "bias"):
            lines = [*ask.model_request(model, document), *written({more: [[1.0]]})]
            yield true(f"{name}: {more}", ask.refused("forward", lines), "it was answered")


# ---------------------------------------------------------------- rmsnorm


def norms(model: Model, document: list[int], ask: Asker) -> Iterator[tuple[str, list[float], list[float]]]:
    """(name, input, output) of every rmsnorm of a document."""
    found = ask.forward(model, document)
    for t in range(model.block):
        yield f"pos{t}.normed", found[f"pos{t}.embedded"][0], found[f"pos{t}.normed"][0]
        before = found[f"pos{t}.normed"][0]
        for layer in range(model.layers):
            prefix = f"pos{t}.layer{layer}"
            yield f"{prefix}.attn_norm", before, found[f"{prefix}.attn_norm"][0]
            residual = found[f"{prefix}.attn_residual"][0]
            yield f"{prefix}.mlp_norm", residual, found[f"{prefix}.mlp_norm"][0]
            before = found[f"{prefix}.mlp_residual"][0]


@law(
    NORM,
    "The mean square of what comes out is ms / (ms + 1e-5), with ms the mean square of what went in.",
    MEAN,
    "8 roundings for each element of the mean",
)
def mean_square_is_nearly_one(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for where, x, y in norms(model, document, ask):
            ms = math.fsum(v * v for v in x) / len(x)
            found = math.fsum(v * v for v in y) / len(y)
            yield near(f"{name}: {where}", found, ms / (ms + 1e-5), 8 * len(x) * EPSILON)


@law(NORM, "Only the length changes: every element is multiplied by the same number.", SCALE, "4 roundings")
def direction_stays(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        for where, x, y in norms(model, document, ask):
            ratio = y[0] / x[0]
            for index in range(1, len(x)):
                yield near(
                    f"{name}: {where}[{index}]", y[index], x[index] * ratio, 4 * EPSILON * abs(y[index])
                )


@law(NORM, "Turning all signs of the input turns all signs of the output.", SCALE)
def signs_turn(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        turned = with_tensors(model, {key: scaled(model.tensors[key], -1.0) for key in ("wte", "wpe")})
        found, other = ask.forward(model, document), ask.forward(turned, document)
        for t in range(model.block):
            right = [-value for value in found[f"pos{t}.normed"][0]]
            yield from each_same(f"{name}: pos{t}", other[f"pos{t}.normed"][0], right)


@law(
    NORM,
    "Scaling the input changes next to nothing.",
    "scale = (",
    "1e-5 / ms, the part that the small constant has in the mean square, and 8 roundings",
)
def scale_makes_no_difference(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        large = with_tensors(model, {key: scaled(model.tensors[key], 1024.0) for key in ("wte", "wpe")})
        found, other = ask.forward(model, document), ask.forward(large, document)
        for t in range(model.block):
            x, y = found[f"pos{t}.embedded"][0], found[f"pos{t}.normed"][0]
            within = 1e-5 / (math.fsum(v * v for v in x) / len(x)) + 8 * EPSILON
            top = max(map(abs, y))
            yield from each_near(f"{name}: pos{t}", other[f"pos{t}.normed"][0], y, within * top)


@law(
    NORM,
    "The gradient of what goes in is at right angles to it, as no scaling of it changes the loss.",
    SCALE,
    "the product of the lengths times twice 1e-5 / ms",
)
def gradient_is_orthogonal_to_the_input(ask: Asker) -> Iterator[Assertion]:
    for name, model, document in cases():
        found, gradients = ask.forward(model, document), ask.backward(model, document)
        for t in range(model.block):
            x, g = found[f"pos{t}.embedded"][0], gradients["wpe"][t]
            ms = math.fsum(v * v for v in x) / len(x)
            lengths = math.hypot(*x) * math.hypot(*g)
            dot = math.fsum(a * b for a, b in zip(x, g, strict=True))
            yield near(f"{name}: pos{t}", dot, 0.0, (2e-5 / ms + 64 * EPSILON) * lengths)
