"""Where the nodes of a graph are drawn: in layers, children before parents.

After Sugiyama, Tagawa and Toda, 1981. The page that teaches has the same in JavaScript, number for number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

SWEEPS = 12
THIN = 0.35  # the width of an edge that passes a layer, where that of a node is 1

Lists = list[list[int]]
Place = tuple[int, float]


@dataclass(frozen=True)
class Layout:
    """`places` are (layer, position) of each node, positions in widths of a node, from 0.

    `edges` are, for each child of each node in order, the places that the edge passes, the child's first.
    """

    places: tuple[Place, ...]
    edges: tuple[tuple[Place, ...], ...]
    layers: int
    width: float


def layout(children: Sequence[Sequence[int]]) -> Layout:
    """`children[i]` lists the nodes below node i; all of them come before it."""
    level = _levels(children)
    layers: Lists = [[] for _ in range(max(level) + 1)]
    for i, at in enumerate(level):
        layers[at].append(i)
    below: Lists = [[] for _ in children]
    above: Lists = [[] for _ in children]
    paths = []
    for i, nodes in enumerate(children):
        for child in nodes:
            path = [child]
            for at in range(level[child] + 1, level[i]):
                path.append(len(level))
                layers[at].append(len(level))
                level.append(at)
                below.append([])
                above.append([])
            path.append(i)
            for low, high in zip(path, path[1:], strict=False):
                above[low].append(high)
                below[high].append(low)
            paths.append(path)
    layers = _ordered(layers, below, above)
    widths = [1.0 if i < len(children) else THIN for i in range(len(level))]
    positions = _positions(layers, below, above, widths)
    places = list(zip(level, positions, strict=True))
    edges = tuple(tuple(places[i] for i in path) for path in paths)
    return Layout(tuple(places[: len(children)]), edges, len(layers), max(positions) + 1.0)


def _levels(children: Sequence[Sequence[int]]) -> list[int]:
    """As early as the children allow; what has no children stands just before its first parent."""
    level: list[int] = []
    for nodes in children:
        level.append(max((level[child] + 1 for child in nodes), default=0))
    first = [inf] * len(children)
    for i, nodes in enumerate(children):
        for child in nodes:
            first[child] = min(first[child], level[i])
    return [
        int(first[i]) - 1 if not children[i] and first[i] < inf else level[i] for i in range(len(children))
    ]


def _sweep(layers: Lists, count: int) -> Iterator[list[int]]:
    """Sweep number `count` over the layers, up or down."""
    yield from layers if count % 2 == 0 else reversed(layers)


def _ordered(layers: Lists, below: Lists, above: Lists) -> Lists:
    """Each layer by the means of its neighbours' positions; the order with the fewest crossings stays."""
    at = [0] * len(below)
    for nodes in layers:
        for position, i in enumerate(nodes):
            at[i] = position
    best, fewest = [list(nodes) for nodes in layers], _crossings(layers, below, at)
    for count in range(SWEEPS):
        if fewest == 0:
            break
        neighbours = below if count % 2 == 0 else above
        for nodes in _sweep(layers, count):
            keys = {i: _mean([float(at[j]) for j in neighbours[i]], float(at[i])) for i in nodes}
            nodes.sort(key=lambda i: (keys[i], at[i]))
            for position, i in enumerate(nodes):
                at[i] = position
        found = _crossings(layers, below, at)
        if found < fewest:
            best, fewest = [list(nodes) for nodes in layers], found
    return best


def _mean(numbers: Sequence[float], otherwise: float) -> float:
    if not numbers:
        return otherwise
    total = 0.0
    for number in numbers:  # sum() of floats is another since Python 3.12
        total += number
    return total / len(numbers)


def _crossings(layers: Lists, below: Lists, at: Sequence[int]) -> int:
    count = 0
    for nodes in layers:
        edges = [(at[i], at[j]) for i in nodes for j in below[i]]
        for k, (a, b) in enumerate(edges):
            count += sum((a - c) * (b - d) < 0 for c, d in edges[k + 1 :])
    return count


def _positions(layers: Lists, below: Lists, above: Lists, widths: Sequence[float]) -> list[float]:
    """Each node at the mean of its neighbours, as near as the order and the widths allow; the least is 0."""
    positions = [0.0] * len(widths)
    for nodes in layers:
        _spread(nodes, [float(k) for k in range(len(nodes))], positions, widths)
    for count in range(SWEEPS):
        neighbours = below if count % 2 == 0 else above
        if count == SWEEPS - 1:
            neighbours = [a + b for a, b in zip(below, above, strict=True)]
        for nodes in _sweep(layers, count):
            wishes = [_mean([positions[j] for j in neighbours[i]], positions[i]) for i in nodes]
            _spread(nodes, wishes, positions, widths)
    least = min(positions)
    return [position - least for position in positions]


def _spread(
    nodes: Sequence[int], wishes: Sequence[float], positions: list[float], widths: Sequence[float]
) -> None:
    """The positions nearest to the wishes, by least squares, that keep the order: neighbours pool theirs."""
    offsets = [0.0]
    for left, right in zip(nodes, nodes[1:], strict=False):
        offsets.append(offsets[-1] + (widths[left] + widths[right]) / 2.0)
    pools: list[tuple[float, int]] = []  # the sum of the wishes, and how many
    for wish, offset in zip(wishes, offsets, strict=False):
        pools.append((wish - offset, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] > pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1] = (pools[-1][0] + total, pools[-1][1] + count)
    shares = [total / count for total, count in pools for _ in range(count)]
    for i, share, offset in zip(nodes, shares, offsets, strict=False):
        positions[i] = share + offset
