"""Arithmetic as processors and compilers do it when they do not do what was written, for mutants to use.

Everything takes anything: what is no float is left to Python, so that whole modules can be put through it.
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Callable
from fractions import Fraction
from math import copysign, inf, isfinite
from typing import Any

SMALLEST_NORMAL = 2.0**-1022


def single(x: Any) -> Any:
    """x rounded to binary32."""
    if type(x) is not float:
        return x
    try:
        [rounded] = struct.unpack("f", struct.pack("f", x))
    except OverflowError:
        return copysign(inf, x)
    return rounded


def flushed(x: Any) -> Any:
    """x, or a zero of its sign if it is subnormal."""
    return copysign(0.0, x) if type(x) is float and abs(x) < SMALLEST_NORMAL else x


def fused(a: Any, b: Any, c: Any) -> Any:
    """a * b + c with a single rounding."""
    if not (type(a) is type(b) is type(c) is float and isfinite(a * b + c) and a * b != 0.0):
        return a * b + c
    return _nearest(Fraction(a) * Fraction(b) + Fraction(c))


def fused_pairs(pairs: list[tuple[float, float]]) -> float:
    """The dot product with one rounding for each pair."""
    total = 0.0
    for a, b in pairs:
        total = fused(a, b, total)
    return total


OPERATIONS: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", lambda a, b: a + b),
    ast.Sub: ("-", lambda a, b: a - b),
    ast.Mult: ("*", lambda a, b: a * b),
    ast.Div: ("/", lambda a, b: a / b),
}
_BY_SIGN = dict(OPERATIONS.values())


def extended(sign: str, a: Any, b: Any) -> Any:
    """a (sign) b, rounded to 64 bits as in a register of the x87 and then to 53 as in memory."""
    operation = _BY_SIGN[sign]
    result = operation(a, b)
    if not (type(a) is type(b) is float and isfinite(result) and isfinite(a) and isfinite(b)):
        return result
    exact = operation(Fraction(a), Fraction(b))
    return _nearest(_to_bits(exact, 64)) if exact else result


def extended_sum(terms: list[float]) -> float:
    """The sum from the left in a register of 64 bits, rounded to 53 at the end."""
    if not all(map(isfinite, terms)):
        return sum(terms)
    total = Fraction(0)
    for term in terms:
        total = _to_bits(total + Fraction(term), 64)
    return _nearest(total)


def _to_bits(x: Fraction, bits: int) -> Fraction:
    """x rounded to so many significant bits, ties to even."""
    if not x:
        return x
    exponent = abs(x.numerator).bit_length() - x.denominator.bit_length()
    if abs(x) >= Fraction(2) ** exponent:
        exponent += 1
    scale = Fraction(2) ** (bits - exponent)
    return Fraction(round(x * scale)) / scale


def _nearest(x: Fraction) -> float:
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return copysign(inf, x.numerator)


class Throughout(ast.NodeTransformer):
    """Replaces every + - * / of a module by what THROUGHOUT makes of it."""

    def __init__(self, operation: str) -> None:
        self._replace = THROUGHOUT[operation]

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        return self._replace(node) if type(node.op) in OPERATIONS else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        """a += b becomes a = a + b, which is then replaced."""
        if type(node.op) not in OPERATIONS:
            return node
        read = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.Assign([node.target], self.visit(ast.BinOp(read, node.op, node.value)))


def each_rounded(name: str) -> Callable[[ast.BinOp], ast.expr]:
    """Every result goes through the function called `name`."""
    return lambda node: _call(name, node)


def each_extended(node: ast.BinOp) -> ast.expr:
    sign, _ = OPERATIONS[type(node.op)]
    return _call("extended", ast.Constant(sign), node.left, node.right)


def each_fused(node: ast.BinOp) -> ast.expr:
    """a * b + c and c + a * b, as a compiler contracts them."""
    if isinstance(node.op, ast.Add):
        for product, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(product, ast.BinOp) and isinstance(product.op, ast.Mult):
                return _call("fused", product.left, product.right, other)
    return node


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


THROUGHOUT: dict[str, Callable[[ast.BinOp], ast.expr]] = {
    "extended": each_extended,
    "flushed": each_rounded("flushed"),
    "fused": each_fused,
    "single": each_rounded("single"),
}
