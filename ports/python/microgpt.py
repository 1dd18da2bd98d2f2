"""microgpt: a small GPT with its own autograd, optimizer and random numbers (conformance/SPEC.md)."""

import random
from dataclasses import dataclass, replace
from itertools import chain
from math import sqrt

import exact
from graph import Node, Unary, add_up, divide, dot

PI = 3.141592653589793


class Refused(Exception):
    """What is wrong with the input, as a sentence."""


# Random numbers (section 3)


class Generator(random.Random):
    """Python's own Mersenne Twister, whose gauss would use the C library's functions."""

    def word(self):
        return self.getrandbits(32)

    def gauss(self, sigma):
        z, self.gauss_next = self.gauss_next, None
        if z is None:
            angle = self.random() * (2.0 * PI)
            radius = sqrt(-2.0 * exact.log(1.0 - self.random()))
            z = exact.cos(angle) * radius
            self.gauss_next = exact.sin(angle) * radius
        return 0.0 + z * sigma

    def choice(self, weights):
        try:
            return self.choices(range(len(weights)), weights)[0]
        except ValueError as error:
            raise Refused("the weights must have a finite sum above 0") from error


# Text (section 4)


def documents_of(lines):
    """The stripped lines that are not empty."""
    documents = [stripped for line in lines if (stripped := line.strip("\t\n\v\f\r "))]
    if not documents:
        raise Refused("the dataset has no documents: every line is empty")
    return documents


class Tokenizer:
    def __init__(self, documents):
        self.characters = sorted(set(chain.from_iterable(documents)))
        self.bos = len(self.characters)
        if self.bos > 2047:
            raise Refused(f"the dataset may have 2047 distinct characters, and it has {self.bos}")
        self.token = {character: token for token, character in enumerate(self.characters)}

    def encode(self, document):
        return [self.bos, *map(self.token.get, document), self.bos]

    def decode(self, tokens):
        return "".join(self.characters[token] for token in tokens if token != self.bos)


# The model (sections 6 and 7)


@dataclass(frozen=True)
class Shape:
    layers: int
    heads: int
    embedding: int
    block: int
    vocabulary: int
    squared: bool  # the activation
    attend: tuple  # for each position the positions that it attends to

    def matrices(self):
        """Name, rows and columns of each parameter matrix, in order."""
        e = self.embedding
        yield from (("wte", self.vocabulary, e), ("wpe", self.block, e), ("lm_head", self.vocabulary, e))
        for i in range(self.layers):
            for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
                yield f"layer{i}.{name}", e, e
            yield f"layer{i}.mlp_fc1", 4 * e, e
            yield f"layer{i}.mlp_fc2", e, 4 * e


def causal(block):
    return tuple(tuple(range(t + 1)) for t in range(block))


def linear(x, matrix):
    return [dot(row, x) for row in matrix]


def rmsnorm(x):
    scale = (dot(x, x) / float(len(x)) + 1e-5) ** -0.5
    return [node * scale for node in x]


def softmax(x):
    top = max(node.value for node in x)
    powers = [(node - top).exp() for node in x]
    total = add_up(powers)
    # A pow node for each division. They differ in nothing but their place.
    inverse, slope = exact.pow(total.value, -1.0), -1.0 * exact.pow(total.value, -2.0)
    return [power * Unary(inverse, total, slope) for power in powers]


def added(xs, ys):
    return [x + y for x, y in zip(xs, ys, strict=True)]


def unnoted(name, nodes):
    return nodes


class Model:
    def __init__(self, shape, values):
        """Takes an iterator over the values of all parameters, in order."""
        self.shape = shape
        self.matrices = {
            name: [[Node(next(values)) for _ in range(columns)] for _ in range(rows)]
            for name, rows, columns in shape.matrices()
        }
        self.parameters = [node for matrix in self.matrices.values() for row in matrix for node in row]

    def caches(self):
        """The keys and the values of each layer, one entry for each position so far."""
        return [([], []) for _ in range(self.shape.layers)]

    def logits(self, token, t, caches, note=unnoted):
        """What follows the token at position t. `note` is given each intermediate result, with its name."""
        x = note("embedded", added(self.matrices["wte"][token], self.matrices["wpe"][t]))
        x = note("normed", rmsnorm(x))
        for i, cache in enumerate(caches):

            def note_here(name, nodes, prefix=f"layer{i}."):
                return note(prefix + name, nodes)

            x = self.layer(i, x, t, cache, note_here)
        return note("logits", linear(x, self.matrices["lm_head"]))

    def layer(self, i, x, t, cache, note):
        def weights(name):
            return self.matrices[f"layer{i}.{name}"]

        keys, values = cache
        normed = note("attn_norm", rmsnorm(x))
        q = note("q", linear(normed, weights("attn_wq")))
        keys.append(note("k", linear(normed, weights("attn_wk"))))
        values.append(note("v", linear(normed, weights("attn_wv"))))
        mixed = self.attention(q, keys, values, self.shape.attend[t], note)
        x = note("attn_residual", added(note("attn_out", linear(mixed, weights("attn_wo"))), x))
        normed = note("mlp_norm", rmsnorm(x))
        active = [node.relu() for node in note("hidden", linear(normed, weights("mlp_fc1")))]
        if self.shape.squared:
            active = [node**2.0 for node in active]
        out = note("mlp_out", linear(note("activated", active), weights("mlp_fc2")))
        return note("mlp_residual", added(out, x))

    def attention(self, q, keys, values, positions, note):
        size = self.shape.embedding // self.shape.heads
        root = sqrt(size)
        joined = []
        for head in range(self.shape.heads):
            part = slice(head * size, (head + 1) * size)
            q_part = q[part]
            scores = note(f"head{head}.scores", [dot(q_part, keys[s][part]) / root for s in positions])
            weights = note(f"head{head}.weights", softmax(scores))
            columns = zip(*(values[s][part] for s in positions), strict=True)
            joined += note(f"head{head}.mixed", [dot(weights, column) for column in columns])
        return joined

    def loss(self, document, note=unnoted):
        """The node of a document's loss."""
        n = min(self.shape.block, len(document) - 1)
        caches = self.caches()
        losses = []
        for t in range(n):

            def note_here(name, nodes, prefix=f"pos{t}."):
                return note(prefix + name, nodes)

            probabilities = softmax(self.logits(document[t], t, caches, note_here))
            note_here("probabilities", probabilities)
            losses += note_here("loss", [-probabilities[document[t + 1]].log()])
        return add_up(losses) * (1.0 / n)

    def sample(self, temperature, generator):
        """Draws tokens up to BOS or the end of the block: gives each with the probabilities of all."""
        bos = token = self.shape.vocabulary - 1
        caches = self.caches()
        for t in range(self.shape.block):
            logits = self.logits(token, t, caches)
            probabilities = [node.value for node in softmax([logit / temperature for logit in logits])]
            token = generator.choice(probabilities)
            yield token, probabilities
            if token == bos:
                return


# Training (section 8)


@dataclass(frozen=True)
class Adam:
    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float
    schedule: str
    steps: int

    def factors(self, step):
        """The rate of a step from 0 on, and the two corrections."""
        if self.schedule == "linear":
            rate = self.learning_rate * (1.0 - step / self.steps)
        else:
            rate = (self.learning_rate * 0.5) * (1.0 + exact.cos((PI * step) / self.steps))
        return rate, 1.0 - exact.pow(self.beta1, step + 1.0), 1.0 - exact.pow(self.beta2, step + 1.0)

    def update(self, step, ps, gs, ms, vs):
        """Gives the new p, m and v of every parameter."""
        beta1, beta2 = self.beta1, self.beta2
        rate, correction1, correction2 = self.factors(step)
        for p, g, m, v in zip(ps, gs, ms, vs, strict=True):
            m = beta1 * m + (1.0 - beta1) * g
            v = beta2 * v + (1.0 - beta2) * (g * g)
            deviation = exact.pow(divide(v, correction2), 0.5)
            yield p - divide(rate * divide(m, correction1), deviation + self.epsilon), m, v


class Training:
    def __init__(self, model, adam, m=None, v=None):
        zeros = [0.0] * len(model.parameters)
        self.model = model
        self.adam = adam
        self.m = m or zeros
        self.v = v or zeros

    def step(self, step, document):
        """The loss before the update."""
        nodes = self.model.parameters
        for node in nodes:
            node.gradient = 0.0
        loss = self.model.loss(document)
        loss.backward()
        ps, gs = self.values(), self.gradients()
        ps, self.m, self.v = zip(*self.adam.update(step, ps, gs, self.m, self.v), strict=True)
        for node, p in zip(nodes, ps, strict=True):
            node.value = p
        return loss.value

    def values(self):
        return [node.value for node in self.model.parameters]

    def gradients(self):
        return [node.gradient for node in self.model.parameters]


# A whole run (section 10)


@dataclass(frozen=True)
class Preset:
    block: int
    sigma: float
    sigma_out: float  # of attn_wo and mlp_fc2
    squared: bool
    adam: Adam


PRESETS = {
    "seed": Preset(8, 0.02, 0.0, True, Adam(0.01, 0.9, 0.95, 1e-8, "cosine", 500)),
    "classic": Preset(16, 0.08, 0.08, False, Adam(0.01, 0.85, 0.99, 1e-8, "linear", 1000)),
}


class Run:
    """From seed 42 to samples. `text` does the work, and gives each line when it is known."""

    def __init__(self, preset, lines, steps=None, samples=20):
        self.generator = Generator(42)
        self.documents = documents_of(lines)
        self.generator.shuffle(self.documents)
        self.tokenizer = Tokenizer(self.documents)
        self.steps = steps or preset.adam.steps
        self.samples = samples
        shape = Shape(1, 4, 16, preset.block, self.tokenizer.bos + 1, preset.squared, causal(preset.block))
        model = Model(shape, self.draw(preset, shape))
        self.training = Training(model, replace(preset.adam, steps=self.steps))

    def draw(self, preset, shape):
        for name, rows, columns in shape.matrices():
            sigma = preset.sigma_out if name in ("layer0.attn_wo", "layer0.mlp_fc2") else preset.sigma
            for _ in range(rows * columns):
                yield self.generator.gauss(sigma)

    def text(self):
        model = self.training.model
        yield f"num docs: {len(self.documents)}"
        yield f"vocab size: {model.shape.vocabulary}"
        yield f"num params: {len(model.parameters)}"
        for step in range(self.steps):
            document = self.documents[step % len(self.documents)]
            loss = self.training.step(step, self.tokenizer.encode(document))
            yield f"step {step + 1:4} / {self.steps:4} | loss {loss:.4f}"
        yield ""
        yield "--- inference (new, hallucinated names) ---"
        for number in range(1, self.samples + 1):
            tokens = [token for token, _ in model.sample(0.5, self.generator)]
            yield f"sample {number:2}: {self.tokenizer.decode(tokens)}"
