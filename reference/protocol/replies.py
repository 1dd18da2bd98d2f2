"""The reference as a port: it answers the requests of `conformance/SPEC.md`, sections 11 to 13.

`answer_all` reads requests and writes replies. One function a verb turns a request's lines into a reply's
lines; the table `VERBS` names them. How lines are read and checked stands in `wire.py`; nothing here knows
how results are judged.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf, nan, sqrt
from typing import BinaryIO

from reference import microgpt
from reference.microgpt import Value
from reference.protocol.requests import (
    MATH,
    TrainRequest,
    check_exponent,
    check_vocabulary,
    matrices_of,
    read_config,
    read_document,
    read_generator,
    read_lines,
    read_math,
    read_optimizer,
    read_parameters,
    read_run,
)
from reference.protocol.wire import (
    BadRequest,
    Fields,
    Unsupported,
    blocks,
    checksum,
    decimal,
    double,
    hexadecimal,
    reason,
    tensor_lines,
)

NAME = "reference"
PROTOCOL = 1


def answer_all(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer each request as soon as its `end` has come, until the input ends."""
    for lines, complete in blocks(requests):
        replies.write("".join(line + "\n" for line in answer(lines, complete)).encode("ascii"))
        replies.flush()


def answer(lines: list[str], complete: bool = True) -> list[str]:
    """The reply to one block without its `end`. `complete` is false if the input ended within it."""
    name = "-"
    try:
        fields = Fields(lines)
        verb, name = fields.header()
        if not complete:
            raise BadRequest("the input ended before the line 'end'")
        if verb not in VERBS:
            raise Unsupported
        reply = list(VERBS[verb](fields))
        fields.finish()
    except Unsupported:
        return [f"error {name} unsupported", "end"]
    except BadRequest as problem:
        return [f"error {name} {reason(problem)}", "end"]
    return [f"ok {name}", *reply, "end"]


# ---------------------------------------------------------------- the verbs


def hello(fields: Fields) -> Iterator[str]:
    fields.finish()
    yield f"name {NAME}"
    yield f"protocol {PROTOCOL}"
    yield "verbs " + " ".join(VERBS)
    yield "math " + " ".join(MATH)


def ieee_sqrt(x: float) -> float:
    return sqrt(x) if x >= 0.0 else nan


def add_from_left(terms: Iterable[float]) -> float:
    total = 0.0
    for term in terms:
        total = total + term
    return total


ARITHMETIC: dict[str, tuple[int, Callable[..., float]]] = {
    "add": (2, lambda x, y: x + y),
    "sub": (2, lambda x, y: x - y),
    "mul": (2, lambda x, y: x * y),
    "div": (2, microgpt.divide),
    "sqrt": (1, ieee_sqrt),
    "muladd": (3, lambda x, y, z: x * y + z),
}


def arith(fields: Fields) -> Iterator[str]:
    for key in fields.remaining_keys((*ARITHMETIC, "sum", "dot", "decimals")):
        if key == "decimals":
            [number] = fields.doubles(key, 1)
            if 2.0**53 < abs(number) < inf:
                raise BadRequest(f"decimals takes |x| up to 2^53, infinities and NaN, not {number!r}")
            yield words_line(key, map(ord, microgpt.four_decimals(number)))
            continue
        if key == "sum":
            result = add_from_left(fields.doubles(key, at_least=1))
        elif key == "dot":
            numbers = fields.doubles(key, at_least=2)
            if len(numbers) % 2:
                raise BadRequest(f"dot takes pairs of doubles, not {len(numbers)}")
            result = add_from_left(x * y for x, y in zip(numbers[::2], numbers[1::2], strict=True))
        else:
            count, operation = ARITHMETIC[key]
            result = operation(*fields.doubles(key, count))
        yield f"{key} {hexadecimal(result)}"


def math(fields: Fields) -> Iterator[str]:
    read_math(fields)
    for key in fields.remaining_keys(("exp", "log", "sin", "cos", "pow")):
        arguments = fields.doubles(key, 2 if key == "pow" else 1)
        if key in ("sin", "cos") and abs(arguments[0]) > 8.0:
            raise BadRequest(f"{key} takes |x| up to 8, not {arguments[0]!r}")
        if key == "pow":
            check_exponent(arguments[1], 4096)
        yield f"{key} {hexadecimal(getattr(microgpt.maths, key)(*arguments))}"


def random(fields: Fields) -> Iterator[str]:
    read_math(fields)
    generator = microgpt.Generator(fields.integer("seed", 0, 2**32 - 1))
    for key in fields.remaining_keys(("words", "random", "gauss", "shuffle", "choices", "state")):
        if key == "words":
            count, _ = fields.count_and_doubles(key, 0)
            yield words_line(key, [generator.getrandbits(32) for _ in range(count)])
        elif key == "random":
            count, _ = fields.count_and_doubles(key, 0)
            yield words_line(key, [hexadecimal(generator.random()) for _ in range(count)])
        elif key == "gauss":
            count, [sigma] = fields.count_and_doubles(key, 1)
            yield words_line(key, [hexadecimal(generator.gauss(0.0, sigma)) for _ in range(count)])
        elif key == "shuffle":
            items = list(range(fields.integer(key, 0, 10000)))
            generator.shuffle(items)
            yield words_line(key, items)
        elif key == "choices":
            count, weights = fields.count_and_doubles(key, None)
            yield words_line(key, choices(generator, count, weights))
        else:
            fields.values(key, 0)
            yield from state_lines(generator)


def choices(generator: microgpt.Generator, count: int, weights: list[float]) -> list[int]:
    try:
        return [generator.choices(range(len(weights)), weights=weights)[0] for _ in range(count)]
    except ValueError:
        raise BadRequest("the weights of a choice must add up to a finite number above 0") from None


def words_line(key: str, words: Iterable[object]) -> str:
    return " ".join([key, *map(str, words)])


def state_lines(generator: microgpt.Generator) -> Iterator[str]:
    _, words, kept = generator.getstate()
    yield words_line("state", [words[624], *words[:624]])
    yield "kept none" if kept is None else f"kept {hexadecimal(kept)}"


def tokens(fields: Fields) -> Iterator[str]:
    documents = microgpt.documents_of(read_lines(fields))
    if not documents:
        raise BadRequest("no line has a document: all are empty once stripped")
    tokenizer = microgpt.Tokenizer.of(documents)
    check_vocabulary(tokenizer)
    yield f"documents {len(documents)}"
    yield words_line("vocabulary", map(ord, tokenizer.characters))
    yield f"bos {tokenizer.bos}"
    for document in documents:
        yield words_line("encoded", tokenizer.encode(document))


Expression = Callable[..., Value]
EXPRESSIONS: dict[str, tuple[str, Expression]] = {  # its operands: n is a node, x a plain number
    "leaf": ("x", Value),
    "add": ("nn", lambda a, b: a + b),
    "sub": ("nn", lambda a, b: a - b),
    "mul": ("nn", lambda a, b: a * b),
    "div": ("nn", lambda a, b: a / b),
    "neg": ("n", lambda a: -a),
    "pow": ("nx", lambda a, c: a ** check_exponent(c, 1024)),
    "exp": ("n", lambda a: a.exp()),
    "log": ("n", lambda a: a.log()),
    "relu": ("n", lambda a: a.relu()),
    "add_number": ("nx", lambda a, c: a + c),
    "sub_number": ("nx", lambda a, c: a - c),
    "mul_number": ("nx", lambda a, c: a * c),
    "div_number": ("nx", lambda a, c: a / c),
    "number_sub": ("xn", lambda c, a: c - a),
    "number_div": ("xn", lambda c, a: c / a),
}


def graph(fields: Fields) -> Iterator[str]:
    read_math(fields)
    nodes: list[Value] = []
    for key in fields.remaining_keys((*EXPRESSIONS, "sum", "root")):
        if key == "root":
            break
        if not nodes and key != "leaf":
            raise BadRequest(f"the first expression must be a leaf, not {key}")
        if key == "sum":
            chosen = fields.integers(key, 0, len(nodes) - 1, at_least=1)
            nodes.append(microgpt.add_up(nodes[i] for i in chosen))
            continue
        kinds, build = EXPRESSIONS[key]
        words = zip(kinds, fields.values(key, len(kinds)), strict=True)
        operands = [
            nodes[decimal(key, word, 0, len(nodes) - 1)] if kind == "n" else double(key, word)
            for kind, word in words
        ]
        nodes.append(build(*operands))
    root = nodes[fields.integer("root", 0, len(nodes) - 1)]
    fields.finish()
    root.backward()
    for node in nodes:
        yield f"value {hexadecimal(node.data)}"
    for node in nodes:
        yield f"gradient {hexadecimal(node.grad)}"


def backward(fields: Fields) -> Iterator[str]:
    config = read_config(fields)
    document = read_document(fields, config)
    parameters = read_parameters(fields, config)
    fields.finish()
    loss = microgpt.document_loss(config, parameters, document)
    loss.backward()
    yield f"loss {hexadecimal(loss.data)}"
    for name, matrix in parameters.items():
        yield from tensor_lines(name, [[value.grad for value in row] for row in matrix])


def forward(fields: Fields) -> Iterator[str]:
    config = read_config(fields)
    document = read_document(fields, config)
    parameters = read_parameters(fields, config)
    fields.finish()
    reply: list[str] = []

    def record(name: str, values: list[Value]) -> None:
        reply.extend(tensor_lines(name, [[value.data for value in values]]))

    loss = microgpt.document_loss(config, parameters, document, record)
    yield from reply
    yield f"loss {hexadecimal(loss.data)}"


def adam(fields: Fields) -> Iterator[str]:
    read_math(fields)
    optimizer = read_optimizer(fields)
    step = fields.integer("step", 0, optimizer.steps - 1)
    rows, columns = fields.next_shape()
    tensors = [fields.tensor(name, rows, columns) for name in ("parameters", "gradients", "m", "v")]
    fields.finish()
    yield f"rate {hexadecimal(optimizer.rate(step))}"
    for i, correction in enumerate(optimizer.corrections(step), start=1):
        yield f"correction{i} {hexadecimal(correction)}"
    updated = [
        list(zip(*optimizer.update(step, *lists), strict=True)) for lists in zip(*tensors, strict=True)
    ]
    for name, part in (("m", 1), ("v", 2), ("parameters", 0)):
        yield from tensor_lines(name, [row[part] for row in updated])


def train(fields: Fields) -> Iterator[str]:
    request = TrainRequest.read(fields)
    training = request.training
    for _ in range(request.count):
        step = training.step
        loss, gradients = training.advance(request.document())
        yield f"step {step}"
        yield f"loss {hexadecimal(loss)}"
        numbers = [value.data for value in microgpt.flatten(training.parameters)]
        lists = {"gradients": gradients, "m": training.m, "v": training.v, "parameters": numbers}
        for name, values in lists.items():
            yield f"{name} {checksum(values)}"
        if step in request.full:
            for name, values in lists.items():
                for matrix_name, matrix in matrices_of(training.config, values):
                    yield from tensor_lines(f"{name}.{matrix_name}", matrix)


def sample(fields: Fields) -> Iterator[str]:
    config = read_config(fields)
    temperature = fields.double("temperature")
    count = fields.integer("samples", 0, 1000)
    parameters = read_parameters(fields, config)
    generator = read_generator(fields)
    fields.finish()
    reply: list[str] = []

    def watch(probabilities: list[float], token: int) -> None:
        reply.append(words_line("probabilities", map(hexadecimal, probabilities)))
        reply.append(f"token {token}")

    try:
        for number in range(count):
            reply.append(f"sample {number}")
            microgpt.sample(config, parameters, temperature, generator, watch)
    except ValueError:
        raise BadRequest("the probabilities of a draw are not finite") from None
    yield from reply
    yield f"word {generator.getrandbits(32)}"


def run(fields: Fields) -> Iterator[str]:
    whole = read_run(fields)
    try:
        printed = list(whole.text())
    except ValueError:
        raise BadRequest("the probabilities of a draw are not finite") from None
    for line in printed:
        yield words_line("print", map(ord, line))
    training = whole.training
    yield f"parameters {checksum(value.data for value in microgpt.flatten(training.parameters))}"
    yield f"m {checksum(training.m)}"
    yield f"v {checksum(training.v)}"
    yield f"word {whole.generator.getrandbits(32)}"


VERBS: dict[str, Callable[[Fields], Iterator[str]]] = {
    "hello": hello,
    "arith": arith,
    "math": math,
    "random": random,
    "tokens": tokens,
    "graph": graph,
    "forward": forward,
    "backward": backward,
    "adam": adam,
    "train": train,
    "sample": sample,
    "run": run,
}
