"""Values, their derivatives, and the order in which gradients are added up."""

from harness.explain.mutants.mutant import Edit, Mutant

MUL = "return Value(self.data * other.data, (self, other), (other.data, self.data))"
SLOPE = "        slope = exponent * maths.pow(self.data, exponent - 1.0)\n"
LOG = "return Value(maths.log(self.data), (self,), (divide(1.0, self.data),))"
EXP = "return Value(result, (self,), (result,))"
RELU = "        positive = self.data > 0.0\n"
RELU_RESULT = "return Value(self.data if positive else 0.0, (self,), (1.0 if positive else 0.0,))"
ACCUMULATE = "                child.grad += local_grad * node.grad\n"
CHILDREN = "for child, local_grad in zip(node.children, node.local_grads, strict=True):\n"
STACK = "        stack = [(self, iter(self.children))]\n"
PUSH = "                    stack.append((child, iter(child.children)))\n"
WALK = "        for node in reversed(order):\n"
DIV = "return self * (other**-1.0 if isinstance(other, Value) else maths.pow(other, -1.0))"
RESET = "        for value in values:\n            value.grad = 0.0\n"
VISIT = """        order = []
        self.visited = True
        stack = [(self, iter(self.children))]
        while stack:
            node, children = stack[-1]
            for child in children:
                if not child.visited:
                    child.visited = True
                    stack.append((child, iter(child.children)))
                    break
            else:
                order.append(node)
                stack.pop()
"""
STACK_WALK = """        order = []
        self.visited = True
        stack = [self]
        while stack:
            node = stack.pop()
            order.append(node)
            for child in node.children:
                if not child.visited:
                    child.visited = True
                    stack.append(child)
        order.reverse()
"""
BREADTH_FIRST = STACK_WALK.replace("stack.pop()", "stack.pop(0)")
EVERY_PATH = """        order = []
        self.grad = 1.0
        stack = [(self, 1.0)]
        while stack:
            node, upstream = stack.pop()
            for child, local_grad in reversed(list(zip(node.children, node.local_grads))):
                child.grad += local_grad * upstream
                stack.append((child, local_grad * upstream))
"""
BORN = (
    Edit(
        "microgpt",
        '    __slots__ = ("data", "grad", "children", "local_grads", "visited")\n',
        '    __slots__ = ("data", "grad", "children", "local_grads", "visited", "born")\n    count = 0\n',
    ),
    Edit(
        "microgpt",
        "        self.visited = False\n\n    def __add__",
        "        self.visited = False\n        Value.count += 1\n        self.born = Value.count\n\n    def __add__",
    ),
)

MUTANTS = [
    Mutant(
        "gradient-assigned",
        "gradients are assigned and not added up",
        "= for +=: right as long as no node is used twice.",
        (Edit("microgpt", ACCUMULATE, ACCUMULATE.replace("+=", "=")),),
    ),
    Mutant(
        "order-of-creation",
        "gradients accumulate in the reverse order of creation",
        "A tape, which is the fast way to build autograd; the order is topological, but another one.",
        (*BORN, Edit("microgpt", WALK, "        for node in sorted(order, key=lambda node: -node.born):\n")),
        rounding=True,
    ),
    Mutant(
        "children-from-right",
        "the search for the order visits the right child first",
        "A stack gives back last what was pushed first.",
        (
            Edit("microgpt", STACK, STACK.replace("iter(", "reversed(")),
            Edit("microgpt", PUSH, PUSH.replace("iter(", "reversed(")),
        ),
        rounding=True,
    ),
    Mutant(
        "stack-walk",
        "nodes are walked from a stack as they are met, not in topological order",
        "A depth-first walk looks like an order; a shared node passes its gradient on before it is complete.",
        (Edit("microgpt", VISIT, STACK_WALK),),
    ),
    Mutant(
        "breadth-first-walk",
        "nodes are walked breadth first",
        "Level by level seems natural for layers.",
        (Edit("microgpt", VISIT, BREADTH_FIRST),),
    ),
    Mutant(
        "unreversed-order",
        "the topological order is not reversed",
        "The order is built from the leaves up.",
        (Edit("microgpt", WALK, "        for node in order:\n"),),
    ),
    Mutant(
        "shared-operand-once",
        "a node that is both operands gets its gradient once",
        "A set of children: x*x then has the derivative x.",
        (
            Edit(
                "microgpt",
                CHILDREN,
                CHILDREN.replace(
                    "zip(node.children, node.local_grads, strict=True)",
                    "{id(c): (c, g) for c, g in zip(node.children, node.local_grads)}.values()",
                ),
            ),
        ),
    ),
    Mutant(
        "gradients-not-reset",
        "gradients are not reset before a step",
        "zero_grad() was forgotten.",
        (Edit("microgpt", RESET, ""),),
    ),
    Mutant(
        "root-gradient-missing",
        "the gradient of the root is 0",
        "It must be set to 1, once.",
        (Edit("microgpt", "        self.grad = 1.0\n", "        self.grad = 0.0\n"),),
    ),
    Mutant(
        "relu-slope-at-zero",
        "the slope of relu at 0 is 1",
        ">= for >.",
        (
            Edit("microgpt", RELU, RELU.replace(">", ">=")),
            Edit(
                "microgpt",
                RELU_RESULT,
                RELU_RESULT.replace(
                    "self.data if positive else 0.0", "max(self.data, 0.0) if self.data == self.data else 0.0"
                ),
            ),
        ),
    ),
    Mutant(
        "relu-keeps-minus-zero",
        "relu(-0) is -0",
        "max(x, 0) may give either zero.",
        (
            Edit(
                "microgpt",
                RELU_RESULT,
                RELU_RESULT.replace(
                    "self.data if positive else 0.0", "self.data if positive or self.data == 0.0 else 0.0"
                ),
            ),
        ),
    ),
    Mutant(
        "relu-of-nan",
        "relu(NaN) is NaN",
        "x < 0 ? 0 : x, where the reference asks whether x > 0.",
        (
            Edit(
                "microgpt",
                RELU_RESULT,
                RELU_RESULT.replace(
                    "self.data if positive else 0.0",
                    "self.data if positive or self.data != self.data else 0.0",
                ),
            ),
        ),
    ),
    Mutant(
        "leaky-relu",
        "relu has the slope 0.01 below 0",
        "A variant that other programs use.",
        (
            Edit(
                "microgpt",
                RELU_RESULT,
                RELU_RESULT.replace("else 0.0", "else 0.01 * self.data", 1).replace(
                    "else 0.0,", "else 0.01,"
                ),
            ),
        ),
    ),
    Mutant(
        "pow-slope-of-the-result",
        "the derivative of x^y is y * x^y / x",
        "The result is at hand, and one power is saved.",
        (
            Edit(
                "microgpt",
                SLOPE,
                "        slope = divide(exponent * maths.pow(self.data, exponent), self.data)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "pow-slope-without-exponent",
        "the derivative of x^y lacks the factor y",
        "x^(y-1) alone.",
        (Edit("microgpt", SLOPE, SLOPE.replace("exponent * maths", "maths")),),
    ),
    Mutant(
        "pow-slope-exponent-not-lowered",
        "the derivative of x^y is y * x^y",
        "The exponent must go down by one.",
        (Edit("microgpt", SLOPE, SLOPE.replace("exponent - 1.0", "exponent")),),
    ),
    Mutant(
        "pow-slope-other-order",
        "the derivative of x^y is computed as x^(y-2) * x * y",
        "A general power that is built up from a lower one.",
        (
            Edit(
                "microgpt",
                SLOPE,
                "        slope = maths.pow(self.data, exponent - 2.0) * self.data * exponent if abs(exponent) < 1000.0 else exponent * maths.pow(self.data, exponent - 1.0)\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "powers-remembered",
        "equal powers are computed once and found again by their base, where -0 equals +0",
        "A memo whose keys are numbers; maps compare zeros as numbers do.",
        (
            Edit(
                "microgpt",
                "    maths = FUNCTIONS[kind]\n",
                "    maths = FUNCTIONS[kind]\n    MEMO.clear()\n\n\nMEMO = {}\n\n\n"
                "def power(x, y):\n    return MEMO.setdefault((x, y), maths.pow(x, y))\n",
            ),
            Edit("microgpt", SLOPE, SLOPE.replace("maths.pow", "power")),
            Edit(
                "microgpt",
                "return Value(maths.pow(self.data, exponent), (self,), (slope,))",
                "return Value(power(self.data, exponent), (self,), (slope,))",
            ),
        ),
    ),
    Mutant(
        "log-slope-of-the-result",
        "the derivative of log x is 1 / log x",
        "The field `data` of the wrong node.",
        (Edit("microgpt", LOG, LOG.replace("divide(1.0, self.data)", "divide(1.0, maths.log(self.data))")),),
    ),
    Mutant(
        "log-guarded",
        "log adds 1e-8 to its argument",
        "A guard against log(0).",
        (Edit("microgpt", LOG, LOG.replace("maths.log(self.data)", "maths.log(self.data + 1e-8)")),),
    ),
    Mutant(
        "exp-slope-of-the-argument",
        "the derivative of exp x is x",
        "The field `data` of the wrong node.",
        (Edit("microgpt", EXP, EXP.replace("(result,))", "(self.data,))")),),
    ),
    Mutant(
        "product-slopes-exchanged",
        "a factor's derivative is the factor itself",
        "The local gradients of a product stand in the wrong order.",
        (Edit("microgpt", MUL, MUL.replace("(other.data, self.data)", "(self.data, other.data)")),),
    ),
    Mutant(
        "difference-slope",
        "a - b passes its gradient to b unchanged",
        "The minus sign of a subtraction node is forgotten.",
        (
            Edit(
                "microgpt",
                "        return self + (-other)\n",
                "        if isinstance(other, Value):\n"
                "            return Value(self.data - other.data, (self, other), (1.0, 1.0))\n"
                "        return self + (-other)\n",
            ),
        ),
    ),
    Mutant(
        "true-division",
        "a / b is one node with one rounding",
        "It is what division means in any language; the reference multiplies by b^-1.",
        (
            Edit(
                "microgpt",
                DIV,
                "return Value(divide(self.data, other.data), (self, other), (divide(1.0, other.data), divide(-self.data, other.data * other.data))) "
                "if isinstance(other, Value) else self * maths.pow(other, -1.0)",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "true-division-by-a-number",
        "a node divided by a plain number is divided, not multiplied by its inverse",
        "x / n is rounded once, x * (1/n) twice.",
        (
            Edit(
                "microgpt",
                DIV,
                "return self * other**-1.0 if isinstance(other, Value) else "
                "Value(divide(self.data, other), (self,), (divide(1.0, other),))",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "quotient-reversed",
        "number / node is node / number",
        "The reflected operator is defined as the plain one.",
        (Edit("microgpt", "        return self**-1.0 * other\n", "        return self / other\n"),),
    ),
    Mutant(
        "difference-reversed",
        "number - node is node - number",
        "The reflected operator is defined as the plain one.",
        (Edit("microgpt", "        return (-self) + other\n", "        return self - other\n"),),
    ),
    Mutant(
        "gradient-along-every-path",
        "each path through the graph carries its own gradient",
        "Recursion without an order: right but for rounding, and exponentially slow.",
        (
            Edit(
                "microgpt",
                VISIT,
                EVERY_PATH.replace(
                    "        order = []\n",
                    "        order = []\n        if maths is not None and sum_of_paths(self) > 20000:\n            raise RecursionError\n",
                ),
            ),
            Edit(
                "microgpt",
                "def add_up(values",
                'def sum_of_paths(root):\n    """How many edges all paths have, up to a bound."""\n    count, stack = 0, [root]\n    while stack and count <= 20000:\n        count += 1\n        stack.extend(stack.pop().children)\n    return count\n\n\ndef add_up(values',
            ),
        ),
        rounding=True,
    ),
]
