"""What the wrong numbers of a reply have in common: a factor, another order, another quantity, a range.

Clues are read off the port's own numbers and hold for every mistake, known or not. Each is one sentence
without a full stop. What a step of the algorithm would have to be for these numbers: `steps.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import isfinite, log, sqrt

from conformance.messages import Reply, Request
from harness.explain import attention, drawn, elements, steps, updates
from harness.explain.blocks import Block, blocks, config_of, list_of, same
from harness.explain.way_back import graph_back, way_back
from harness.judge.compare import Difference

EQUAL = 1e-9  # relative: ratios of numbers that were rounded on their way
MOST = 3  # clues that are shown
GRADIENTS = ("backward", "graph")


def clues(request: Request, golden: Reply, reply: Reply, difference: Difference) -> tuple[str, ...]:
    """What can be said about a first difference from both replies; nothing where one is an error."""
    if not (golden.ok and reply.ok):
        return ()
    found = blocks(golden, reply)
    said = [
        *_texts(golden, reply, difference),
        *way_back(request, found),
        *graph_back(request, found),
        *filter(None, [drawn.other_draws(request, reply)]),
    ]
    block = _first(found, difference)
    if block is not None:
        said += _numbers(request, found, block)
    return tuple(dict.fromkeys(said))[:MOST]


def _first(found: Sequence[Block], difference: Difference) -> Block | None:
    """The block in which the first difference is."""
    if difference.kind != "value":
        return None
    names = [block for block in found if block.differs]
    plain = re.sub(r"(\[\d+\])+$", "", difference.checkpoint)
    return next((block for block in names if block.name == plain), names[0] if names else None)


def _numbers(request: Request, found: Sequence[Block], block: Block) -> Iterator[str]:
    if zeros := _zeros(block):
        yield zeros
        return
    of_all = _of_all_gradients(request, found)
    if of_all:
        yield of_all
        return
    near = _is_rounding(block)
    for rule in (*RULES, *(() if near else GENERAL)):
        said = rule(request, found, block)
        if said:
            yield said
            break
    yield from filter(None, (_place(block), _since(found, block)))


def _is_rounding(block: Block) -> bool:
    pairs = zip(block.wanted, block.came, strict=True)
    return all(isfinite(b) and abs(a - b) <= 1e-12 * max(abs(a), abs(b), 1e-300) for a, b in pairs)


def _zeros(block: Block) -> str:
    """A zero of the wrong sign, where that is all."""
    changed = [(a, b) for a, b in zip(block.wanted, block.came, strict=True) if not same([a], [b])]
    if changed and all(a == 0.0 == b for a, b in changed):
        sign = "-0.0 where +0.0" if str(changed[0][1]) == "-0.0" else "+0.0 where -0.0"
        return f"no number differs but zeros: {sign} is right ({len(changed)} in {block.name})"
    return ""


# ---------------------------------------------------------------- factors


def ratio(wanted: Sequence[float], came: Sequence[float], least: int = 2) -> float | None:
    """The one factor between two lists, if there is one, it is not 1, and it is seen so many times at
    least.
    """
    pairs = [(a, b) for a, b in zip(wanted, came, strict=True) if not (a == 0.0 == b)]
    if len(pairs) < least or any(a == 0.0 or not (isfinite(a) and isfinite(b)) for a, b in pairs):
        return None
    factor = pairs[0][1] / pairs[0][0]
    if abs(factor - 1.0) < EQUAL or factor == 0.0:
        return None
    return factor if all(abs(b / a - factor) <= EQUAL * abs(factor) for a, b in pairs) else None


def factor_name(request: Request, factor: float) -> str:
    """The factor, and what it is, if that can be told from the sizes of the request."""
    sizes = {"2": 2.0, "3": 3.0, "ln 2": log(2.0), "10": 10.0, "100": 100.0}
    config = config_of(request)
    if config is not None:
        size = config.embedding // config.heads
        tokens = list_of(request, "tokens")
        if tokens:
            count = min(config.block, len(tokens) - 1)
            sizes |= {"n, the number of positions": float(count), "n + 1": count + 1.0}
            sizes |= {"n - 1": count - 1.0, "the number of tokens": float(len(tokens))}
        sizes |= {"the head size": float(size), "the root of the head size": sqrt(size)}
        sizes |= {
            "the embedding": float(config.embedding),
            "the root of the embedding": sqrt(config.embedding),
        }
        sizes |= {"the block": float(config.block), "the heads": float(config.heads)}
        sizes |= {"the vocabulary": float(config.vocabulary), "the layers": float(config.layers)}
    if abs(factor + 1.0) < EQUAL:
        return "-1"
    for sign, minus in ((1.0, ""), (-1.0, "minus ")):
        for form, value in (("{}", factor), ("1/({})", 1.0 / factor)):
            fits = [name for name, size in sizes.items() if abs(sign * value - size) <= EQUAL * abs(size)]
            fits = [name for name in fits if sizes[name] not in (0.0, 1.0)]
            if fits:
                name = f"{minus}{form.format(' or '.join(fits[:3]))}"
                return name if name == f"{factor:.6g}" else f"{name} = {factor:.6g}"
    return f"{factor:.9g}"


def _of_all_gradients(request: Request, found: Sequence[Block]) -> str:
    """One factor between all gradients of a reply."""
    if request.verb not in GRADIENTS:
        return ""
    gradients = [block for block in found if block.name != "value" and block.name != "loss"]
    if any(block.differs for block in found if block not in gradients):
        return ""
    wanted = [x for block in gradients for x in block.wanted]
    came = [x for block in gradients for x in block.came]
    factor = ratio(wanted, came)
    last = next((block for block in gradients if block.name == "lm_head"), None)
    if factor is None or (last is not None and not last.differs):
        return ""
    where = "look at the gradient that backward starts with, 1"
    if request.verb == "backward":
        where += ", and at the mean over positions (1/n)"
    return f"every gradient is multiplied by {factor_name(request, factor)}: {where}"


def _factor(request: Request, found: Sequence[Block], block: Block) -> str:
    if request.verb == "graph":
        return ""
    factor = ratio(block.wanted, block.came, least=1)
    if factor is None:
        return ""
    name = factor_name(request, factor)
    if name == f"{factor:.9g}" and ratio(block.wanted, block.came) is None:
        return ""  # one number alone has a factor always
    return f"all of {block.name} is multiplied by {name}"


def _moved(request: Request, found: Sequence[Block], block: Block) -> str:
    """The same number is added to all."""
    pairs = list(zip(block.wanted, block.came, strict=True))
    if len(pairs) < 3 or not all(isfinite(a) and isfinite(b) for a, b in pairs):
        return ""
    offset = pairs[0][1] - pairs[0][0]
    scale = max(abs(a) for a, _ in pairs)
    if abs(offset) <= EQUAL * scale or any(abs(b - a - offset) > EQUAL * scale for a, b in pairs):
        return ""
    return f"{offset:.9g} is added to all of {block.name}"


def _power(request: Request, found: Sequence[Block], block: Block) -> str:
    """Probabilities of the right logits multiplied by a number, or such that do not add up to 1."""
    if not block.name.endswith(("weights", "probabilities")):
        return ""
    wanted, came = block.expected[0], block.got[0]
    total = sum(came)
    if abs(total - 1.0) > 1e-6:
        return f"{block.name} adds up to {total:.6g} and not to 1: look at the total of softmax"
    if len(wanted) < 3 or min(*wanted, *came) <= 0.0:
        return ""
    logs = [(log(a / wanted[0]), log(b / came[0])) for a, b in zip(wanted[1:], came[1:], strict=True)]
    slope = max(logs, key=lambda pair: abs(pair[0]))
    factor = slope[1] / slope[0] if slope[0] else 1.0
    if abs(factor - 1.0) < 1e-6 or any(abs(b - factor * a) > 1e-6 * (1 + abs(b)) for a, b in logs):
        return ""
    return f"{block.name} is the softmax of the right numbers multiplied by {factor_name(request, factor)}"


# ---------------------------------------------------------------- order, other quantities


def _other_order(request: Request, found: Sequence[Block], block: Block) -> str:
    wanted, came = block.wanted, block.came
    if len(set(wanted)) < 2 or sorted(map(float.hex, wanted)) != sorted(map(float.hex, came)):
        return ""
    return f"{block.name} has the right numbers in another order: {_order(block)}"


def _order(block: Block) -> str:
    wanted, came, rows = block.wanted, block.came, block.expected
    if same(came, wanted[::-1]):
        return "from the last to the first"
    if len(rows) == len(rows[0]) and same(came, [x for column in zip(*rows, strict=True) for x in column]):
        return "rows and columns are exchanged"
    for shift in range(1, len(wanted)):
        if same(came, wanted[shift:] + wanted[:shift]):
            return f"each stands {shift} places too early, the first ones at the end"
    moved = [i for i, (a, b) in enumerate(zip(wanted, came, strict=True)) if not same([a], [b])]
    if len(moved) == 2:
        return f"numbers {moved[0]} and {moved[1]} are exchanged"
    return f"{len(moved)} of {len(wanted)} are elsewhere"


def _another(request: Request, found: Sequence[Block], block: Block) -> str:
    """The numbers of another quantity, or zeros."""
    came = block.came
    if all(x == 0.0 for x in came) and len(came) > 1:
        return f"all of {block.name} is 0: nothing has been computed or added there"
    if len(set(came)) < 2:
        return ""
    for other in found:
        if other.name != block.name and same(came, other.wanted):
            return f"what stands in {block.name} is {other.name}"
    return ""


RULES = (
    elements.unchanged,
    *steps.RULES,
    *updates.RULES,
    attention.other_positions,
    drawn.other_target,
    elements.where,
)
GENERAL = (_factor, _moved, _other_order, _another, _power)

# ---------------------------------------------------------------- where


def _place(block: Block) -> str:
    """Which numbers of a block are wrong, where that is a part that can be named."""
    wrong = [i for i, (a, b) in enumerate(zip(block.wanted, block.came, strict=True)) if not same([a], [b])]
    count = len(block.wanted)
    if count < 4 or len(wrong) > count // 2:
        return ""
    name = block.name
    if wrong == list(range(count - len(wrong), count)):
        which = "the last number" if len(wrong) == 1 else f"the last {len(wrong)} numbers"
        where = in_bits(wrong[0]) or "look at where the loop ends"
        return f"only {which} of {count} in {name} is wrong: {where}"
    if wrong == list(range(len(wrong))):
        which = "the first number" if len(wrong) == 1 else f"the first {len(wrong)} numbers"
        return f"only {which} of {count} in {name} is wrong: look at where the loop begins"
    columns = len(block.expected[0])
    rows = sorted({i // columns for i in wrong})
    if len(block.expected) > 1 and len(rows) <= len(block.expected) // 2:
        listed = ", ".join(map(str, rows[:6])) + (", ..." if len(rows) > 6 else "")
        return (
            f"only rows {listed} of {len(block.expected)} in {name} are wrong"
            if len(rows) > 1
            else (f"only row {rows[0]} of {len(block.expected)} in {name} is wrong")
        )
    return f"{len(wrong)} of {count} numbers in {name} are wrong, the first at {wrong[0]}"


_PART = re.compile(r"(pos|layer|head|step |sample )(\d+)")


def _since(found: Sequence[Block], block: Block) -> str:
    """The same quantity of earlier positions, layers, heads, steps or samples is right."""
    right: list[str] = []
    bits = ""
    for match in _PART.finditer(block.name):
        kind, number = match[1].strip(), int(match[2])
        before = [block.name[: match.start(2)] + str(k) + block.name[match.end(2) :] for k in range(number)]
        known = {other.name: other.differs for other in found}
        if before and all(known.get(name) is False for name in before):
            word = {"pos": "position"}.get(kind, kind)
            right.append(f"{word} 0" if number == 1 else f"{word}s 0 to {number - 1}")
            bits = bits or in_bits(number) or _in_digits(number)
    if not right:
        return ""
    quantity = block.name.rpartition(".")[2] or block.name
    where = bits or "look at what is different there"
    return f"{quantity} is right for {' and for '.join(right)}: {where}"


def _in_digits(number: int) -> str:
    if number not in (10, 100, 1000):
        return ""
    return f"{number:,} has a digit more: look for numbers that are sorted, compared or cut as text"


def in_bits(number: int) -> str:
    """What the first wrong number of many says about the width of an integer or the size of an array."""
    for size, less in ((number, ""), (number + 1, " - 1")):
        bits = size.bit_length() - 1
        if size == 2**bits >= 2**6:
            return (
                f"{number:,} is 2^{bits}{less}: look for an integer of {bits} bits, or an array of {size:,}"
            )
    return ""


# ---------------------------------------------------------------- words and text


def _texts(golden: Reply, reply: Reply, difference: Difference) -> Iterator[str]:
    """Vocabularies, and lines that are missing."""

    def lines(it: Reply) -> dict[str, list[str]]:
        return {line.partition(" ")[0]: line.split(" ")[1:] for line in reversed(it.lines)}

    wanted, came = lines(golden), lines(reply)
    if "vocabulary" in wanted and "vocabulary" in came and wanted["vocabulary"] != came["vocabulary"]:
        extra = sorted(set(came["vocabulary"]) - set(wanted["vocabulary"]), key=len)
        missing = sorted(set(wanted["vocabulary"]) - set(came["vocabulary"]), key=len)
        if extra:
            yield f"the vocabulary has {_points(extra)}, which must not be in it: look at what is stripped"
        if missing:
            yield f"the vocabulary lacks {_points(missing)}: look at how characters are read and collected"
        if not extra and not missing:
            yield "the vocabulary has the right characters in another order: they are sorted by code point"
    elif difference.kind == "shape" and len(golden.lines) != len(reply.lines):
        counts = [sum(".embedded " in line for line in it.lines) for it in (golden, reply)]
        if counts[0] != counts[1]:
            yield f"{counts[1]} positions are computed, and {counts[0]} should be"
        else:
            yield f"the reply has {len(reply.lines):,} lines and not {len(golden.lines):,}"


def _points(words: Sequence[str]) -> str:
    shown = [f"U+{int(word):04X}" for word in words[:4] if word.isdigit()]
    return ", ".join(shown) + (f" and {len(words) - 4} more" if len(words) > 4 else "")
