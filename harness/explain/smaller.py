"""Requests that are smaller than a given one by one step, the largest steps first.

Every one of them is a good request: the reference answers it. Which of them still fail is the business of
`search.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from conformance.cases.case import Matrices, config_lines, line, matrix_lines
from conformance.messages import Request
from harness.explain.blocks import config_of, numbers_of
from reference.microgpt import Config, causal

NODE = re.compile(r"(?<= )[0-9]{1,6}\b")
NUMBER = re.compile(r"(?<= )[0-9a-f]{16}\b")
PLAIN = ("0000000000000000", "3ff0000000000000")
DRAWS = ("words", "random", "gauss", "shuffle", "choices")
UPDATED = ("parameters", "gradients", "m", "v")
LISTS = ("arith", "math", "random", "tokens")
SHAPED = ("layers", "heads", "embedding", "block", "vocabulary", "activation", "attend", "math")


def smaller(request: Request) -> Iterator[Request]:
    """Each smaller by one step: so many in all that every search ends."""
    rule = {"graph": _graphs, "adam": _updates, "run": _runs}.get(request.verb)
    if rule is not None:
        yield from rule(request)
    elif (model := Model.of(request)) is not None:
        yield from (smaller_model.request(request) for smaller_model in model.smaller())
    elif request.verb in LISTS:
        yield from _fewer_lines(request, fixed=("math", "seed"))
        yield from _shorter_lines(request)


def _with(request: Request, lines: Sequence[str]) -> Request:
    return replace(request, lines=tuple(lines), raw=b"")


def _fewer_lines(request: Request, fixed: Sequence[str]) -> Iterator[Request]:
    """Without a half, a quarter, ... a single one of the lines that are not fixed; one stays."""
    free = [i for i, text in enumerate(request.lines) if text.split(" ")[0] not in fixed]
    piece = len(free) // 2
    while piece:
        for start in range(0, len(free), piece):
            gone = set(free[start : start + piece])
            if len(gone) < len(free):
                yield _with(request, [text for i, text in enumerate(request.lines) if i not in gone])
        piece //= 2


def _shorter_lines(request: Request) -> Iterator[Request]:
    """With fewer values in the lines that take any number of them."""
    for i, text in enumerate(request.lines):
        key, *words = text.split(" ")
        if key in DRAWS and int(words[0]) > 1:
            for fewer in sorted({1, int(words[0]) // 2, int(words[0]) - 1}):
                drawn = line(key, fewer, *words[1:])
                yield _with(request, [*request.lines[:i], drawn, *request.lines[i + 1 :]])
        least = {"sum": 1, "line": 1, "choices": 2, "dot": 2}.get(key)
        if least is None:
            continue
        step = 2 if key == "dot" else 1
        piece = len(words) // 2 // step * step
        while piece:
            for start in range(least if key == "choices" else 0, len(words), piece):
                rest = words[:start] + words[start + piece :]
                if least <= len(rest) < len(words):
                    yield _with(request, [*request.lines[:i], line(key, *rest), *request.lines[i + 1 :]])
            piece = piece // 2 // step * step


# ---------------------------------------------------------------- graphs


def _graphs(request: Request) -> Iterator[Request]:
    """An earlier root, and nothing after it; then without a node; then plain leaves."""
    settings, *expressions, root = request.lines
    last = int(root.split(" ")[1])
    for end in sorted({0, last // 4, last // 2, last - 1, *range(max(0, last - 8), last)} - {last, -1}):
        yield _with(request, [settings, *expressions[: end + 1], f"root {end}"])
    if last + 1 < len(expressions):
        yield _with(request, [settings, *expressions[: last + 1], root])
    yield from without_a_node(request)
    for number, text in enumerate(request.lines):
        for plain in reversed(PLAIN):
            if text.startswith("leaf ") and text.split(" ")[1] not in PLAIN:
                yield _with(request, [*request.lines[:number], f"leaf {plain}", *request.lines[number + 1 :]])


def without_a_node(request: Request) -> Iterator[Request]:
    """For each node, the graph in which its first child stands in its place; a leaf must not be in use."""
    settings, *expressions = request.lines
    for gone in reversed(range(len(expressions) - 1)):
        first = NODE.search(expressions[gone])
        in_use = any(int(n) == gone for text in expressions for n in NODE.findall(text))
        if first is None and in_use:
            continue
        child = int(first[0]) if first else 0

        def renumbered(match: re.Match[str], gone: int = gone, child: int = child) -> str:
            node = int(match[0])
            return str(child if node == gone else node - (node > gone))

        kept = (text for number, text in enumerate(expressions) if number != gone)
        yield replace(request, lines=(settings, *(NODE.sub(renumbered, text) for text in kept)))


# ---------------------------------------------------------------- updates and runs


def _updates(request: Request) -> Iterator[Request]:
    """One number of each tensor; an earlier step."""
    head = [text for text in request.lines if text.split(" ")[0] not in ("tensor", "row")]
    numbers = numbers_of(request.lines)
    given = {name: [x for row in numbers[name] for x in row] for name in UPDATED}
    count = len(given["m"])
    parts = [range(0, count // 2), range(count // 2, count)] if count > 1 else []
    for part in parts:
        tensors = matrix_lines({name: [[its[i] for i in part]] for name, its in given.items()})
        yield _with(request, [*head, *tensors])
    for name in given:
        plain = {key: [[0.0] * count] if key == name else [its] for key, its in given.items()}
        if any(x.hex() != (0.0).hex() for x in given[name]):
            yield _with(request, [*head, *matrix_lines(plain)])


def _runs(request: Request) -> Iterator[Request]:
    """Fewer steps, fewer samples, fewer and shorter lines."""
    for key, least in (("steps", 1), ("samples", 0)):
        number, text = next((i, text) for i, text in enumerate(request.lines) if text.startswith(f"{key} "))
        value = int(text.split(" ")[1])
        for fewer in sorted({least, least + 1, value // 2, value - 1} & set(range(least, value))):
            yield _with(request, [*request.lines[:number], f"{key} {fewer}", *request.lines[number + 1 :]])
    yield from _fewer_lines(request, fixed=("math", "preset", "steps", "samples"))
    yield from _shorter_lines(request)


# ---------------------------------------------------------------- models


@dataclass(frozen=True)
class Model:
    """A request about a model: its shape, its documents, its matrices, and the lines between and after
    them.
    """

    config: Config
    between: tuple[str, ...]  # after the shape, before documents and matrices
    documents: tuple[tuple[int, ...], ...]
    matrices: Matrices
    after: tuple[str, ...]

    @staticmethod
    def of(request: Request) -> Model | None:
        """The request taken apart; None if it is not about a model."""
        config = config_of(request)
        if config is None:
            return None
        numbers = numbers_of(request.lines)
        matrices = {name: numbers[name] for name, _, _ in config.matrices() if name in numbers}
        if len(matrices) < len(config.matrices()) or any(name.startswith("m.") for name in numbers):
            return None
        rest = [
            text for text in request.lines if text.split(" ")[0] not in (*SHAPED, "tensor", "row", "tokens")
        ]
        after = tuple(text for text in rest if text.split(" ")[0] in ("state", "kept"))
        documents = (text.split(" ")[1:] for text in request.lines if text.startswith("tokens "))
        return Model(
            config,
            tuple(text for text in rest if text not in after),
            tuple(tuple(map(int, words)) for words in documents),
            matrices,
            after,
        )

    def request(self, like: Request) -> Request:
        lines = [
            *config_lines(self.config),
            *self.between,
            *(line("tokens", *tokens) for tokens in self.documents),
            *matrix_lines(self.matrices),
            *self.after,
        ]
        return _with(like, lines)

    def smaller(self) -> Iterator[Model]:
        yield from self._shorter()
        c = self.config
        for layers in sorted({1, c.layers - 1} & set(range(1, c.layers))):
            yield self._shaped(layers=layers)
        if c.layers > 1:
            yield self._last_layer()
        for positions in sorted({1, 2, c.block // 2, c.block - 1} & set(range(1, c.block))):
            yield self._shaped(block=positions, attention=c.attention[:positions])
        if c.heads > 1:
            yield self._shaped(heads=1)
        for embedding in sorted({c.heads, 2 * c.heads, c.embedding // 2}):
            if 0 < embedding < c.embedding and embedding % c.heads == 0:
                yield self._shaped(embedding=embedding)
        used = max((token for tokens in self.documents for token in tokens), default=1)
        for vocabulary in sorted({2, used + 1, c.vocabulary // 2} & set(range(2, c.vocabulary))):
            yield self._shaped(vocabulary=vocabulary)
        if c.attention != causal(c.block):
            yield self._shaped(attention=causal(c.block))
        if c.activation != "relu":
            yield self._shaped(activation="relu")
        yield from self._plainer()

    def _shorter(self) -> Iterator[Model]:
        if len(self.documents) > 1:
            for i in range(len(self.documents)):
                yield replace(self, documents=(self.documents[i],))
        for i, tokens in enumerate(self.documents):
            for length in sorted({2, 3, len(tokens) // 2, len(tokens) - 1} & set(range(2, len(tokens)))):
                yield replace(
                    self, documents=(*self.documents[:i], tokens[:length], *self.documents[i + 1 :])
                )
        for i, text in enumerate(self.between):
            key, _, value = text.partition(" ")
            if key in ("count", "samples", "full") and value.isdigit() and int(value) > 1:
                fewer = f"{key} {1 if key == 'full' else int(value) // 2}"
                if key != "full":
                    between = (*self.between[:i], fewer, *self.between[i + 1 :])
                    none_in_full = ("full" if t.startswith("full ") else t for t in between)
                    yield replace(self, between=tuple(none_in_full))

    def _shaped(self, **changes: object) -> Model:
        """Another shape: matrices are cut to it, tokens taken modulo the vocabulary."""
        config = replace(self.config, **changes)  # type: ignore[arg-type]
        matrices = {
            name: [row[:columns] for row in self.matrices[name][:rows]]
            for name, rows, columns in config.matrices()
        }
        documents = tuple(tuple(token % config.vocabulary for token in tokens) for tokens in self.documents)
        return replace(self, config=config, matrices=matrices, documents=documents)

    def _last_layer(self) -> Model:
        last = f"layer{self.config.layers - 1}."
        config = replace(self.config, layers=1)
        matrices = {name: self.matrices[name.replace("layer0.", last)] for name, _, _ in config.matrices()}
        return replace(self, config=config, matrices=matrices)

    def _plainer(self) -> Iterator[Model]:
        """One matrix of zeros, or rounded to sixteenths."""
        for name, rows in self.matrices.items():
            for form in (_zero, _sixteenths):
                plain = [[form(x) for x in row] for row in rows]
                if plain != rows:
                    yield replace(self, matrices={**self.matrices, name: plain})


def _zero(x: float) -> float:
    return 0.0


def _sixteenths(x: float) -> float:
    return round(16.0 * x) / 16.0 if abs(x) < 1e6 else 1.0
