"""Backward: gradients are derivatives, in graphs and in the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker, Model, Shape
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, same, true
from science.laws.models import DEEP, SMALL, cases, column, document, drawn, moved, scaled, with_tensor

FLOW = "backward"
WALK = "for node in reversed(order)"
STEP = 2.0**-13
"""Of central differences. Their error is a sixth of STEP squared times the third derivative, and the rounding
of the loss over STEP; Richardson's extrapolation of two steps leaves one of the order of STEP^4."""
CLOSE = 1e-7
"""For derivatives of size 1: STEP^4 is 2e-16, times fifth derivatives of up to some millions near a softmax;
the roundings of the loss, some 1e-15, over STEP are 1e-11."""


def leaf(x: float) -> str:
    return f"leaf {hexadecimal(x)}"


POINTS = (0.5, -1.25, 3.0, 0.1)
POSITIVE = (0.5, 1.25, 3.0, 0.1)


@law(FLOW, "The root's own gradient is 1.", "self.grad = 1.0")
def the_root_s_gradient_is_1(ask: Asker) -> Iterator[Assertion]:
    for x in POINTS:
        _, gradients = ask.graph([leaf(x), "mul 0 0"], 1)
        yield same(f"at {x}", gradients[1], 1.0)


@law(FLOW, "What the root does not need has no gradient.", WALK)
def what_is_not_needed_has_no_gradient(ask: Asker) -> Iterator[Assertion]:
    for x in POINTS:
        _, gradients = ask.graph([leaf(x), leaf(2.0), "mul 0 0", "mul 0 1"], 2)
        yield same(f"at {x}: unused leaf", gradients[1], 0.0)
        yield same(f"at {x}: unused product", gradients[3], 0.0)


Slope = Callable[[float, float], float]
RULES: dict[str, tuple[Slope, Slope]] = {
    "add 0 1": (lambda a, b: 1.0, lambda a, b: 1.0),
    "sub 0 1": (lambda a, b: 1.0, lambda a, b: -1.0),
    "mul 0 1": (lambda a, b: b, lambda a, b: a),
    "div 0 1": (lambda a, b: 1.0 / b, lambda a, b: -a / (b * b)),
}


@law(FLOW, "Sum, difference, product and quotient have their derivatives.", "def __mul__", "8 roundings")
def rules_of_arithmetic(ask: Asker) -> Iterator[Assertion]:
    for rule, slopes in RULES.items():
        for a in POINTS:
            for b in POINTS:
                _, gradients = ask.graph([leaf(a), leaf(b), rule], 2)
                for index, slope in enumerate(slopes):
                    right = slope(a, b)
                    yield near(
                        f"{rule} at {a}, {b}: {index}", gradients[index], right, 8 * EPSILON * abs(right)
                    )


FUNCTIONS: dict[str, Callable[[float], float]] = {
    "exp 0": math.exp,
    "log 0": lambda x: 1.0 / x,
    "pow 0 " + hexadecimal(3.0): lambda x: 3.0 * x * x,
    "pow 0 " + hexadecimal(-0.5): lambda x: -0.5 * x**-1.5,
    "pow 0 " + hexadecimal(-1.0): lambda x: -1.0 / (x * x),
    "relu 0": lambda x: 1.0,
    "neg 0": lambda x: -1.0,
}


@law(FLOW, "exp, log, powers and relu have their derivatives.", "def log(self)", "16 roundings")
def rules_of_functions(ask: Asker) -> Iterator[Assertion]:
    for rule, slope in FUNCTIONS.items():
        for x in POSITIVE:
            _, gradients = ask.graph([leaf(x), rule], 1)
            right = slope(x)
            yield near(f"{rule.split()[0]} at {x}", gradients[0], right, 16 * EPSILON * abs(right))


@law(FLOW, "The chain rule: the derivative of f(g(x)) is f'(g(x)) g'(x).", WALK, "32 roundings")
def the_chain_rule(ask: Asker) -> Iterator[Assertion]:
    for outer, f in FUNCTIONS.items():
        for inner, g in FUNCTIONS.items():
            for x in POSITIVE:
                values, gradients = ask.graph([leaf(x), inner, outer.replace(" 0", " 1", 1)], 2)
                if values[1] <= 0.0 and outer.startswith(("log", "pow", "relu")):
                    continue
                right = f(values[1]) * g(x)
                name = f"{outer.split()[0]} of {inner.split()[0]} at {x}"
                yield near(name, gradients[0], right, 32 * EPSILON * abs(right))


@law(FLOW, "What is used twice receives both gradients.", "child.grad += ")
def what_is_used_twice_receives_both(ask: Asker) -> Iterator[Assertion]:
    for x in POINTS:
        _, gradients = ask.graph([leaf(x), "mul 0 0"], 1)
        yield same(f"x * x at {x}", gradients[0], 2 * x)
        _, gradients = ask.graph([leaf(x), "add 0 0", "add 1 1", "add 2 2"], 3)
        yield same(f"8 x at {x}", gradients[0], 8.0)
        _, gradients = ask.graph([leaf(x), "sub 0 0"], 1)
        yield same(f"x - x at {x}", gradients[0], 0.0)
        _, gradients = ask.graph([leaf(x), "sum 0 0 0 0 0"], 1)
        yield same(f"sum of five at {x}", gradients[0], 5.0)


@law(FLOW, "log undoes exp: the derivative of log(exp(x)) is 1.", "def exp(self)", "4 roundings")
def log_undoes_exp(ask: Asker) -> Iterator[Assertion]:
    for x in POINTS:
        values, gradients = ask.graph([leaf(x), "exp 0", "log 1"], 2)
        yield near(f"value at {x}", values[2], x, 4 * EPSILON * max(1.0, abs(x)))
        yield near(f"derivative at {x}", gradients[0], 1.0, 4 * EPSILON)


@law(
    FLOW,
    "Backward is linear: the gradient of 3f + 5g is three times that of f and five times that of g.",
    WALK,
    "16 roundings",
)
def backward_is_linear(ask: Asker) -> Iterator[Assertion]:
    for a in POSITIVE:
        for b in POSITIVE:
            shared = [leaf(a), leaf(b), "mul 0 1", "exp 2", "div 0 1", "log 4"]
            _, f = ask.graph(shared, 3)
            _, g = ask.graph(shared, 5)
            joined = [f"mul_number 3 {hexadecimal(3.0)}", f"mul_number 5 {hexadecimal(5.0)}", "add 6 7"]
            _, both = ask.graph([*shared, *joined], 8)
            for index in range(2):
                right = 3.0 * f[index] + 5.0 * g[index]
                size = abs(3.0 * f[index]) + abs(5.0 * g[index])
                yield near(f"at {a}, {b}: {index}", both[index], right, 16 * EPSILON * size)


# ---------------------------------------------------------------- the model's gradients


TINY = drawn(Shape(1, 2, 2, 3, 4), seed=11)
TINY_SQUARED = drawn(Shape(1, 1, 2, 3, 4, "squared_relu"), seed=12)


def slope(ask: Asker, model: Model, tokens: list[int], name: str, row: int, place: int) -> float:
    """The derivative of the loss by one parameter, from the losses around it."""

    def difference(step: float) -> float:
        above = ask.loss(moved(model, name, row, place, step), tokens)
        below = ask.loss(moved(model, name, row, place, -step), tokens)
        return (above - below) / (2 * step)

    coarse, fine = difference(STEP), difference(STEP / 2)
    return (4 * fine - coarse) / 3


@law(
    FLOW,
    "The gradient of every parameter is the derivative of the loss.",
    WALK,
    "1e-7: central differences of 2^-13 and 2^-14, extrapolated",
)
def gradients_are_derivatives(ask: Asker) -> Iterator[Assertion]:
    for label, model in (("relu", TINY), ("squared relu", TINY_SQUARED)):
        tokens = document(model)
        gradients = ask.backward(model, tokens)
        for name, rows in model.tensors.items():
            for row in range(len(rows)):
                for place in range(len(rows[0])):
                    found = slope(ask, model, tokens, name, row, place)
                    right = gradients[name][row][place]
                    yield near(f"{label}: {name}[{row}][{place}]", right, found, CLOSE * max(1.0, abs(found)))


@law(
    FLOW,
    "The gradients of a position's logits sum to zero, so each column of lm_head's gradient does.",
    "lm_head",
    "4 roundings for each row and position, of the column's greatest",
)
def gradients_of_logits_sum_to_zero(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        rows = ask.backward(model, tokens)["lm_head"]
        for index in range(model.embedding):
            values = column(rows, index)
            within = 16 * len(rows) * model.block * EPSILON * (1.0 + max(map(abs, values)))
            yield near(f"{name}: column {index}", math.fsum(values), 0.0, within)


@law(FLOW, "A token that is not read has no gradient, nor has a place that is not reached.", WALK)
def what_is_not_read_has_no_gradient(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        short = tokens[:3]
        gradients = ask.backward(model, short)
        for token in range(model.vocabulary):
            if token not in short[:2]:
                yield from each_same(
                    f"{name}: wte[{token}]", gradients["wte"][token], [0.0] * model.embedding
                )
        for place in range(2, model.block):
            yield from each_same(f"{name}: wpe[{place}]", gradients["wpe"][place], [0.0] * model.embedding)


@law(FLOW, "What is read has a gradient.", WALK)
def what_is_read_has_a_gradient(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        gradients = ask.backward(model, tokens)
        for token in sorted({*tokens[: model.block]}):
            yield true(f"{name}: wte[{token}]", any(gradients["wte"][token]))
        for place in range(model.block):
            yield true(f"{name}: wpe[{place}]", any(gradients["wpe"][place]))


@law(
    FLOW,
    "Tokens and places enter as one sum, so their gradients have the same sum.",
    'parameters["wpe"][position]',
    "8 roundings for each position, of the greatest",
)
def tokens_and_places_share_their_gradients(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        gradients = ask.backward(model, tokens)
        for index in range(model.embedding):
            left, right = column(gradients["wte"], index), column(gradients["wpe"], index)
            within = 8 * model.block * EPSILON * max(map(abs, left + right))
            yield near(f"{name}: column {index}", math.fsum(left), math.fsum(right), within)


@law(FLOW, "With one position, nothing depends on queries and keys.", "weights = softmax(scores)")
def one_position_needs_no_queries(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        gradients = ask.backward(model, tokens[:2])
        for layer in range(model.layers):
            for part in ("attn_wq", "attn_wk"):
                for index, row in enumerate(gradients[f"layer{layer}.{part}"]):
                    within = 64 * EPSILON
                    yield from each_near(
                        f"{name}: layer{layer}.{part}[{index}]", row, [0.0] * len(row), within
                    )


@law(FLOW, "A unit that is off at every position passes nothing back.", "def relu")
def a_unit_that_is_off_passes_nothing_back(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        found, gradients = ask.forward(model, tokens), ask.backward(model, tokens)
        hidden = [found[f"pos{t}.layer0.hidden"][0] for t in range(model.block)]
        for unit in range(4 * model.embedding):
            if max(column(hidden, unit)) < 0.0:
                row = gradients["layer0.mlp_fc1"][unit]
                yield from each_same(f"{name}: fc1[{unit}]", row, [0.0] * len(row))
                for value in column(gradients["layer0.mlp_fc2"], unit):
                    yield same(f"{name}: fc2 column {unit}", value, 0.0)


@law(FLOW, "Asking for gradients changes no loss.", "def backward")
def backward_and_forward_agree_on_the_loss(ask: Asker) -> Iterator[Assertion]:
    for name, model, tokens in cases():
        yield same(name, ask.backward(model, tokens)["loss"][0][0], ask.loss(model, tokens))


@law(
    FLOW,
    "A matrix times its gradient is what the loss changes when the matrix grows.",
    WALK,
    "1e-7, as for derivatives",
)
def growth_of_a_matrix(ask: Asker) -> Iterator[Assertion]:
    for label, model in (("small", SMALL), ("deep", DEEP)):
        tokens = document(model)
        gradients = ask.backward(model, tokens)
        for name, rows in model.tensors.items():
            found = _growth(ask, model, tokens, name)
            right = math.fsum(
                w * g for row, grads in zip(rows, gradients[name], strict=True)
                for w, g in zip(row, grads, strict=True)
            )  # fmt: skip
            yield near(f"{label}: {name}", right, found, CLOSE * max(1.0, abs(found)))


def _growth(ask: Asker, model: Model, tokens: list[int], name: str) -> float:
    def difference(step: float) -> float:
        above = with_tensor(model, name, scaled(model.tensors[name], 1.0 + step))
        below = with_tensor(model, name, scaled(model.tensors[name], 1.0 - step))
        return (ask.loss(above, tokens) - ask.loss(below, tokens)) / (2 * step)

    return (4 * difference(STEP / 2) - difference(STEP)) / 3
