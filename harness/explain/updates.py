"""What an update would have to be for its wrong moments, parameters, rate or corrections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from conformance.messages import Request
from harness.explain.blocks import Block, number_of, numbers_of
from harness.explain.steps import Rule, near
from reference.microgpt import Optimizer


def moment(request: Request, found: Sequence[Block], block: Block) -> str:
    """The weights of the old moment and of the gradient in m or v, if they are other ones."""
    if request.verb != "adam" or block.name not in ("m", "v"):
        return ""
    given = {name: [x for row in rows for x in row] for name, rows in numbers_of(request.lines).items()}
    old, g = given[block.name], given["gradients"]
    beta = number_of(request, "beta1" if block.name == "m" else "beta2")
    terms = {"g": g, "g^2": [x * x for x in g], "|g|": [abs(x) for x in g]}
    for name, new in terms.items():
        weights = _fit(old, new, block.came)
        if weights is None:
            continue
        a, b = weights
        wanted = "g" if block.name == "m" else "g^2"
        if name == wanted and near(a, beta) and near(b, 1.0 - beta):
            return f"{block.name} has the right weights, and is rounded elsewhere"
        right = f"{beta:.6g}*{block.name} + {1.0 - beta:.6g}*{wanted}"
        return f"{block.name} is {a:.6g}*{block.name} + {b:.6g}*{name}, where {right} is right"
    return ""


def _fit(x: Sequence[float], y: Sequence[float], z: Sequence[float]) -> tuple[float, float] | None:
    """a and b such that a*x + b*y = z everywhere; None if there are none, or fewer than three numbers."""
    if len(x) < 3 or not all(map(isfinite, (*x, *y, *z))):
        return None
    xx, xy, yy = (sum(p * q for p, q in zip(*pair, strict=True)) for pair in ((x, x), (x, y), (y, y)))
    xz, yz = (sum(p * q for p, q in zip(one, z, strict=True)) for one in (x, y))
    size = xx * yy - xy * xy
    if abs(size) <= 1e-9 * xx * yy or size == 0.0:
        return None
    a, b = (xz * yy - yz * xy) / size, (yz * xx - xz * xy) / size
    scale = max(map(abs, z))
    fits = all(
        abs(a * p + b * q - r) <= 1e-7 * max(abs(r), 1e-3 * scale) for p, q, r in zip(x, y, z, strict=True)
    )
    return (a, b) if fits else None


def movement(request: Request, found: Sequence[Block], block: Block) -> str:
    """How far the parameters move, in parts of the right step, and the rate for which that is right."""
    before, step = _before(request, block)
    if len(before) != len(block.came):
        return ""
    moved = [
        (p - got) / (p - wanted)
        for p, wanted, got in zip(before, block.wanted, block.came, strict=True)
        if p != wanted and isfinite(p - wanted) and isfinite(p - got)
    ]
    if len(moved) < 2 or any(abs(part - moved[0]) > 1e-5 * abs(moved[0]) for part in moved):
        return ""
    if abs(moved[0] - 1.0) < 1e-5:
        return ""
    rate = _settings(request).rate(step)
    named = _rate_named(request, step, moved[0] * rate, 1e-5)
    return (
        f"the parameters move by {moved[0]:.6g} times the right step{f': right if {named}' if named else ''}"
    )


def _before(request: Request, block: Block) -> tuple[list[float], int]:
    """The parameters before an update, and its step; none where the request does not have them."""
    numbers = numbers_of(request.lines)
    name, step = block.name, -1
    if request.verb == "adam" and name == "parameters":
        step = _integer(request, "step")
    elif request.verb == "train" and (match := re.fullmatch(r"step (\d+): parameters\.(.+)", name)):
        name, step = match[2], int(match[1])
        if step != _integer(request, "from"):
            return [], step
    else:
        return [], step
    return [x for row in numbers[name] for x in row], step


def _settings(request: Request) -> Optimizer:
    learning_rate, beta1, beta2 = (number_of(request, key) for key in ("learning_rate", "beta1", "beta2"))
    schedule = next(line.split(" ")[1] for line in request.lines if line.startswith("schedule "))
    return Optimizer(learning_rate, beta1, beta2, 0.0, schedule, _integer(request, "steps"))


def _integer(request: Request, key: str) -> int:
    return next(int(line.split(" ")[1]) for line in request.lines if line.startswith(f"{key} "))


def _rate_named(request: Request, step: int, came: float, tolerance: float) -> str:
    """Of which other step, number of steps or schedule a rate is the right one; '' if of none."""
    asked = _settings(request)
    n = asked.steps
    named = {"the steps": n}
    if request.verb == "train":
        count = _integer(request, "count")
        documents = sum(text.startswith("tokens ") for text in request.lines)
        named |= {"count": count, "from + count": step + count, "the number of documents": documents}
    sizes = (*named.values(), n - 1, n + 1)
    numbers = {size: " or ".join(name for name, its in named.items() if its == size) for size in sizes}
    for kind in (asked.schedule, "cosine" if asked.schedule == "linear" else "linear"):
        for steps, name in numbers.items():
            for s in range(max(0, step - 2), step + 3):
                rate = replace(asked, schedule=kind, steps=max(1, steps)).rate(s)
                is_other = (kind, steps, s) != (asked.schedule, n, step)
                if is_other and abs(rate - came) <= tolerance * abs(came):
                    total = f"{steps} ({name})" if name and steps != n else f"{steps}"
                    return f"it is the {kind} rate of step {s} of {total}, and step {step} of {n} was asked"
    return ""


def extra_term(request: Request, found: Sequence[Block], block: Block) -> str:
    """What is added to a moment or the parameters besides what is right, in proportion to what was given."""
    if request.verb != "adam" or block.name not in ("m", "v", "parameters"):
        return ""
    added = [b - a for a, b in zip(block.wanted, block.came, strict=True)]
    numbers = numbers_of(request.lines)
    for name in ("parameters", "gradients", "m", "v"):
        given = [x for row in numbers[name] for x in row]
        pairs = [(d, x) for d, x in zip(added, given, strict=True) if x != 0.0]
        if len(pairs) < 2 or any(d != 0.0 for d, x in zip(added, given, strict=True) if x == 0.0):
            continue
        size = max(abs(x) for _, x in pairs)
        factor = next(d / x for d, x in pairs if abs(x) == size)
        if factor and all(abs(d - factor * x) <= 1e-6 * abs(factor) * size for d, x in pairs):
            return f"{factor:.6g} times the {name} before is added to {block.name} besides what is right"
    return ""


def other_rate(request: Request, found: Sequence[Block], block: Block) -> str:
    """A rate or a correction that is right for another step, number of steps or beta."""
    if request.verb != "adam" or block.name not in ("rate", "correction1", "correction2"):
        return ""
    [came] = block.came
    step, asked = _integer(request, "step"), _settings(request)
    if block.name == "rate":
        return _rate_named(request, step, came, 1e-9)
    for name, beta in (("beta1", asked.beta1), ("beta2", asked.beta2)):
        for k in range(max(0, step - 1), step + 4):
            is_right = name[-1] == block.name[-1] and k == step + 1
            if not is_right and near(1.0 - beta**k, came):
                return (
                    f"it is 1 - {name}^{k}, where 1 - beta{block.name[-1]}^{step + 1} is right (step {step})"
                )
    return ""


RULES: tuple[Rule, ...] = (moment, movement, other_rate, extra_term)
