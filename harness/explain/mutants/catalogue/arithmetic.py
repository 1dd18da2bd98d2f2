"""Arithmetic that is not binary64 with one rounding for each operation."""

from harness.explain.mutants.mutant import Edit, Mutant, Rewrite

FLOAT_FROM_WIRE = "    return math.nan if number != number else number\n"
FUNCTIONS = 'FUNCTIONS = {"exact": exactmath, "native": nativemath}\n'
EVERY_FUNCTION = '''

class Rounded:
    """exp, log, sin, cos and pow of a module, each result rounded once more."""

    def __init__(self, functions, rounding):
        for name in ("exp", "log", "sin", "cos", "pow"):
            setattr(self, name, self.rounded(getattr(functions, name), rounding))

    @staticmethod
    def rounded(function, rounding):
        return lambda *arguments: rounding(function(*arguments))


FUNCTIONS = {name: Rounded(functions, ROUNDING) for name, functions in FUNCTIONS.items()}
'''


def _rounds_everything(name: str) -> tuple[Edit | Rewrite, ...]:
    """Inputs, operations and functions, all through one function of rounding.py."""
    return (
        Edit("wire", FLOAT_FROM_WIRE, f"    return math.nan if number != number else {name}(number)\n"),
        Edit("microgpt", FUNCTIONS, FUNCTIONS + EVERY_FUNCTION.replace("ROUNDING", name)),
        Rewrite("microgpt", name),
        Rewrite("replies", name),
    )


MUTANTS = [
    Mutant(
        "fused-everywhere",
        "every a*b + c is computed with one rounding, as a fused multiply-add",
        "C compilers contract expressions by default on ARM and POWER, Go on arm64, and -march=native does on x86.",
        (Rewrite("microgpt", "fused"), Rewrite("replies", "fused")),
        rounding=True,
    ),
    Mutant(
        "fused-gradients",
        "grad += local * upstream is a fused multiply-add",
        "It is the one line of backward that every compiler likes to contract.",
        (
            Edit(
                "microgpt",
                "child.grad += local_grad * node.grad",
                "child.grad = fused(local_grad, node.grad, child.grad)",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "fused-dot-products",
        "the dot products of linear layers are accumulated with fused multiply-adds",
        "BLAS and vectorised kernels do so.",
        (
            Edit(
                "microgpt",
                "    return [add_up(w * xi for w, xi in zip(row, x, strict=True)) for row in weights]",
                "    return [fused_dot(row, x) for row in weights]\n\n\n"
                "def fused_dot(row, x):\n"
                "    total = row[0] * x[0] + 0.0\n"
                "    for w, xi in zip(row[1:], x[1:]):\n"
                "        data = fused(w.data, xi.data, total.data)\n"
                "        total = Value(data, (total, w * xi), (1.0, 1.0))\n"
                "    return total",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "fused-adam",
        "the moments of Adam are updated with fused multiply-adds",
        "b1*m + (1-b1)*g looks just like one.",
        (
            Edit(
                "microgpt",
                "m = self.beta1 * m + (1.0 - self.beta1) * g",
                "m = fused(self.beta1, m, (1.0 - self.beta1) * g)",
            ),
            Edit(
                "microgpt",
                "v = self.beta2 * v + (1.0 - self.beta2) * maths.pow(g, 2.0)",
                "v = fused(self.beta2, v, (1.0 - self.beta2) * maths.pow(g, 2.0))",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "float32-throughout",
        "all numbers are float32",
        "Half of the memory; printed losses hardly show it: 997 of 1,000 stay the same.",
        _rounds_everything("single"),
    ),
    Mutant(
        "float32-parameters",
        "parameters are stored as float32 after each update",
        "Tensor types default to float32 while the arithmetic is done in double.",
        (
            Edit(
                "microgpt",
                "value.data, self.m[i], self.v[i] = p, m, v",
                "value.data, self.m[i], self.v[i] = single(p), m, v",
            ),
        ),
    ),
    Mutant(
        "float32-moments",
        "Adam's moments are stored as float32",
        "Optimizers keep their state in a smaller type.",
        (
            Edit(
                "microgpt",
                "value.data, self.m[i], self.v[i] = p, m, v",
                "value.data, self.m[i], self.v[i] = p, single(m), single(v)",
            ),
        ),
    ),
    Mutant(
        "float32-gradients",
        "gradients are accumulated in float32",
        "The field `grad` has the default float type of the language.",
        (
            Edit(
                "microgpt",
                "child.grad += local_grad * node.grad",
                "child.grad = single(child.grad + local_grad * node.grad)",
            ),
        ),
    ),
    Mutant(
        "float32-activations",
        "activations are float32",
        "The field `data` has the default float type of the language.",
        (Edit("microgpt", "        self.data = data\n", "        self.data = single(data)\n"),),
    ),
    Mutant(
        "float32-betas",
        "beta1 and beta2 are float32 numbers",
        "A literal such as 0.99f, or a configuration struct of floats: 1 - 0.99f is off by 1e-6 of itself.",
        (
            Edit(
                "requests",
                "    return Optimizer(learning_rate, beta1, beta2, epsilon, schedule, fields",
                "    return Optimizer(learning_rate, single(beta1), single(beta2), epsilon, schedule, fields",
            ),
            Edit("microgpt", "Optimizer(0.01, 0.9, 0.95,", "Optimizer(0.01, single(0.9), single(0.95),"),
            Edit("microgpt", "Optimizer(0.01, 0.85, 0.99,", "Optimizer(0.01, single(0.85), single(0.99),"),
        ),
    ),
    Mutant(
        "float32-rate",
        "the learning rate of a step is rounded to float32",
        "The schedule is computed by a helper with a float result.",
        (
            Edit("microgpt", "        rate = self.rate(step)\n", "        rate = single(self.rate(step))\n"),
            Edit(
                "replies",
                "{hexadecimal(optimizer.rate(step))}",
                "{hexadecimal(single(optimizer.rate(step)))}",
            ),
        ),
    ),
    Mutant(
        "x87-double-rounding",
        "every operation is rounded to 64 bits and then to 53",
        "32-bit x86 builds compute in x87 registers and store doubles.",
        (Rewrite("microgpt", "extended"), Rewrite("replies", "extended")),
        rounding=True,
    ),
    Mutant(
        "extended-accumulators",
        "sums of plain numbers are kept in an 80-bit register until they end",
        "long double accumulators, or x87 code that does not spill them.",
        (
            Edit(
                "replies",
                "    total = 0.0\n    for term in terms:\n        total = total + term\n    return total\n",
                "    return extended_sum(list(terms))\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "flush-to-zero",
        "subnormal results are flushed to zero",
        "-ffast-math and some runtimes set the FTZ bit of the whole process.",
        (
            Rewrite("microgpt", "flushed"),
            Rewrite("replies", "flushed"),
        ),
    ),
    Mutant(
        "subnormals-are-zero",
        "subnormal inputs are taken as zero",
        "The DAZ bit, or a parser of hex digits that knows no subnormals.",
        (Edit("wire", FLOAT_FROM_WIRE, "    return math.nan if number != number else flushed(number)\n"),),
    ),
    Mutant(
        "divide-by-reciprocal",
        "a / b is computed as a * (1 / b)",
        "-freciprocal-math, or a hand-made optimisation.",
        (Edit("microgpt", "        return a / b\n", "        return a * (1.0 / b)\n"),),
        rounding=True,
    ),
    Mutant(
        "division-by-zero-is-zero",
        "x / 0 gives 0",
        "A guard against dividing by zero that was added somewhere and forgotten.",
        (Edit("microgpt", "    return copysign(inf, a) * copysign(1.0, b)\n", "    return 0.0\n"),),
    ),
    Mutant(
        "division-ignores-the-sign-of-zero",
        "x / -0 has the sign of x",
        "A guard for division by zero that looks at the numerator only.",
        (
            Edit(
                "microgpt",
                "    return copysign(inf, a) * copysign(1.0, b)\n",
                "    return copysign(inf, a)\n",
            ),
        ),
    ),
    Mutant(
        "sqrt-of-a-negative-is-zero",
        "the square root of a negative number is 0",
        "sqrt(max(x, 0)), a guard against NaN.",
        (
            Edit(
                "replies",
                "return sqrt(x) if x >= 0.0 else nan",
                "return sqrt(max(x, 0.0)) if x == x else nan",
            ),
        ),
    ),
    Mutant(
        "sqrt-by-newton",
        "the square root comes from four steps of Newton's method",
        "Languages without sqrt get one by hand, and it is not correctly rounded.",
        (
            Edit(
                "replies",
                "    return sqrt(x) if x >= 0.0 else nan\n",
                "    if not 0.0 < x < float('inf'):\n"
                "        return x if x >= 0.0 else nan\n"
                "    root = single(sqrt(x)) or x\n"
                "    for _ in range(4):\n"
                "        root = 0.5 * (root + x / root)\n"
                "    return root\n",
            ),
        ),
        rounding=True,
    ),
    Mutant(
        "fused-multiply-add-verb",
        "muladd alone is computed with one rounding",
        "The language's own fma() looks like the right function for it.",
        (Edit("replies", "lambda x, y, z: x * y + z", "lambda x, y, z: fused(x, y, z)"),),
        rounding=True,
    ),
    Mutant(
        "overflow-saturates",
        "results that overflow become the greatest double",
        "Converting functions of some libraries clamp.",
        (
            Edit(
                "replies",
                '    "mul": (2, lambda x, y: x * y),\n',
                '    "mul": (2, lambda x, y: min(max(x * y, -1.7976931348623157e308), 1.7976931348623157e308)),\n',
            ),
        ),
    ),
]
