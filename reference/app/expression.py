"""What `microgpt graph` takes: a few lines of Python's arithmetic on the reference's `Value`.

Python's own parser reads it, and nothing is run but + - * / ** and the functions below. The page that teaches
understands the same.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from reference import microgpt
from reference.app.refusal import Refusal
from reference.microgpt import Value

MOST_NODES = 200
MOST_POWER = 4096
LISTED = "exp, log, relu, tanh, sum and max"
Number = Value | float


@dataclass
class Graph:
    """All that a result was made of. `inputs` and `names` are dictionaries from nodes to names."""

    result: Value
    inputs: dict[Value, str]
    names: dict[Value, str]
    operations: dict[Value, str]  # of nodes with one child: "exp", "** -1.0"
    nodes: list[Value] = field(init=False)  # children before parents, as they are visited
    """In the order of the reference's `backward`, read backwards."""

    def __post_init__(self) -> None:
        self.nodes = list(post_order(self.result))
        used = set(self.nodes)
        self.inputs = {node: name for node, name in self.inputs.items() if node in used}
        taken = {*self.inputs.values(), *self.names.values()}
        if self.result not in self.names:
            self.names[self.result] = _free("result", taken)
        number = 0
        for node in self.nodes:
            if node in self.names or self.is_constant(node):
                continue
            number += 1
            while f"v{number}" in taken:
                number += 1
            self.names[node] = f"v{number}"

    def is_constant(self, node: Value) -> bool:
        return not node.children and node not in self.inputs

    def name(self, node: Value) -> str:
        return self.names.get(node) or repr(node.data)

    def operation(self, node: Value) -> str:
        """'+', '*', or what `operations` says; '' for a node without children."""
        if len(node.children) < 2:
            return self.operations.get(node, "")
        # 1 * 1 is the only product whose slopes are those of a sum.
        return "+" if node.local_grads == (1.0, 1.0) and node.data != 1.0 else "*"


def _free(name: str, taken: set[str]) -> str:
    return _free(name + "_", taken) if name in taken else name


def post_order(result: Value) -> Iterator[Value]:
    """Depth first, children from left to right and before their parents."""
    seen = set()

    def visit(node: Value) -> Iterator[Value]:
        seen.add(node)
        for child in node.children:
            if child not in seen:
                yield from visit(child)
        yield node

    return visit(result)


def read(text: str) -> Graph:
    """The graph of an expression, or of several lines of which the last is the result.

    A name that is given a number is an input. So is a name without one; these begin at 1, 2, 3 ... Raises
    Refusal if the text is not understood.
    """
    try:
        return _Reading(text).graph()
    except (RecursionError, MemoryError):
        raise Refusal("the expression is nested too deeply: give a shorter one") from None


class _Reading:
    def __init__(self, text: str) -> None:
        self.text = "\n".join(line.strip() for line in text.strip().splitlines())
        self.scope: dict[str, Number] = {}
        self.inputs: dict[Value, str] = {}
        self.names: dict[Value, str] = {}
        self.operations: dict[Value, str] = {}
        self.times: Counter[str] = Counter()
        self.unset = 0

    def fail(self, node: ast.expr | ast.stmt, sentence: str) -> Refusal:
        return self.fail_at(node.lineno, node.col_offset + 1, sentence)

    def fail_at(self, line: int, column: int, sentence: str) -> Refusal:
        of = f"line {line} of the expression" if "\n" in self.text else "the expression"
        return Refusal(f"character {column} of {of}: {sentence}")

    def graph(self) -> Graph:
        try:
            statements = ast.parse(self.text).body
        except SyntaxError as problem:
            said = f"{problem.msg}; write names, numbers, + - * / **, parentheses, {LISTED}, as in 'a*b + c'"
            raise self.fail_at(problem.lineno or 1, problem.offset or 1, said) from None
        except ValueError as problem:
            raise Refusal(f"the expression cannot be read: {problem}") from None
        if not statements:
            raise Refusal("the expression is empty: give one, such as 'a*b + c'")
        result: Number = 0.0
        for statement in statements:
            result = self.statement(statement)
        if not isinstance(result, Value) or not any(node in self.inputs for node in post_order(result)):
            raise Refusal(
                "the result has no name in it, so nothing can change: write one, as in 'a = 3; a*2 + 1'"
            )
        graph = Graph(result, self.inputs, self.names, self.operations)
        if len(graph.nodes) > MOST_NODES:
            count = len(graph.nodes)
            raise Refusal(f"the expression makes {count} nodes, up to {MOST_NODES} are shown: shorten it")
        return graph

    def statement(self, statement: ast.stmt) -> Number:
        if isinstance(statement, ast.Expr):
            return self.value(statement.value)
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise self.fail(statement, "only expressions and assignments such as 'd = a*b' are understood")
        if len(statement.targets) > 1:
            raise self.fail(statement, "give a value to one name at a time, as in 'd = a*b'")
        name = statement.targets[0].id
        if name in FUNCTIONS:
            raise self.fail(statement, f"{name} is a function: choose another name")
        result = self.value(statement.value)
        if _is_literal(statement.value) and not isinstance(result, Value):
            return self.input(name, result)
        self.scope[name] = result
        if isinstance(result, Value) and result not in self.names:
            self.call_it(result, name)
        return result

    def call_it(self, node: Value, name: str) -> str:
        """A name that is given again gets a prime."""
        self.names[node] = name + "'" * self.times[name]
        self.times[name] += 1
        return self.names[node]

    def input(self, name: str, number: float) -> Value:
        node = Value(number)
        self.inputs[node] = self.call_it(node, name)
        self.scope[name] = node
        return node

    def value(self, node: ast.expr) -> Number:
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return _float(number)
            case ast.Name(id=name):
                return self.named(node, name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.power(node, self.value(left), self.value(right))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
                return self.binary(OPERATORS[type(operator)], self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]):
                return self.call(node, name, parts)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
            raise self.fail(node, "a power is written **, as in a**2, not ^")
        raise self.fail(
            node, f"'{ast.unparse(node)}' is not understood: there are + - * / **, parentheses, {LISTED}"
        )

    def named(self, node: ast.expr, name: str) -> Number:
        if name in FUNCTIONS:
            raise self.fail(node, f"{name} is a function and needs parentheses, as in {name}(a)")
        if name not in self.scope:
            self.unset += 1
            return self.input(name, float(self.unset))
        return self.scope[name]

    def power(self, node: ast.BinOp, base: Number, exponent: Number) -> Number:
        if isinstance(exponent, Value):
            raise self.fail(
                node.right, "the exponent has to be a plain number; if it changes, write exp(b * log(a))"
            )
        if not (2.0 * exponent).is_integer() or abs(exponent) > MOST_POWER:
            right = f"a whole or a half number up to {MOST_POWER}, such as 3 or -0.5"
            raise self.fail(node.right, f"the exponent has to be {right}")
        if not isinstance(base, Value):
            return microgpt.maths.pow(base, exponent)
        return self.noted(base**exponent, f"** {exponent!r}")

    def noted(self, node: Value, operation: str) -> Value:
        self.operations[node] = operation
        return node

    def binary(self, operator: Callable[[Number, Number], Number], left: Number, right: Number) -> Number:
        result = operator(left, right)
        if operator is _divided and isinstance(right, Value) and isinstance(result, Value):
            for child in result.children:
                if child.children == (right,) and child not in self.operations:
                    self.noted(child, "** -1.0")
        return result

    def call(self, node: ast.Call, name: str, parts: Sequence[ast.expr]) -> Number:
        if name not in FUNCTIONS:
            raise self.fail(node, f"'{name}' is not a function here: there are {LISTED}")
        if not parts or len(parts) > FUNCTIONS[name]:
            wanted = "one value" if FUNCTIONS[name] == 1 else "one value or more"
            raise self.fail(node, f"{name} takes {wanted}, not {len(parts)}")
        values = [self.value(part) for part in parts]
        if name == "sum":
            total = values[0] + 0.0
            for value in values[1:]:
                total = total + value
            return total
        nodes = [value if isinstance(value, Value) else Value(value) for value in values]
        if name == "max":  # a plain number: it has no gradient, as in the reference's softmax
            return max(node.data for node in nodes)
        if name == "tanh":
            e = self.noted((nodes[0] * 2.0).exp(), "exp")
            return self.binary(_divided, e - 1.0, e + 1.0)
        made: Value = getattr(nodes[0], name)()
        return self.noted(made, name)


FUNCTIONS = {"exp": 1, "log": 1, "relu": 1, "tanh": 1, "sum": inf, "max": inf}
"""How many values each takes at most."""


def _float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return inf


def _divided(left: Number, right: Number) -> Number:
    if isinstance(left, Value) or isinstance(right, Value):
        return left / right
    return microgpt.divide(left, right)


OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: _divided,
}


def _is_literal(node: ast.expr) -> bool:
    return all(
        isinstance(one, ast.Constant | ast.UnaryOp | ast.BinOp | ast.operator | ast.unaryop)
        for one in ast.walk(node)
    )
