"""Level 6: expression graphs. Values forward, gradients backward, in the one right order."""

from collections.abc import Iterator, Sequence
from random import Random

from conformance.cases.case import GREATEST, INF, LEAST, LEAST_NORMAL, SPECIAL, Case, bad, chance, line

PLAIN = ("add_number", "sub_number", "mul_number", "div_number", "number_sub", "number_div")
ONE = line("leaf", 1.0)


def cases() -> Iterator[Case]:
    yield case("example", [line("leaf", 2.0), line("leaf", -3.0), "mul 0 1", "add 2 0", "exp 3", "root 4"])
    for key in ("add", "sub", "mul", "div"):
        yield case(f"{key}-all-signs", [line("leaf", 0.7), line("leaf", -0.3), *pairs(key), "root 9"])
        yield case(
            f"{key}-of-itself",
            [line("leaf", 1.1), f"{key} 0 0", f"{key} 1 0", f"{key} 0 1", f"{key} 3 2", "root 4"],
        )
    for key in PLAIN:
        lines = [line("leaf", 1.7), line("leaf", -0.0)]
        lines += [plain(key, i % 2, c) for i, c in enumerate((3.0, 0.1, -0.1, 7.0, 0.0, -0.0, 1e300, LEAST))]
        yield case(key.replace("_", "-"), [*lines, "sum 2 3 4 5", "root 10"])
    yield case("neg", [line("leaf", 0.0), line("leaf", -2.5), "neg 0", "neg 1", "neg 2", "sum 4 3", "root 5"])
    yield case(
        "relu",
        [
            *(line("leaf", x) for x in SPECIAL),
            *(f"relu {i}" for i in range(12)),
            "sum 12 13 14 15 16 17 18 19",
            "root 24",
        ],
    )
    yield case(
        "exp-and-log",
        [line("leaf", 0.3), "exp 0", "log 1", "log 0", "exp 3", "mul 2 4", "exp 5", "log 6", "root 7"],
    )
    yield case(
        "log-outside",
        [
            line("leaf", 0.0),
            line("leaf", -1.0),
            line("leaf", -0.0),
            "log 0",
            "log 1",
            "log 2",
            "sum 3 4 5",
            "root 6",
        ],
    )
    yield case(
        "exp-overflow",
        [line("leaf", 800.0), line("leaf", -800.0), "exp 0", "exp 1", "mul 2 3", "add 4 3", "root 5"],
    )
    for name, base in (
        ("positive", 1.3),
        ("negative", -1.3),
        ("zero", 0.0),
        ("minus-zero", -0.0),
        ("huge", 1e200),
        ("tiny", 1e-200),
    ):
        exponents = (2.0, 3.0, 1.0, 0.0, -1.0, -2.0, 0.5, -0.5, 1.5, 1024.0, -1024.0)
        yield case(
            f"pow-{name}",
            [line("leaf", base), *(line("pow", 0, c) for c in exponents), "sum 1 2 3 5", "root 12"],
        )
    for name, power in (("inverse", -1.0), ("inverse-root", -0.5), ("root", 0.5), ("cube", 3.0)):
        zeros = [line("leaf", 0.0), line("leaf", -0.0), line("pow", 0, power), line("pow", 1, power)]
        yield case(f"pow-of-both-zeros-{name}", [*zeros, "add 2 3", "root 4"])
    kept = [line("leaf", -0.0), line("pow", 0, 1.0), "neg 1", "add 1 1", "exp 1", "mul 3 4", "sub 5 1"]
    yield case("pow-keeps-minus-zero", [*kept, "root 6"])
    for name, power in (("inverse-root", -0.5), ("root", 0.5), ("inverse", -1.0), ("square", 2.0)):
        chain = [line("leaf", 0.37), line("pow", 0, power), line("pow", 1, power), "mul 2 1", "root 3"]
        yield case(f"pow-chain-{name}", chain)
    yield case(
        "not-finite",
        [
            line("leaf", INF),
            line("leaf", 0.0),
            "mul 0 1",
            line("leaf", GREATEST),
            "add 3 3",
            "mul 4 2",
            "root 5",
        ],
    )
    yield case(
        "subnormal",
        [
            line("leaf", LEAST),
            line("leaf", 0.5),
            "mul 0 1",
            line("leaf", LEAST_NORMAL),
            "mul 3 1",
            "add 2 4",
            "div 5 3",
            "root 6",
        ],
    )
    yield case("sum-of-one", [line("leaf", -0.0), "sum 0", "sum 0 0", "add 1 2", "root 3"])
    yield case(
        "sum-repeated",
        [line("leaf", 0.1), line("leaf", 0.2), "mul 0 1", "sum 0 1 2 0 1 2 0", "mul 3 2", "root 4"],
    )
    yield case("root-is-a-leaf", [ONE, line("leaf", 2.0), "add 0 1", "root 1"])
    yield case(
        "root-in-the-middle", [ONE, line("leaf", 3.0), "mul 0 1", "exp 2", "mul 2 3", "log 4", "root 3"]
    )
    yield case("not-reached", [ONE, line("leaf", 3.0), "mul 0 1", "exp 1", "div 3 2", "add 2 0", "root 5"])
    yield case(
        "diamond",
        [line("leaf", 0.7), "exp 0", "mul 1 0", "mul 0 1", "div 2 1", "mul 3 4", "add 5 2", "root 6"],
    )
    yield case("diamonds", list(diamonds(40)))
    yield case(
        "minus-zero-gradient",
        [
            line("leaf", 0.0),
            line("leaf", -1.0),
            "mul 0 1",
            line("mul_number", 2, -0.0),
            "neg 3",
            "add 4 2",
            "root 5",
        ],
    )
    yield case("softmax-by-hand", list(softmax_by_hand((0.3, -1.2, 2.0, 0.1))))
    yield case("norm-by-hand", list(norm_by_hand((0.3, -1.2, 2.0, 0.1, 0.0))))
    # Here the order of accumulation shows in the last bits: many paths to the same node.
    for number in range(12):
        yield case(f"random-{number}", list(random_graph(chance(f"graph-{number}"), 30 + 20 * number)))
    yield case("order-of-creation", list(shuffled_sum(chance("order-of-creation"), 60)))
    yield case(
        "wide",
        [
            *(line("leaf", 1.0 / (3 + i)) for i in range(400)),
            "sum " + " ".join(map(str, range(400))),
            "mul 400 0",
            "root 401",
        ],
    )
    yield case("deep", list(deep(6000)))
    yield case("deep-to-the-right", list(deep(4000, to_the_right=True)))
    yield from bad(
        "graph",
        {
            "no-nodes": ["math exact", "root 0"],
            "no-root": ["math exact", ONE],
            "not-yet-made": ["math exact", ONE, "add 0 1", "root 1"],
            "node-out-of-range": ["math exact", ONE, "exp 7", "root 1"],
            "root-out-of-range": ["math exact", ONE, "root 1"],
            "after-root": ["math exact", ONE, "root 0", ONE],
            "unknown-operation": ["math exact", ONE, "tanh 0", "root 1"],
            "empty-sum": ["math exact", ONE, "sum", "root 1"],
            "pow-third": ["math exact", ONE, line("pow", 0, 1.0 / 3.0), "root 1"],
            "pow-too-large": ["math exact", ONE, line("pow", 0, 1024.5), "root 1"],
            "begins-with-operation": ["math exact", "exp 0", "root 0"],
            "no-math": [ONE, "root 0"],
            "number-after-node": ["math exact", ONE, line("number_sub", 0, 1.0), "root 1"],
            "node-after-number": ["math exact", ONE, line("sub_number", 1.0, 0), "root 1"],
        },
    )


def case(name: str, lines: Sequence[str]) -> Case:
    return Case(name, "graph", ("math exact", *lines))


def plain(key: str, node: int, number: float) -> str:
    """An expression of a node and a plain number, in the order in which its key names them."""
    return line(key, number, node) if key.startswith("number_") else line(key, node, number)


def pairs(key: str) -> list[str]:
    return [
        f"{key} 0 1",
        f"{key} 1 0",
        f"{key} 2 3",
        f"{key} 4 2",
        f"{key} 3 5",
        f"{key} 6 0",
        f"{key} 1 7",
        "add 8 7",
    ][:8]


def diamonds(count: int) -> Iterator[str]:
    """Each level uses the one before twice: 2^count paths, which only a topological order visits once."""
    yield line("leaf", 0.3)
    top = 0
    for i in range(count):
        yield line("mul_number", top, 0.49 + 0.001 * i)
        yield line("mul_number", top, 0.51)
        yield f"add {top + 2} {top + 1}"
        top += 3
    yield f"root {top}"


def softmax_by_hand(logits: Sequence[float]) -> Iterator[str]:
    n = len(logits)
    yield from (line("leaf", x) for x in logits)
    yield from (line("sub_number", i, max(logits)) for i in range(n))
    yield from (f"exp {n + i}" for i in range(n))
    yield "sum " + " ".join(str(2 * n + i) for i in range(n))
    yield from (f"div {2 * n + i} {3 * n}" for i in range(n))
    yield f"log {3 * n + 2}"
    yield f"neg {4 * n + 1}"
    yield f"root {4 * n + 2}"


def norm_by_hand(x: Sequence[float]) -> Iterator[str]:
    n = len(x)
    yield from (line("leaf", xi) for xi in x)
    yield from (f"mul {i} {i}" for i in range(n))
    yield "sum " + " ".join(str(n + i) for i in range(n))
    yield line("div_number", 2 * n, float(n))
    yield line("add_number", 2 * n + 1, 1e-5)
    yield line("pow", 2 * n + 2, -0.5)
    yield from (f"mul {i} {2 * n + 3}" for i in range(n))
    yield "sum " + " ".join(str(2 * n + 4 + i) for i in range(n))
    yield f"root {3 * n + 4}"


def random_graph(source: Random, count: int) -> Iterator[str]:
    """Operations on any earlier nodes, values near 1: gradients round differently in another order."""
    leaves = 4
    yield from (line("leaf", source.uniform(0.5, 1.5)) for _ in range(leaves))
    for i in range(leaves, count):
        a, b = (source.randrange(max(0, i - 12), i) for _ in range(2))
        key = source.choice(
            ("add", "sub", "mul", "div", "mul", "div", "neg", "relu", "pow", "exp", "log", "sum", *PLAIN)
        )
        if key in ("add", "sub", "mul", "div"):
            yield f"{key} {a} {b}"
        elif key == "pow":
            yield line("pow", a, source.choice((0.5, -0.5, 2.0, -1.0, 3.0)))
        elif key == "exp":  # of something small: a / 16
            yield line("mul_number", a, 0.0625) if source.random() < 0.5 else line("div_number", a, 3.0)
        elif key == "log":
            yield f"mul {a} {a}"
        elif key == "sum":
            yield f"sum {a} {b} {source.randrange(i)} {a}"
        elif key in PLAIN:
            yield plain(key, a, source.uniform(0.2, 2.0))
        else:
            yield f"{key} {a}"
    yield f"root {count - 1}"


def shuffled_sum(source: Random, count: int) -> Iterator[str]:
    """Products with one leaf, made in one order and added in another."""
    yield line("leaf", 0.77)
    for _ in range(count):
        yield line("mul_number", 0, source.uniform(-1.0, 1.0))
    order = list(range(1, count + 1))
    source.shuffle(order)
    yield "sum " + " ".join(map(str, order))
    yield f"root {count + 1}"


def deep(count: int, to_the_right: bool = False) -> Iterator[str]:
    """A chain that no call stack should be asked to hold: each node has the one before as a child."""
    yield line("leaf", 0.5)
    yield line("leaf", 0.999)
    for i in range(count):
        key, other = ("mul", 1) if i % 2 else ("add", 0)
        yield f"{key} {other} {i + 1}" if to_the_right else f"{key} {i + 1} {other}"
    yield f"root {count + 1}"
