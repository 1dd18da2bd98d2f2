"""Where on the way back from the loss, or from the root of a graph, the first gradient is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from conformance.doubles import double_of
from conformance.messages import Request
from harness.explain.blocks import Block, config_of, same

ROUNDING = 1e-12  # of the greatest number of a matrix: what other orders and other forms come to
BY_ROUNDING = (
    ", by rounding alone (the same sum in another order, or a formula in another form, as x*x is x^2)"
)


def graph_back(request: Request, found: Sequence[Block]) -> Iterator[str]:
    """For `graph`: the first gradient that backward gets wrong is that of the last node; whoever uses it
    made it.
    """
    blocks = {block.name: block for block in found}
    if request.verb != "graph" or "gradient" not in blocks or blocks["value"].differs:
        return
    gradient = blocks["gradient"]
    wrong = [
        i for i, (a, b) in enumerate(zip(gradient.wanted, gradient.came, strict=True)) if not same([a], [b])
    ]
    if not wrong:
        return
    *expressions, last = request.lines[1:]
    root, node = int(last.split(" ")[1]), wrong[-1]
    if node == root:
        yield f"the gradient of the root, {root}, is wrong itself: backward starts with 1 there"
        return
    users = [
        (i, text)
        for i, text in enumerate(expressions)
        if i <= root and str(node) in _operands(text) and i > node
    ]
    kinds = list(dict.fromkeys(text.split(" ")[0] for _, text in users))
    if len(users) == 1:
        user, text = users[0]
        twice = " (its operand is used twice)" if _operands(text).count(str(node)) > 1 else ""
        yield (
            f"the gradient of expression {user}, `{readable(text)}`, is right, and that of its "
            f"operand {node} is not: "
            f"look at the derivative of {kinds[0]}{twice}"
        )
    elif users:
        yield (
            f"the gradient of {node} is the first that is wrong; it adds up what comes from the expressions "
            f"{', '.join(str(i) for i, _ in users)} ({', '.join(kinds)}): look at their derivatives "
            f"and at the order"
        )


def _operands(text: str) -> list[str]:
    """The expressions that one is made of; its numbers are no operands."""
    return [word for word in text.split(" ")[1:] if len(word) < 16]


def readable(text: str) -> str:
    """An expression with decimal numbers."""
    return " ".join(f"{double_of(word)!r}" if len(word) == 16 else word for word in text.split(" "))


BETWEEN = {
    "lm_head": "the derivatives of the loss, of log and of softmax, and what a matrix product gives "
    "to its weights",
    "mlp_fc2": "what lm_head passes back to its input, and what mlp_fc2 gives to its weights",
    "mlp_fc1": "the derivative of the activation, and what mlp_fc2 passes back to it",
    "attn_wo": "the second norm and the residual around it, and what mlp_fc1 passes back",
    "attn_wv": "the weighted sum of values, and what attn_wo passes back to it",
    "attn_wq": "the scores: the softmax of attention, the scale and the dot product",
    "attn_wk": "what the scores give to the keys, those of earlier positions too",
    "wte": "the first norm, the residual around the attention, and the sum of the two embeddings",
    "wpe": "the row of wpe, and the sum of the two embeddings",
}
ON_THE_WAY = ("mlp_fc2", "mlp_fc1", "attn_wo", "attn_wv", "attn_wq", "attn_wk")


def first_on_the_way_back(request: Request, found: Sequence[Block]) -> tuple[str, str]:
    """For `backward`: the first wrong matrix to which backward comes, and the right one before it; each '' if
    there is none.
    """
    config = config_of(request)
    wrong = {block.name: block.differs for block in found}
    if request.verb != "backward" or config is None or wrong.get("loss", True):
        return "", ""
    layers = [f"layer{i}.{name}" for i in reversed(range(config.layers)) for name in ON_THE_WAY]
    names = ["lm_head", *layers, "wte", "wpe"]
    first = next((name for name in names if wrong.get(name)), "")
    return first, names[names.index(first) - 1] if first not in ("", names[0]) else ""


def way_back(request: Request, found: Sequence[Block]) -> Iterator[str]:
    """For `backward`: between which two matrices it goes wrong, and whether by rounding alone."""
    name, before = first_on_the_way_back(request, found)
    if not name:
        return
    block = next(block for block in found if block.name == name)
    size = max(map(abs, block.wanted))
    near = all(abs(a - b) <= ROUNDING * size for a, b in zip(block.wanted, block.came, strict=True))
    at = BETWEEN[name.rpartition(".")[2]] if name != "lm_head" or near else _end(block)
    yield (
        f"on the way back {f'{before} is right and ' if before else ''}{name} is the first that is wrong"
        f"{BY_ROUNDING if near else ''}: look at {at}"
    )


def _end(lm_head: Block) -> str:
    """Where before lm_head it goes wrong. Softmax does not change when a number is added to all logits, so
    their gradients add up to 0, and with them each column of lm_head's.
    """
    sums = [(sum(column), max(map(abs, column))) for column in zip(*lm_head.got, strict=True)]
    if all(abs(total) <= 1e-9 * size for total, size in sums):
        return (
            "the loss, log and the mean, and what a matrix product gives to its weights: the gradients of "
            "the logits add up to 0, as softmax makes them"
        )
    return (
        "the derivative of softmax (exp, the total, its power -1, the product): the gradients of the logits "
        "do not add up to 0"
    )
