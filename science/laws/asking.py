"""Asks a program through the protocol, and reads its replies as numbers.

A law asks through an Asker and never sees requests. Whatever cannot be read, a refusal included, raises
NoAnswer, which breaks the law that asked.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from conformance.messages import Reply, Request
from reference.protocol.wire import hexadecimal

Answer = Callable[[Request], Reply]
CHECKSUMS: tuple[str, ...] = ("gradients", "m", "v", "parameters")
DOUBLE = re.compile(r"[0-9a-f]{16}")
Rows = list[list[float]]
Tensors = dict[str, Rows]


class NoAnswer(Exception):
    """The program refused a good request, or answered something that cannot be read."""


@dataclass(frozen=True)
class Shape:
    """What a model has before its parameters. Without a table of its own, attention is causal."""

    layers: int
    heads: int
    embedding: int
    block: int
    vocabulary: int
    activation: str = "relu"
    attention: tuple[tuple[int, ...], ...] = ()

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of every matrix, in SPEC's order (section 6)."""
        e = self.embedding
        found = {"wte": (self.vocabulary, e), "wpe": (self.block, e), "lm_head": (self.vocabulary, e)}
        for layer in range(self.layers):
            found |= {f"layer{layer}.attn_{part}": (e, e) for part in ("wq", "wk", "wv", "wo")}
            found |= {f"layer{layer}.mlp_fc1": (4 * e, e), f"layer{layer}.mlp_fc2": (e, 4 * e)}
        return found

    def lines(self, math: str) -> list[str]:
        table = self.attention or tuple(tuple(range(t + 1)) for t in range(self.block))
        return [
            *(f"math {math}", f"layers {self.layers}", f"heads {self.heads}", f"embedding {self.embedding}"),
            *(f"block {self.block}", f"vocabulary {self.vocabulary}", f"activation {self.activation}"),
            *(f"attend {' '.join(map(str, listed))}" for listed in table),
        ]


@dataclass(frozen=True)
class Model(Shape):
    """A shape with its parameters. tensors: name -> rows x columns, as `matrices` lists them."""

    tensors: Tensors = field(kw_only=True)

    @staticmethod
    def of(shape: Shape, tensors: Tensors) -> Model:
        return Model(**vars(shape), tensors=tensors)


@dataclass(frozen=True)
class Step:
    """What `train` says of one step."""

    loss: float
    checksums: dict[str, str]
    tensors: Tensors


@dataclass(frozen=True)
class Sample:
    """What `sample` says of one sample: its tokens, and the probabilities that each was drawn from."""

    tokens: list[int]
    probabilities: Rows


@dataclass(frozen=True)
class Run:
    """What `run` says: the printed lines, the checksums at the end, and the generator's next word."""

    printed: list[str]
    checksums: dict[str, str]
    word: int


@dataclass
class Asker:
    """One program under question. math: `exact` or `native`. requests: how many were asked.

    A question is asked once, unless a law says forget(): most laws look at the same few models.
    """

    answer: Answer
    math: str = "exact"
    requests: int = 0
    _known: dict[tuple[str, ...], Reply] = field(default_factory=dict, repr=False)

    def forget(self) -> None:
        self._known.clear()

    def ask(self, verb: str, lines: Iterable[str]) -> list[list[str]]:
        """The reply's lines, as words. Raises NoAnswer."""
        asked = (verb, *lines)
        if asked not in self._known:
            self.requests += 1
            self._known[asked] = self.answer(Request(verb, f"law{self.requests}", asked[1:]))
        reply = self._known[asked]
        if not reply.ok:
            raise NoAnswer(f"{verb} was refused: {reply.reason}")
        return [line.split(" ") for line in reply.lines]

    def refused(self, verb: str, lines: Iterable[str]) -> bool:
        """Whether the request gets an error for its answer."""
        try:
            self.ask(verb, lines)
        except NoAnswer:
            return True
        return False

    def values(self, verb: str, lines: Sequence[str], *, math: bool = False) -> list[list[float]]:
        """The doubles of each line of the reply."""
        head = [f"math {self.math}"] if math else []
        return [doubles(words[1:]) for words in self.ask(verb, [*head, *lines])]

    def function(self, name: str, arguments: Iterable[Sequence[float]]) -> list[float]:
        lines = [f"{name} {words(each)}" for each in arguments]
        return [value for [value] in self.values("math", lines, math=True)]

    def arithmetic(self, operation: str, arguments: Iterable[Sequence[float]]) -> list[float]:
        return [
            value for [value] in self.values("arith", [f"{operation} {words(each)}" for each in arguments])
        ]

    def draws(self, seed: int, *lines: str) -> list[list[str]]:
        """The words of each line of `random`, its key left out."""
        return [line[1:] for line in self.ask("random", [f"math {self.math}", f"seed {seed}", *lines])]

    def tokens(self, documents: Sequence[str]) -> dict[str, list[list[int]]]:
        """Every line of the reply of `tokens`, by key."""
        found: dict[str, list[list[int]]] = {}
        for line in self.ask("tokens", text_lines(documents)):
            found.setdefault(line[0], []).append(integers(line[1:]))
        return found

    def graph(self, expressions: Sequence[str], root: int) -> tuple[list[float], list[float]]:
        """Value and gradient of every expression."""
        found = self.values("graph", [*expressions, f"root {root}"], math=True)
        values = [row[0] for row in found if row]
        return values[: len(expressions)], values[len(expressions) :]

    def forward(self, model: Model, document: Sequence[int]) -> Tensors:
        return tensors(self.ask("forward", self.model_request(model, document)))

    def loss(self, model: Model, document: Sequence[int]) -> float:
        return self.forward(model, document)["loss"][0][0]

    def backward(self, model: Model, document: Sequence[int]) -> Tensors:
        return tensors(self.ask("backward", self.model_request(model, document)))

    def model_request(self, model: Model, document: Sequence[int]) -> list[str]:
        """The lines of `forward` and of `backward`."""
        return [*model.lines(self.math), f"tokens {' '.join(map(str, document))}", *written(model.tensors)]

    def adam(self, settings: Sequence[str], given: Tensors) -> Tensors:
        return tensors(self.ask("adam", [f"math {self.math}", *settings, *written(given)]))

    def train(
        self, model: Model, settings: Sequence[str], documents: Sequence[Sequence[int]], moments: Tensors
    ) -> list[Step]:
        """settings: the lines from `learning_rate` to `full`."""
        lines = [*model.lines(self.math), *settings]
        lines += [f"tokens {' '.join(map(str, document))}" for document in documents]
        found: list[list[list[str]]] = []
        for line in self.ask("train", [*lines, *written(model.tensors), *written(moments)]):
            if line[0] == "step":
                found.append([])
            found[-1].append(line)
        return [_step(lines) for lines in found]

    def sample(
        self, model: Model, temperature: float, samples: int, state: Sequence[str]
    ) -> tuple[list[Sample], int]:
        """The samples, and the generator's next word. state: the lines `state` and `kept`."""
        lines = [*model.lines(self.math), f"temperature {hexadecimal(temperature)}", f"samples {samples}"]
        found: list[Sample] = []
        word = 0
        for line in self.ask("sample", [*lines, *written(model.tensors), *state]):
            if line[0] == "sample":
                found.append(Sample([], []))
            elif line[0] == "probabilities":
                found[-1].probabilities.append(doubles(line[1:]))
            elif line[0] == "token":
                found[-1].tokens.extend(integers(line[1:]))
            else:
                [word] = integers(line[1:])
        return found, word

    def run(self, preset: str, steps: int, samples: int, documents: Sequence[str]) -> Run:
        settings = [f"math {self.math}", f"preset {preset}", f"steps {steps}", f"samples {samples}"]
        found = self.ask("run", [*settings, *text_lines(documents)])
        printed = ["".join(map(chr, integers(line[1:]))) for line in found if line[0] == "print"]
        plain = {line[0]: line[1:] for line in found if line[0] != "print"}
        sums = {name: " ".join(plain[name]) for name in CHECKSUMS if name in plain}
        return Run(printed, sums, integers(plain["word"])[0])

    def state(self, seed: int, *before: str) -> list[str]:
        """The lines `state` and `kept` of a generator."""
        *_, state, kept = self.ask("random", [f"math {self.math}", f"seed {seed}", *before, "state"])
        return [" ".join(state), " ".join(kept)]


def _step(lines: list[list[str]]) -> Step:
    plain = {line[0]: line[1:] for line in lines if line[0] not in ("tensor", "row")}
    sums: dict[str, str] = {name: " ".join(plain[name]) for name in CHECKSUMS if name in plain}
    return Step(doubles(plain["loss"])[0], sums, tensors(lines))


def tensors(lines: Iterable[Sequence[str]]) -> Tensors:
    """Every tensor of a reply; a line with doubles and no tensor is a tensor of one row, by its key."""
    found: Tensors = {}
    rows: Rows = []
    for line in lines:
        if line[0] == "tensor":
            rows = found.setdefault(line[1], [])
        elif line[0] == "row":
            rows.append(doubles(line[1:]))
        elif len(line) == 2 and len(line[1]) == 16:
            found[line[0]] = [doubles(line[1:])]
    return found


def written(given: Tensors) -> list[str]:
    lines = []
    for name, rows in given.items():
        lines.append(f"tensor {name} {len(rows)} {len(rows[0])}")
        lines += [f"row {words(row)}" for row in rows]
    return lines


def text_lines(documents: Iterable[str]) -> list[str]:
    return [" ".join(["line", *map(str, map(ord, one))]) for one in documents]


def words(values: Iterable[float]) -> str:
    return " ".join(map(hexadecimal, values))


def doubles(found: Iterable[str]) -> list[float]:
    """Raises NoAnswer for what is no double: 16 lower-case hex digits."""
    read: list[float] = []
    for word in found:
        if not DOUBLE.fullmatch(word):
            raise NoAnswer(f"{word[:60]!r} is no double: 16 lower-case hex digits")
        read += struct.unpack(">d", bytes.fromhex(word))
    return read


def integers(found: Iterable[str]) -> list[int]:
    try:
        return [int(word) for word in found]
    except ValueError:
        raise NoAnswer(f"{' '.join(found)[:60]!r} is no list of integers") from None
