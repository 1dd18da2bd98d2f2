"""The whole of a GPT in one file: tokenizer, autograd, model, loss, Adam, training and sampling.

This is the reference that every port is measured against, so two things matter beyond reading well. Each
number is a Python float, and `exp log sin cos pow` come from `exactmath`, where they are correctly rounded:
the same bits on every machine. And each order is fixed: children are tuples, sums run from the left,
gradients accumulate in one stated order.

Not here: reading files, saving models, the command line (`commands.py`) and the protocol of the ports
(`protocol/`). After Andrej Karpathy's microgpt. The words of section and step are those of
`conformance/SPEC.md`.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import copysign, inf, nan, sqrt

from reference import exactmath, nativemath

FUNCTIONS = {"exact": exactmath, "native": nativemath}
maths = exactmath  # where exp, log, sin, cos and pow come from: `use_math` changes it

PI = 3.141592653589793
WHITE_SPACE = "\t\n\v\f\r "
MOST_CHARACTERS = 2047  # distinct ones, of all documents


def use_math(kind: str) -> None:
    """Take exp, log, sin, cos and pow from `exactmath` ("exact") or from Python's own library ("native")."""
    global maths
    maths = FUNCTIONS[kind]


def divide(a: float, b: float) -> float:
    """a / b as IEEE 754 has it, where Python raises: x/0 is an infinity, 0/0 is NaN."""
    if b != 0.0:
        return a / b
    if a == 0.0 or a != a:
        return nan
    return copysign(inf, a) * copysign(1.0, b)


# ---------------------------------------------------------------- random numbers


class Generator(random.Random):
    """Python's Mersenne Twister. Only `gauss` is our own, because Python's goes through the C library."""

    gauss_next: float | None

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """A normal number by Box and Muller, who make two at a time: the second is kept for the next call."""
        z, self.gauss_next = self.gauss_next, None
        if z is None:
            angle = self.random() * (2.0 * PI)
            radius = sqrt(-2.0 * maths.log(1.0 - self.random()))
            z = maths.cos(angle) * radius
            self.gauss_next = maths.sin(angle) * radius
        return mu + z * sigma


# ---------------------------------------------------------------- tokenizer


@dataclass(frozen=True)
class Tokenizer:
    """Each distinct character is a token, by code point; one more, BOS, stands around a document."""

    characters: tuple[str, ...]

    @staticmethod
    def of(documents: Iterable[str]) -> "Tokenizer":
        return Tokenizer(tuple(sorted({character: None for document in documents for character in document})))

    @property
    def bos(self) -> int:
        return len(self.characters)

    @property
    def vocabulary(self) -> int:
        return len(self.characters) + 1

    def encode(self, document: str) -> list[int]:
        return [self.bos, *(self.characters.index(character) for character in document), self.bos]

    def decode(self, tokens: Iterable[int]) -> str:
        return "".join(self.characters[token] for token in tokens)


def documents_of(lines: Iterable[str]) -> list[str]:
    """The stripped lines that are not empty."""
    stripped = (line.strip(WHITE_SPACE) for line in lines)
    return [line for line in stripped if line]


# ---------------------------------------------------------------- autograd


class Value:
    """One number of the computation, and how the loss changes with it."""

    __slots__ = ("data", "grad", "children", "local_grads", "visited")

    def __init__(
        self, data: float, children: tuple["Value", ...] = (), local_grads: tuple[float, ...] = ()
    ) -> None:
        self.data = data
        self.grad = 0.0
        self.children = children
        self.local_grads = local_grads  # the derivative of this node by each child
        self.visited = False

    def __add__(self, other: "Value | float") -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other: "Value | float") -> "Value":
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: float) -> "Value":
        slope = exponent * maths.pow(self.data, exponent - 1.0)
        return Value(maths.pow(self.data, exponent), (self,), (slope,))

    def log(self) -> "Value":
        return Value(maths.log(self.data), (self,), (divide(1.0, self.data),))

    def exp(self) -> "Value":
        result = maths.exp(self.data)
        return Value(result, (self,), (result,))

    def relu(self) -> "Value":
        positive = self.data > 0.0
        return Value(self.data if positive else 0.0, (self,), (1.0 if positive else 0.0,))

    def __neg__(self) -> "Value":
        return self * -1.0

    def __radd__(self, other: float) -> "Value":
        return self + other

    def __sub__(self, other: "Value | float") -> "Value":
        return self + (-other)

    def __rsub__(self, other: float) -> "Value":
        return (-self) + other

    def __rmul__(self, other: float) -> "Value":
        return self * other

    def __truediv__(self, other: "Value | float") -> "Value":
        return self * (other**-1.0 if isinstance(other, Value) else maths.pow(other, -1.0))

    def __rtruediv__(self, other: float) -> "Value":
        return self**-1.0 * other

    def backward(self) -> None:
        """Add to the gradient of every node below the derivative of this node by it.

        The order is the reverse of the depth-first post-order, children from left to right. An explicit
        stack takes the place of recursion, since a long document makes a deep graph.
        """
        order = []
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
        self.grad = 1.0
        for node in reversed(order):
            node.visited = False
            for child, local_grad in zip(node.children, node.local_grads, strict=True):
                child.grad += local_grad * node.grad


def add_up(values: Iterable[Value]) -> Value:
    """The sum from the left. It starts with the node x0 + 0."""
    first, *rest = values
    total = first + 0.0
    for value in rest:
        total = total + value
    return total


# ---------------------------------------------------------------- model

Vector = list[Value]
Matrix = list[Vector]
Parameters = dict[str, Matrix]
Record = Callable[[str, Vector], None]


def nothing(name: str, values: Vector) -> None:
    """The record of somebody who only wants the result."""


def causal(block: int) -> tuple[tuple[int, ...], ...]:
    """The full attention table: every position attends to all up to itself."""
    return tuple(tuple(range(position + 1)) for position in range(block))


@dataclass(frozen=True)
class Config:
    """The shape of a model. `attention[t]` lists the positions to which position t attends."""

    layers: int
    heads: int
    embedding: int
    block: int
    vocabulary: int
    activation: str  # "relu" or "squared_relu"
    attention: tuple[tuple[int, ...], ...]

    def matrices(self) -> list[tuple[str, int, int]]:
        """Name, rows and columns of every parameter matrix, in order."""
        e = self.embedding
        shapes = [("wte", self.vocabulary, e), ("wpe", self.block, e), ("lm_head", self.vocabulary, e)]
        for i in range(self.layers):
            shapes += [(f"layer{i}.attn_{name}", e, e) for name in ("wq", "wk", "wv", "wo")]
            shapes += [(f"layer{i}.mlp_fc1", 4 * e, e), (f"layer{i}.mlp_fc2", e, 4 * e)]
        return shapes


def flatten(parameters: Parameters) -> Vector:
    return [value for matrix in parameters.values() for row in matrix for value in row]


def linear(x: Vector, weights: Matrix) -> Vector:
    return [add_up(w * xi for w, xi in zip(row, x, strict=True)) for row in weights]


def rmsnorm(x: Vector) -> Vector:
    """x over its root mean square; no gain. After Zhang and Sennrich, 2019."""
    mean_square = add_up(xi * xi for xi in x) / float(len(x))
    scale = (mean_square + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def softmax(logits: Vector) -> Vector:
    """Shifted by the greatest logit, a constant, so that exp never overflows."""
    top = max(logit.data for logit in logits)
    exps = [(logit - top).exp() for logit in logits]
    total = add_up(exps)
    return [e / total for e in exps]


ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "relu": lambda x: x.relu(),
    "squared_relu": lambda x: x.relu() ** 2.0,
}


@dataclass
class Cache:
    """The keys and values of one layer, one entry for each position so far."""

    keys: list[Vector]
    values: list[Vector]


def empty_caches(config: Config) -> list[Cache]:
    return [Cache([], []) for _ in range(config.layers)]


def gpt(
    config: Config,
    parameters: Parameters,
    token: int,
    position: int,
    caches: list[Cache],
    record: Record = nothing,
) -> Vector:
    """The logits for what follows `token` at `position`. The caches grow by this position.

    `record` is called with the name and the values of every intermediate result, in order.
    """
    x = [t + p for t, p in zip(parameters["wte"][token], parameters["wpe"][position], strict=True)]
    record("embedded", x)
    x = rmsnorm(x)
    record("normed", x)
    for i in range(config.layers):
        layer = f"layer{i}"
        residual, x = x, rmsnorm(x)
        record(f"{layer}.attn_norm", x)
        q, k, v = (linear(x, parameters[f"{layer}.attn_w{name}"]) for name in "qkv")
        record(f"{layer}.q", q)
        record(f"{layer}.k", k)
        record(f"{layer}.v", v)
        caches[i].keys.append(k)
        caches[i].values.append(v)
        x = attend(config, q, caches[i], config.attention[position], layer, record)
        x = linear(x, parameters[f"{layer}.attn_wo"])
        record(f"{layer}.attn_out", x)
        x = [a + b for a, b in zip(x, residual, strict=True)]
        record(f"{layer}.attn_residual", x)

        residual, x = x, rmsnorm(x)
        record(f"{layer}.mlp_norm", x)
        x = linear(x, parameters[f"{layer}.mlp_fc1"])
        record(f"{layer}.hidden", x)
        x = [ACTIVATIONS[config.activation](xi) for xi in x]
        record(f"{layer}.activated", x)
        x = linear(x, parameters[f"{layer}.mlp_fc2"])
        record(f"{layer}.mlp_out", x)
        x = [a + b for a, b in zip(x, residual, strict=True)]
        record(f"{layer}.mlp_residual", x)
    logits = linear(x, parameters["lm_head"])
    record("logits", logits)
    return logits


def attend(
    config: Config, q: Vector, cache: Cache, positions: Sequence[int], layer: str, record: Record
) -> Vector:
    """Multi-head attention of the query q to the cached positions; the heads' results side by side."""
    size = config.embedding // config.heads
    result = []
    for head in range(config.heads):
        part = slice(head * size, (head + 1) * size)
        q_head = q[part]
        keys = [cache.keys[p][part] for p in positions]
        values = [cache.values[p][part] for p in positions]
        products = [add_up(a * b for a, b in zip(q_head, key, strict=True)) for key in keys]
        scores = [product / maths.pow(float(size), 0.5) for product in products]
        record(f"{layer}.head{head}.scores", scores)
        weights = softmax(scores)
        record(f"{layer}.head{head}.weights", weights)
        mixed = [add_up(w * value[j] for w, value in zip(weights, values, strict=True)) for j in range(size)]
        record(f"{layer}.head{head}.mixed", mixed)
        result += mixed
    return result


def document_loss(
    config: Config, parameters: Parameters, tokens: Sequence[int], record: Record = nothing
) -> Value:
    """The mean over a document's positions of -log p(next token)."""
    count = min(config.block, len(tokens) - 1)
    caches = empty_caches(config)
    losses = []
    for position in range(count):

        def note(name: str, values: Vector, prefix: str = f"pos{position}.") -> None:
            record(prefix + name, values)

        logits = gpt(config, parameters, tokens[position], position, caches, note)
        probabilities = softmax(logits)
        note("probabilities", probabilities)
        loss = -probabilities[tokens[position + 1]].log()
        note("loss", [loss])
        losses.append(loss)
    return (1.0 / count) * add_up(losses)


# ---------------------------------------------------------------- training


@dataclass(frozen=True)
class Optimizer:
    """Adam (Kingma and Ba, 2015) with a learning rate that falls over `steps` steps."""

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    schedule: str  # "linear" or "cosine"
    steps: int

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        s, n = float(step), float(self.steps)
        if self.schedule == "linear":
            return self.learning_rate * (1.0 - s / n)
        return (self.learning_rate * 0.5) * (1.0 + maths.cos((PI * s) / n))

    def corrections(self, step: int) -> tuple[float, float]:
        """What m and v are divided by, because they started at zero."""
        return 1.0 - maths.pow(self.beta1, step + 1.0), 1.0 - maths.pow(self.beta2, step + 1.0)

    def update(
        self, step: int, ps: Iterable[float], gs: Iterable[float], ms: Iterable[float], vs: Iterable[float]
    ) -> Iterator[tuple[float, float, float]]:
        """The new p, m and v of every parameter, from p, its gradient, m and v."""
        rate = self.rate(step)
        correction1, correction2 = self.corrections(step)
        for p, g, m, v in zip(ps, gs, ms, vs, strict=True):
            m = self.beta1 * m + (1.0 - self.beta1) * g
            v = self.beta2 * v + (1.0 - self.beta2) * maths.pow(g, 2.0)
            m_hat = divide(m, correction1)
            v_hat = divide(v, correction2)
            yield p - divide(rate * m_hat, maths.pow(v_hat, 0.5) + self.epsilon), m, v


@dataclass
class Training:
    """A training under way: parameters, Adam's moments (in the order of `flatten`) and the next step."""

    config: Config
    optimizer: Optimizer
    parameters: Parameters
    m: list[float]
    v: list[float]
    step: int = 0

    @staticmethod
    def start(config: Config, optimizer: Optimizer, parameters: Parameters) -> "Training":
        count = len(flatten(parameters))
        return Training(config, optimizer, parameters, [0.0] * count, [0.0] * count)

    def advance(self, tokens: Sequence[int]) -> tuple[float, list[float]]:
        """One step on one document: the loss before the update, and the gradient of each parameter."""
        values = flatten(self.parameters)
        for value in values:
            value.grad = 0.0
        loss = document_loss(self.config, self.parameters, tokens)
        loss.backward()
        gradients = [value.grad for value in values]
        updated = self.optimizer.update(
            self.step, (value.data for value in values), gradients, self.m, self.v
        )
        for i, (value, (p, m, v)) in enumerate(zip(values, updated, strict=True)):
            value.data, self.m[i], self.v[i] = p, m, v
        self.step += 1
        return loss.data, gradients


# ---------------------------------------------------------------- sampling

Draw = Callable[[list[float], int], None]


def sample(
    config: Config,
    parameters: Parameters,
    temperature: float,
    generator: random.Random,
    watch: Draw = lambda probabilities, token: None,
) -> list[int]:
    """Draw tokens until BOS or the end of the block. `watch` sees the probabilities and the token of each
    draw.

    Raises ValueError if the probabilities are not finite.
    """
    bos = config.vocabulary - 1
    caches = empty_caches(config)
    token, tokens = bos, []
    for position in range(config.block):
        logits = gpt(config, parameters, token, position, caches)
        probabilities = [p.data for p in softmax([logit / temperature for logit in logits])]
        [token] = generator.choices(range(config.vocabulary), weights=probabilities)
        watch(probabilities, token)
        if token == bos:
            break
        tokens.append(token)
    return tokens


# ---------------------------------------------------------------- a whole run


def four_decimals(x: float) -> str:
    """As a loss is printed: rounded once from the exact value, ties to even; also nan, inf, -inf, -0.0000."""
    return f"{x:.4f}"


@dataclass(frozen=True)
class Preset:
    """Everything about a run but its dataset. `config.vocabulary` is a placeholder until that is known."""

    config: Config
    optimizer: Optimizer
    sigma: float  # of the initial parameters
    output_sigma: float  # of attn_wo and mlp_fc2
    temperature: float = 0.5
    samples: int = 20


PRESETS = {
    "seed": Preset(
        Config(1, 4, 16, 8, 0, "squared_relu", causal(8)),
        Optimizer(0.01, 0.9, 0.95, 1e-8, "cosine", 500),
        sigma=0.02,
        output_sigma=0.0,
    ),
    "classic": Preset(
        Config(1, 4, 16, 16, 0, "relu", causal(16)),
        Optimizer(0.01, 0.85, 0.99, 1e-8, "linear", 1000),
        sigma=0.08,
        output_sigma=0.08,
    ),
}


def draw_parameters(preset: Preset, config: Config, generator: Generator) -> Parameters:
    """Normal numbers for every matrix in order. Those of sigma 0 are drawn too: the stream is the same."""

    def sigma(name: str) -> float:
        return preset.output_sigma if name.endswith(("attn_wo", "mlp_fc2")) else preset.sigma

    return {
        name: [[Value(generator.gauss(0.0, sigma(name))) for _ in range(columns)] for _ in range(rows)]
        for name, rows, columns in config.matrices()
    }


class Run:
    """From seed 42 to samples: shuffle, parameters and samples share one stream of random numbers."""

    def __init__(self, preset: Preset, lines: Iterable[str], seed: int = 42) -> None:
        """Raises ValueError if the lines hold no document."""
        self.preset = preset
        self.generator = Generator(seed)
        self.documents = documents_of(lines)
        if not self.documents:
            raise ValueError("the dataset has no documents: every line is empty")
        self.generator.shuffle(self.documents)
        self.tokenizer = Tokenizer.of(self.documents)
        config = replace(preset.config, vocabulary=self.tokenizer.vocabulary)
        parameters = draw_parameters(preset, config, self.generator)
        self.training = Training.start(config, preset.optimizer, parameters)

    def losses(self) -> Iterator[float]:
        """Train to the end, and give the loss of each step."""
        training = self.training
        while training.step < training.optimizer.steps:
            document = self.documents[training.step % len(self.documents)]
            yield training.advance(self.tokenizer.encode(document))[0]

    def sample(self) -> str:
        training = self.training
        return self.tokenizer.decode(
            sample(training.config, training.parameters, self.preset.temperature, self.generator)
        )

    def text(self) -> Iterator[str]:
        """Do it all, and give each line of what the original program prints."""
        yield f"num docs: {len(self.documents)}"
        yield f"vocab size: {self.tokenizer.vocabulary}"
        yield f"num params: {len(flatten(self.training.parameters))}"
        steps = self.training.optimizer.steps
        for step, loss in enumerate(self.losses(), start=self.training.step + 1):
            yield f"step {step:4d} / {steps:4d} | loss {four_decimals(loss)}"
        yield ""
        yield "--- inference (new, hallucinated names) ---"
        for number in range(1, self.preset.samples + 1):
            yield f"sample {number:2d}: {self.sample()}"
