"""The autograd (SPEC, section 5): numbers that remember what they were made of."""

from itertools import chain
from math import copysign, inf, nan

import exact


def divide(a, b):
    """a / b, also where Python raises an error."""
    if b != 0.0:
        return a / b
    return nan if a == 0.0 or a != a else copysign(inf, a) * copysign(1.0, b)


class Node:
    """A number with its gradient. A plain Node is a leaf; the other kinds know their children."""

    __slots__ = ("value", "gradient", "seen")
    children = ()

    def __init__(self, value):
        self.value = value
        self.gradient = 0.0
        self.seen = False

    def __add__(self, other):
        if isinstance(other, Node):
            return Sum(self.value + other.value, (self, other))
        return Unary(self.value + other, self, 1.0)

    def __mul__(self, other):
        if isinstance(other, Node):
            return Dot(self.value * other.value, (self,), (other,))
        return Unary(self.value * other, self, other)

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __truediv__(self, other):
        return self * (other**-1.0 if isinstance(other, Node) else exact.pow(other, -1.0))

    def __rsub__(self, other):
        return -self + other

    def __rtruediv__(self, other):
        return self**-1.0 * other

    def __pow__(self, exponent):
        slope = exponent * exact.pow(self.value, exponent - 1.0)
        return Unary(exact.pow(self.value, exponent), self, slope)

    def log(self):
        return Unary(exact.log(self.value), self, divide(1.0, self.value))

    def exp(self):
        value = exact.exp(self.value)
        return Unary(value, self, value)

    def relu(self):
        return Unary(self.value, self, 1.0) if self.value > 0.0 else Unary(0.0, self, 0.0)

    def backward(self):
        """Adds to the gradient of every node that this one depends on, in reverse depth-first post-order."""
        order = []
        stack = [(self, iter(self.children))]
        while stack:
            node, children = stack[-1]
            for child in children:
                if not child.seen and type(child) is not Node:
                    child.seen = True
                    stack.append((child, iter(child.children)))
                    break
            else:
                order.append(node)
                stack.pop()
        self.gradient = 1.0
        for node in reversed(order):
            node.pass_on(node.gradient)

    def pass_on(self, gradient):
        """Gives each child its part of this node's gradient. A leaf has none."""


class Unary(Node):
    """A function of one node. The slope is its local gradient."""

    __slots__ = ("children", "slope")

    def __init__(self, value, child, slope):
        super().__init__(value)
        self.children = (child,)
        self.slope = slope

    def pass_on(self, gradient):
        self.children[0].gradient += self.slope * gradient


class Sum(Node):
    __slots__ = ("children",)

    def __init__(self, value, nodes):
        super().__init__(value)
        self.children = nodes

    def pass_on(self, gradient):
        for child in self.children:
            child.gradient += gradient


class Dot(Node):
    """The sum of the products of two vectors, or one product."""

    __slots__ = ("ws", "xs")

    def __init__(self, value, ws, xs):
        super().__init__(value)
        self.ws = ws
        self.xs = xs

    @property
    def children(self):
        return chain.from_iterable(zip(self.ws, self.xs, strict=True))

    def pass_on(self, gradient):
        for w, x in zip(self.ws, self.xs, strict=True):
            w.gradient += x.value * gradient
            x.gradient += w.value * gradient


# Sums and dot products are one node each. None of their operands may occur twice, or lie below another.


def add_up(nodes):
    total = 0.0
    for node in nodes:
        total += node.value
    return Sum(total, nodes)


def dot(ws, xs):
    total = 0.0
    for w, x in zip(ws, xs, strict=True):
        total += w.value * x.value
    return Dot(total, ws, xs)
