"""Which step of the algorithm would give the wrong numbers of one quantity, if its own input is right.

A reply of `forward` shows every intermediate result, so a wrong one is computed again from the right ones
before it: with another matrix, another input, another order, another constant. Not by running mutants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import fsum, isfinite

from conformance.messages import Request
from harness.explain.blocks import Block, Rows, config_of, list_of, numbers_of, same
from harness.explain.mutants.rounding import extended_sum, fused_pairs, single
from reference.exactmath import exp
from reference.exactmath import pow as pow_

Pairs = list[tuple[float, float]]
Rule = Callable[[Request, Sequence[Block], Block], str]
LINEAR = {  # the quantity that a matrix makes: the matrix, and the quantity that it is applied to
    "q": ("attn_wq", "attn_norm"),
    "k": ("attn_wk", "attn_norm"),
    "v": ("attn_wv", "attn_norm"),
    "attn_out": ("attn_wo", "mixed"),
    "hidden": ("mlp_fc1", "mlp_norm"),
    "mlp_out": ("mlp_fc2", "activated"),
    "logits": ("lm_head", "mlp_residual"),
}


def near(a: float, b: float) -> bool:
    return isfinite(a) and isfinite(b) and abs(a - b) <= 1e-9 * max(abs(a), abs(b))


def all_near(a: Sequence[float], b: Sequence[float]) -> bool:
    return len(a) == len(b) and all(map(near, a, b))


# ---------------------------------------------------------------- sums


def left(terms: Sequence[float]) -> float:
    total = 0.0
    for term in terms:
        total += term
    return total


def lanes(count: int) -> Callable[[Pairs], float]:
    return lambda pairs: left([left([a * b for a, b in pairs[k::count]]) for k in range(count)])


def halves(terms: list[float]) -> float:
    middle = len(terms) // 2
    return halves(terms[:middle]) + halves(terms[middle:]) if middle else terms[0]


ORDERS: dict[str, Callable[[Pairs], float]] = {
    "from the last to the first": lambda pairs: left([a * b for a, b in reversed(pairs)]),
    "with one rounding for each product and sum (fused multiply-add)": fused_pairs,
    "pairwise": lambda pairs: halves([a * b for a, b in pairs]),
    "in two lanes": lanes(2),
    "in four lanes": lanes(4),
    "in eight lanes": lanes(8),
    "with one rounding at the end": lambda pairs: fsum(a * b for a, b in pairs),
    "in an 80-bit register": lambda pairs: extended_sum([a * b for a, b in pairs]),
    "with products of float32": lambda pairs: left([single(a * b) for a, b in pairs]),
}


def order_of(rows: Sequence[Pairs], came: Sequence[float]) -> str:
    """The order of summation that gives all of `came` from these products; '' if none that is known does."""
    return next((name for name, add in ORDERS.items() if same([add(row) for row in rows], came)), "")


# ---------------------------------------------------------------- quantities of the model


def quantity(block: Block) -> str:
    return block.name.rpartition(".")[2]


def _right(found: Sequence[Block]) -> dict[str, list[float]]:
    """The golden numbers of each quantity, and of all heads' `mixed` side by side."""
    right = {block.name: block.wanted for block in found}
    for block in found:
        if match := re.fullmatch(r"(.*\.)head\d+\.mixed", block.name):
            right.setdefault(f"{match[1]}mixed", []).extend(block.wanted)
    return right


def other_matrix(request: Request, found: Sequence[Block], block: Block) -> str:
    """A matrix product: with another matrix, its transpose, another input, or summed in another order."""
    name = quantity(block)
    if request.verb != "forward" or name not in LINEAR:
        return ""
    layer = next(iter(re.findall(r"layer\d+\.", block.name)), "")
    matrix, source = LINEAR[name]
    prefix = block.name.removesuffix(name)
    if name == "logits" and (config := config_of(request)) is not None:
        prefix, layer = f"{prefix}layer{config.layers - 1}.", ""
    weights = numbers_of(request.lines)
    right = _right(found)
    wanted, x = f"{layer}{matrix}", right.get(prefix + source)
    if x is None or wanted not in weights:
        return ""
    came = block.came
    rows = [list(zip(row, x, strict=True)) for row in weights[wanted]]
    if order := order_of(rows, came):
        return f"{block.name} is {wanted} times {source}, but added up {order}"
    if all_near(block.wanted, came) or not any(came):
        return ""
    inputs = {source: x} | {key: value for key, value in right.items() if len(value) == len(x)}
    for label, vector in inputs.items():
        for other, table in weights.items():
            for form, its in (("", table), (" transposed", _transposed(table))):
                if len(its) == len(came) and len(its[0]) == len(vector):
                    made = [left([w * a for w, a in zip(row, vector, strict=True)]) for row in its]
                    if all_near(made, came):
                        return (
                            f"{block.name} is {other}{form} times {label}, where {wanted} times {source} "
                            f"is right"
                        )
    return ""


def _transposed(rows: Rows) -> Rows:
    return [list(column) for column in zip(*rows, strict=True)]


def other_row(request: Request, found: Sequence[Block], block: Block) -> str:
    """An embedding of other rows."""
    if quantity(block) != "embedded":
        return ""
    weights, position = numbers_of(request.lines), int(re.findall(r"\d+", block.name)[0])
    for i, token in enumerate(weights["wte"]):
        for k, place in enumerate(weights["wpe"]):
            if all_near([a + b for a, b in zip(token, place, strict=True)], block.came):
                right = list_of(request, "tokens")[position]
                return (
                    f"{block.name} is row {i} of wte and row {k} of wpe, where {right} and {position} are "
                    f"right"
                )
    return ""


def epsilon(request: Request, found: Sequence[Block], block: Block) -> str:
    """The epsilon that a norm would have to have, if it is right otherwise."""
    source = {"normed": "embedded", "mlp_norm": "attn_residual", "attn_norm": "normed"}.get(quantity(block))
    if source is None or all_near(block.wanted, block.came):
        return ""
    name = block.name
    prefix = name.removesuffix(quantity(block))
    if source == "normed":
        layer = re.search(r"layer(\d+)\.", name)
        above = layer is not None and int(layer[1]) > 0
        prefix = re.sub(r"layer\d+\.", f"layer{int(layer[1]) - 1}." if above and layer else "", prefix)
        source = "mlp_residual" if above else source
    x = _right(found).get(prefix + source)
    if not x:
        return ""
    if all_near(x, block.came):
        return f"{name} is its input: nothing is normalised"
    scales = [b / a for a, b in zip(x, block.came, strict=True) if a != 0.0]
    if not scales or not all(near(scales[0], scale) for scale in scales) or scales[0] <= 0.0:
        return ""
    mean = left([a * a for a in x]) / len(x)
    implied = scales[0] ** -2 - mean
    return (
        f"{name} is {scales[0]:.9g} times its input: right for an epsilon of {implied:.6g} in place "
        f"of 1e-05, "
        f"or for a mean of squares of {implied + mean - 1e-5:.9g} in place of {mean:.9g}"
    )


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "hidden itself": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "the square of relu": lambda x: max(x, 0.0) ** 2,
    "the square": lambda x: x * x,
    "|hidden|": abs,
    "a relu with slope 0.01 below 0": lambda x: x if x > 0.0 else 0.01 * x,
    "the cube of relu": lambda x: max(x, 0.0) ** 3,
}


def other_activation(request: Request, found: Sequence[Block], block: Block) -> str:
    hidden = _right(found).get(block.name.removesuffix("activated") + "hidden")
    if quantity(block) != "activated" or hidden is None:
        return ""
    for name, function in ACTIVATIONS.items():
        if all_near([function(x) for x in hidden], block.came):
            return f"{block.name} is {name}"
    return ""


def other_maximum(request: Request, found: Sequence[Block], block: Block) -> str:
    """A softmax that takes off another number than the greatest, or divides in another way."""
    source = {"weights": "scores", "probabilities": "logits"}.get(quantity(block))
    x = _right(found).get(block.name.removesuffix(quantity(block)) + source) if source else None
    if not x or not all(map(isfinite, x)):
        return ""
    top = max(x)
    tops = {number: f"number {i}" for i, number in enumerate(x)}
    tops = {0.0: "nothing", max(map(abs, x)): "the greatest magnitude"} | tops
    fitting = []
    for off in tops:
        if off != top and top - off < 700.0:
            exps = [exp(number - off) for number in x]
            inverse = pow_(left(exps), -1.0)
            if same([number * inverse for number in exps], block.came):
                fitting.append(off)
    if len(fitting) == 1:
        [off] = fitting
        return f"the softmax takes off {tops[off]} of {source}, {off!r}, and not the greatest, {top!r}"
    exps = [exp(number - top) for number in x]
    totals = {"from the last to the first": left(exps[::-1]), "pairwise": halves(exps), "exactly": fsum(exps)}
    for name, total in totals.items():
        inverse = pow_(total, -1.0)
        if same([number * inverse for number in exps], block.came):
            return f"the total of the softmax is added up {name}"
    if same([number / left(exps) for number in exps], block.came):
        return "the softmax divides, and does not multiply by the power -1"
    return ""


RULES: tuple[Rule, ...] = (
    other_matrix,
    other_maximum,
    other_row,
    epsilon,
    other_activation,
)
