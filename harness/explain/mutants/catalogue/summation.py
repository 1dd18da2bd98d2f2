"""Sums in another order, or with another algorithm."""

from harness.explain.mutants.mutant import Change, Edit, Mutant

PLAIN = "    total = 0.0\n    for term in terms:\n        total = total + term\n    return total\n"
NODES = """    first, *rest = values
    total = first + 0.0
    for value in rest:
        total = total + value
    return total
"""
LINEAR = "    return [add_up(w * xi for w, xi in zip(row, x, strict=True)) for row in weights]\n"
PAIRWISE = '''

def pairwise(values):
    """Halves first."""
    if len(values) == 1:
        return values[0] + 0.0
    half = len(values) // 2
    return pairwise(values[:half]) + pairwise(values[half:])
'''
LANES = '''

def in_lanes(values):
    """Four sums side by side, added up at the end."""
    lanes = [values[i::4] for i in range(min(4, len(values)))]
    totals = []
    for lane in lanes:
        total = lane[0] + 0.0
        for value in lane[1:]:
            total = total + value
        totals.append(total)
    result = totals[0]
    for total in totals[1:]:
        result = result + total
    return result
'''
COMPENSATED = '''

def compensated(values):
    """After Kahan, 1965: the plain part of the sum carries what was lost."""
    total, lost = values[0].data + 0.0, 0.0
    node = values[0] + 0.0
    for value in values[1:]:
        y = value.data - lost
        t = total + y
        lost = (t - total) - y
        total = t
        node = Value(total, (node, value), (1.0, 1.0))
    return node
'''


def _plain(new: str) -> tuple[Change, ...]:
    return (Edit("replies", PLAIN, new),)


def _nodes(new: str, helper: str = "") -> tuple[Change, ...]:
    return (Edit("microgpt", NODES, new + helper),)


MUTANTS = [
    Mutant(
        "reversed-sums",
        "sums run from right to left",
        "A loop that counts down, or a right fold.",
        _nodes(NODES.replace("first, *rest = values", "first, *rest = reversed(list(values))")),
        rounding=True,
    ),
    Mutant(
        "pairwise-sums",
        "sums are pairwise",
        "NumPy, Julia and others sum so without being asked.",
        _nodes("    return pairwise(list(values))\n", PAIRWISE),
        rounding=True,
    ),
    Mutant(
        "sums-in-four-lanes",
        "sums run in four lanes that are added up at the end",
        "Vectorised loops under -ffast-math or with explicit SIMD types.",
        _nodes("    return in_lanes(list(values))\n", LANES),
        rounding=True,
    ),
    Mutant(
        "compensated-sums",
        "sums are compensated after Kahan",
        "A library's sum means well: Python's own does so since 3.12.",
        _nodes("    return compensated(list(values))\n", COMPENSATED),
        rounding=True,
    ),
    Mutant(
        "linear-from-right",
        "the dot products of linear layers run from right to left",
        "The inner loop counts down.",
        (
            Edit(
                "microgpt",
                LINEAR,
                "    return [add_up(w * xi for w, xi in list(zip(row, x))[::-1]) for row in weights]\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "reversed-plain-sums",
        "sum and dot add the last number first",
        "A right fold, which is the natural sum in functional languages.",
        _plain(PLAIN.replace("in terms", "in reversed(list(terms))")),
        rounding=True,
    ),
    Mutant(
        "exact-plain-sums",
        "sum and dot are rounded only once, at the end",
        "math.fsum and its like are called the accurate sum.",
        _plain(
            "    from math import fsum, isfinite\n\n"
            "    numbers = list(terms)\n"
            "    return fsum(numbers) if all(map(isfinite, numbers)) else sum(numbers)\n"
        ),
        rounding=True,
    ),
    Mutant(
        "fused-dot",
        "dot is accumulated with fused multiply-adds",
        "Compilers contract total += x*y.",
        (
            Edit(
                "replies",
                "result = add_from_left(x * y for x, y in zip(numbers[::2], numbers[1::2], strict=True))",
                "result = fused_pairs(list(zip(numbers[::2], numbers[1::2])))",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "plain-sums-without-zero",
        "sum and dot start with the first number and not with 0",
        "A reduce without an initial value: -0 stays -0.",
        _plain(
            "    first, *rest = terms\n    for term in rest:\n        first = first + term\n    return first\n"
        ),
    ),
    Mutant(
        "sum-adds-to-the-term",
        "a sum of nodes adds x + total and not total + x",
        "The same number; but the search for the order meets the term before the sum so far.",
        _nodes(NODES.replace("total + value", "value + total")),
        rounding=True,
    ),
    Mutant(
        "sum-without-its-zero",
        "a sum of nodes starts with its first term, without the node x0 + 0",
        "The 0 that Python's sum() starts from is invisible, and it turns -0 into 0.",
        _nodes(NODES.replace("first + 0.0", "first")),
    ),
]
