"""What requests hold: the lines that several verbs share, read into the reference's own types.

`wire.py` reads a line, this file knows what it means, `replies.py` answers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from reference import microgpt
from reference.microgpt import Config, Optimizer, Parameters, Training, Value
from reference.protocol.wire import BadRequest, Fields, double

MATH = ("exact", "native")


def read_math(fields: Fields) -> None:
    microgpt.use_math(fields.choice("math", MATH))


def read_config(fields: Fields) -> Config:
    read_math(fields)
    layers = fields.integer("layers", 1, 16)
    heads = fields.integer("heads", 1, 64)
    embedding = fields.integer("embedding", 1, 512)
    if embedding % heads:
        raise BadRequest(f"embedding {embedding} is not a multiple of heads {heads}")
    block = fields.integer("block", 1, 1024)
    vocabulary = fields.integer("vocabulary", 2, 2048)
    activation = fields.choice("activation", tuple(microgpt.ACTIVATIONS))
    attention = []
    for position in range(block):
        attended = fields.integers("attend", 0, position, at_least=1)
        if attended[-1] != position or any(a >= b for a, b in zip(attended, attended[1:], strict=False)):
            came = shortened(attended)
            raise BadRequest(f"attend line {position} must increase and end with {position}, not {came}")
        attention.append(tuple(attended))
    return Config(layers, heads, embedding, block, vocabulary, activation, tuple(attention))


def shortened(numbers: list[int]) -> str:
    """What came instead of a list, cut: the line of a reply has its limit too."""
    text = str(numbers)
    return text if len(text) <= 100 else f"{text[:100]}..."


def read_parameters(fields: Fields, config: Config) -> Parameters:
    return {
        name: [[Value(x) for x in row] for row in fields.tensor(name, rows, columns)]
        for name, rows, columns in config.matrices()
    }


def read_flat(fields: Fields, config: Config, prefix: str) -> list[float]:
    return [
        x
        for name, rows, columns in config.matrices()
        for row in fields.tensor(prefix + name, rows, columns)
        for x in row
    ]


def read_document(fields: Fields, config: Config) -> list[int]:
    return fields.integers("tokens", 0, config.vocabulary - 1, at_least=2)


def read_optimizer(fields: Fields) -> Optimizer:
    learning_rate, beta1, beta2, epsilon = (
        fields.double(key) for key in ("learning_rate", "beta1", "beta2", "epsilon")
    )
    schedule = fields.choice("schedule", ("linear", "cosine"))
    return Optimizer(learning_rate, beta1, beta2, epsilon, schedule, fields.integer("steps", 1, 4096))


def read_lines(fields: Fields) -> list[str]:
    lines = [fields.text("line")]
    while fields.next_key() == "line":
        lines.append(fields.text("line"))
    return lines


def matrices_of(config: Config, numbers: Iterable[float]) -> Iterator[tuple[str, list[list[float]]]]:
    """Cut a flat list of numbers, in parameter order, into named matrices."""
    source = iter(numbers)
    for name, rows, columns in config.matrices():
        yield name, [[next(source) for _ in range(columns)] for _ in range(rows)]


@dataclass(frozen=True)
class TrainRequest:
    """What a `train` request asks: `count` steps of `training`, whole tensors for the steps in `full`."""

    training: Training
    count: int
    full: list[int]
    documents: list[list[int]]

    @staticmethod
    def read(fields: Fields) -> "TrainRequest":
        config = read_config(fields)
        optimizer = read_optimizer(fields)
        first = fields.integer("from", 0, optimizer.steps - 1)
        count = fields.integer("count", 1, optimizer.steps - first)
        full = fields.integers("full", first, first + count - 1)
        if any(a >= b for a, b in zip(full, full[1:], strict=False)):
            raise BadRequest(f"the steps of 'full' must increase, not {shortened(full)}")
        documents = [read_document(fields, config)]
        while fields.next_key() == "tokens":
            documents.append(read_document(fields, config))
        training = Training.start(config, optimizer, read_parameters(fields, config))
        if first:
            training.m, training.v = read_flat(fields, config, "m."), read_flat(fields, config, "v.")
            training.step = first
        fields.finish()
        return TrainRequest(training, count, full, documents)

    def document(self) -> list[int]:
        """The document of the next step."""
        return self.documents[self.training.step % len(self.documents)]


def read_generator(fields: Fields) -> microgpt.Generator:
    index, *words = fields.integers("state", 0, 2**32 - 1, exactly=625)
    if index > 624:
        raise BadRequest(f"the index of the state must be 0 to 624, not {index}")
    [kept] = fields.values("kept", 1)
    generator = microgpt.Generator(0)
    generator.setstate((3, (*words, index), None if kept == "none" else double("kept", kept)))
    return generator


def read_run(fields: Fields) -> microgpt.Run:
    read_math(fields)
    preset = microgpt.PRESETS[fields.choice("preset", tuple(microgpt.PRESETS))]
    optimizer = replace(preset.optimizer, steps=fields.integer("steps", 1, 4096))
    preset = replace(preset, optimizer=optimizer, samples=fields.integer("samples", 0, 1000))
    lines = read_lines(fields)
    fields.finish()
    try:
        whole = microgpt.Run(preset, lines)
    except ValueError as problem:
        raise BadRequest(str(problem)) from None
    check_vocabulary(whole.tokenizer)
    return whole


def check_exponent(y: float, limit: int) -> float:
    if not abs(y) <= limit or (2.0 * y) % 1.0:
        raise BadRequest(
            f"the exponent must be an integer or half-integer from -{limit} to {limit}, not {y!r}"
        )
    return y


def check_vocabulary(tokenizer: microgpt.Tokenizer) -> None:
    if tokenizer.bos > microgpt.MOST_CHARACTERS:
        most = microgpt.MOST_CHARACTERS
        raise BadRequest(f"the documents have {tokenizer.bos} distinct characters; {most} are the most")
