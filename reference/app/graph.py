"""`microgpt graph`: an expression step by step, forward and backward, and its graph as SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from reference.app import expression
from reference.app.expression import Graph
from reference.app.layout import layout
from reference.app.refusal import Refusal
from reference.microgpt import Value

WIDE, HIGH = 118, 62  # a box
PITCH = WIDE + 62, HIGH + 16
MARGIN = 10
SHIFT = 0.16  # of a box: where the edges of a first and a second child end
STYLE = """
svg { background: #fcfbf8; --paper: #fcfbf8; --ink: #1c1e22; --muted: #5a5f68; --line: #bdb8ac;
  --bar: #2f6f9f; --ok: #12603a }
@media (prefers-color-scheme: dark) {
  svg { background: #15171a; --paper: #1d2024; --ink: #e8e6e1; --muted: #a4a9b2; --line: #50555e;
    --bar: #6fb2e3; --ok: #83d9a6 }
}
text { font: 13px system-ui, sans-serif; fill: var(--ink) }
.end { text-anchor: end }
.name { font-weight: 600 }
.label { font-size: 11px; fill: var(--muted) }
.operation { font-size: 12px; fill: var(--muted) }
.grad { fill: var(--ok); font-weight: 600 }
rect { fill: var(--paper); stroke: var(--line); stroke-width: 1.5 }
.input rect { stroke: var(--bar) }
path { fill: none; stroke: var(--muted); stroke-width: 1.25 }
"""


def graph(options: Any) -> int:
    found = expression.read(options.expression)
    found.result.backward()
    print("\n".join(lines(found)))
    if options.svg is not None:
        try:
            options.svg.write_text(svg(found), encoding="utf-8", newline="\n")
        except OSError as problem:
            raise Refusal(f"cannot write the picture {options.svg}: {problem.strerror}") from None
    return 0


# ---------------------------------------------------------------- steps


@dataclass(frozen=True)
class Product:
    """One step of backward: child.grad += local * upstream, which makes it `after`."""

    node: Value
    child: Value
    local: float
    upstream: float
    after: float


def products(found: Graph) -> Iterator[Product]:
    """Every step of backward, in the order of the reference. Its gradients must have been computed."""
    grads = dict.fromkeys(found.nodes, 0.0)
    for node in reversed(found.nodes):
        for child, local in zip(node.children, node.local_grads, strict=True):
            grads[child] += local * node.grad
            yield Product(node, child, local, node.grad, grads[child])


def lines(found: Graph) -> Iterator[str]:
    """The steps as text."""
    result = found.name(found.result)
    yield "inputs"
    yield from (f"  {found.name(node)} = {node.data!r}" for node in found.inputs)
    yield "\nforward"
    for node in found.nodes:
        if node.children:
            names = made(found, node, [found.name(child) for child in node.children])
            numbers = made(found, node, [_factor(child.data) for child in node.children])
            yield f"  {found.name(node)} = {names} = {numbers} = {node.data!r}"
    yield "\nbackward: d/d(child) += local * upstream"
    yield f"  d{result}/d{result} = 1.0"
    for step in products(found):
        product = step.local * step.upstream
        total = "" if product == step.after else f", with what was there {step.after!r}"
        how = f"{_factor(step.local)} * {_factor(step.upstream)} = {product!r}{total}"
        child = found.name(step.child)
        yield f"  d/d{f'({child})' if found.is_constant(step.child) else child} += {how}"
    yield "\ngradients"
    yield from (f"  d{result}/d{found.name(node)} = {node.grad!r}" for node in found.inputs)


def made(found: Graph, node: Value, parts: Sequence[str]) -> str:
    """How a node is made, from the texts of its children: 'a + b', 'exp(a)'."""
    operation = found.operation(node)
    if operation in ("+", "*"):
        return f" {operation} ".join(parts)
    if operation.startswith("**"):
        return f"{parts[0]} {operation}"
    return f"{operation}({parts[0].strip('()')})"


def _factor(number: float) -> str:
    return f"({number!r})" if repr(number).startswith("-") else repr(number)


# ---------------------------------------------------------------- the picture


def svg(found: Graph) -> str:
    """The graph with all values and gradients. Constants stand in the boxes of the nodes that take them."""
    nodes = [node for node in found.nodes if not found.is_constant(node)]
    place = {node: i for i, node in enumerate(nodes)}
    children = [[place[child] for child in node.children if child in place] for node in nodes]
    drawn = layout(children)
    spots = [(layer * PITCH[0], position * PITCH[1]) for layer, position in drawn.places]
    width = (drawn.layers - 1) * PITCH[0] + WIDE + 2 * MARGIN
    height = (drawn.width - 1) * PITCH[1] + HIGH + 2 * MARGIN
    title = f"{found.name(found.result)} = {found.result.data!r}, a graph of {len(nodes)} nodes"
    edges = iter(drawn.edges)
    paths = [
        _path(next(edges), (SHIFT, -SHIFT)[k == 0] if len(below) == 2 else 0.0)
        for below in children
        for k in range(len(below))
    ]
    boxes = [_box(found, node, *spot) for node, spot in zip(nodes, spots, strict=True)]
    box = f"{-MARGIN} {-MARGIN} {width:g} {height:g}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" width="{width:g}" height="{height:g}">'
    return "\n".join(
        [head, f"<title>{title}</title>", f"<style>{STYLE}</style>", *paths, *boxes, "</svg>", ""]
    )


def _path(places: Sequence[tuple[int, float]], shift: float) -> str:
    """From the child's right side to the parent's left side, through the middle of what is passed."""
    last = len(places) - 1
    points = [
        (
            layer * PITCH[0] + (WIDE if k == 0 else 0 if k == last else WIDE / 2),
            position * PITCH[1] + HIGH * (0.5 + (shift if k == last else 0.0)),
        )
        for k, (layer, position) in enumerate(places)
    ]
    drawn = f"M{points[0][0]:g} {points[0][1]:g}"
    for (a, b), (x, y) in zip(points, points[1:], strict=False):
        drawn += f"C{(a + x) / 2:g} {b:g} {(a + x) / 2:g} {y:g} {x:g} {y:g}"
    return f'<path d="{drawn}"/>'


def _box(found: Graph, node: Value, x: float, y: float) -> str:
    constants = [child for child in node.children if found.is_constant(child)]
    operation = " ".join([found.operation(node), *(f"{child.data:.3g}" for child in constants)])
    kind = ' class="input"' if node in found.inputs else ""
    end = WIDE - 9
    return (
        f'<g{kind} transform="translate({x:g} {y:g})"><rect width="{WIDE}" height="{HIGH}" rx="7"/>'
        f'<text x="9" y="18" class="name">{found.name(node)}</text>'
        f'<text x="{end}" y="18" class="operation end">{operation}</text>'
        f'<text x="9" y="36" class="label">value</text>'
        f'<text x="{end}" y="36" class="end">{node.data:.5g}</text>'
        f'<text x="9" y="53" class="label">grad</text>'
        f'<text x="{end}" y="53" class="grad end">{node.grad:.5g}</text></g>'
    )
