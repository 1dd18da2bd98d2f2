"""The port python of microgpt (conformance/SPEC.md). `main.py` answers requests, a function for each verb;
`main.py run [seed|classic] < names.txt` trains on the names and makes new ones.
"""

import operator
import re
import sys
from functools import partial, reduce
from math import nan, sqrt

import exact
from graph import Node, divide
from microgpt import PRESETS, Generator, Model, Refused, Run, Tokenizer, Training, documents_of
from protocol import (
    LONGEST,
    Request,
    angle,
    checksum,
    choice,
    document,
    double,
    doubles,
    exponent,
    hexed,
    increasing,
    integer,
    line,
    matrices,
    points,
    shown,
    tensor,
)

# The verbs (section 12): each gives the lines of its reply


def hello(request):
    request.finish()
    return ["name python", "protocol 1", line("verbs", *VERBS), "math exact"]


def root(x):
    return sqrt(x) if x >= 0.0 else nan


def total(xs):
    return reduce(operator.add, xs, 0.0)  # sum() would compensate for the rounding


def calculate(table, readers, key, values):
    """Applies a function of the table, which names the kinds of its operands, to the words of a line."""
    kinds, function = table.get(key, ("", None))
    if function is None or len(kinds) != len(values):
        raise Refused("an unknown operation, or operands that it does not take")
    return function(*(readers[kind](word) for kind, word in zip(kinds, values, strict=True)))


ARITH = {
    "add": ("xx", operator.add),
    "sub": ("xx", operator.sub),
    "mul": ("xx", operator.mul),
    "div": ("xx", divide),
    "sqrt": ("x", root),
    "muladd": ("xxx", lambda x, y, z: x * y + z),
}
MATH = {
    "exp": ("x", exact.exp),
    "log": ("x", exact.log),
    "sin": ("a", exact.sin),
    "cos": ("a", exact.cos),
    "pow": ("xc", exact.pow),
}
GRAPH = {
    "leaf": ("x", Node),
    "add": ("nn", operator.add),
    "sub": ("nn", operator.sub),
    "mul": ("nn", operator.mul),
    "div": ("nn", operator.truediv),
    "neg": ("n", operator.neg),
    "exp": ("n", Node.exp),
    "log": ("n", Node.log),
    "relu": ("n", Node.relu),
    "pow": ("nc", operator.pow),
    "add_number": ("nx", operator.add),
    "sub_number": ("nx", operator.sub),
    "mul_number": ("nx", operator.mul),
    "div_number": ("nx", operator.truediv),
    "number_sub": ("xn", operator.sub),
    "number_div": ("xn", operator.truediv),
}


def arith(request):
    for key, values in request.each():
        if key == "sum" and values:
            result = total(doubles(values))
        elif key == "dot" and values and len(values) % 2 == 0:
            xs = doubles(values)
            result = total(map(operator.mul, xs[::2], xs[1::2]))
        elif key == "decimals" and len(values) == 1:
            yield line(key, *points(f"{shown(values[0]):.4f}"))
            continue
        else:
            result = calculate(ARITH, {"x": double}, key, values)
        yield line(key, *hexed([result]))


def math(request):
    request.math()
    readers = {"x": double, "a": angle, "c": partial(exponent, 4096)}
    for key, values in request.each():
        yield line(key, *hexed([calculate(MATH, readers, key, values)]))


def draw(generator, key, values):
    """The values of the reply to one line of `random`."""
    match key, *values:
        case "words", n:
            return [generator.word() for _ in range(integer(0, 1000, n))]
        case "random", n:
            return hexed([generator.random() for _ in range(integer(0, 1000, n))])
        case "gauss", n, sigma:
            sigma = double(sigma)
            return hexed([generator.gauss(sigma) for _ in range(integer(0, 1000, n))])
        case "shuffle", n:
            items = list(range(integer(0, 10000, n)))
            generator.shuffle(items)
            return items
        case "choices", n, *weights if 1 <= len(weights) <= 1000:
            weights = doubles(weights)
            return [generator.choice(weights) for _ in range(integer(0, 1000, n))]
    raise Refused("an unknown draw, or values that it does not take")


def random(request):
    request.math()
    generator = Generator(request.integer("seed", 0, 2**32 - 1))
    for key, values in request.each():
        if (key, values) == ("state", []):
            _, (*words, index), kept = generator.getstate()
            yield line("state", index, *words)
            yield line("kept", *(["none"] if kept is None else hexed([kept])))
        else:
            yield line(key, *draw(generator, key, values))


def tokens(request):
    lines = request.lines_of_text()
    request.finish()
    documents = documents_of(lines)
    tokenizer = Tokenizer(documents)
    yield line("documents", len(documents))
    yield line("vocabulary", *points(tokenizer.characters))
    yield line("bos", tokenizer.bos)
    for text in documents:
        yield line("encoded", *tokenizer.encode(text))


def graph(request):
    request.math()
    nodes = []

    def node(word):
        return nodes[integer(0, len(nodes) - 1, word)]

    readers = {"x": double, "n": node, "c": partial(exponent, 1024)}
    while request.key != "root":
        key, values = request.next()
        if key == "sum" and values:
            first, *rest = map(node, values)
            nodes.append(reduce(operator.add, rest, first + 0.0))
        else:
            nodes.append(calculate(GRAPH, readers, key, values))
    root = request.one("root", node)
    request.finish()
    root.backward()
    yield from (line("value", x) for x in hexed([node.value for node in nodes]))
    yield from (line("gradient", x) for x in hexed([node.gradient for node in nodes]))


def model_and_document(request):
    shape = request.shape()
    tokens = document(shape, request.take("tokens"))
    model = Model(shape, iter(request.matrices(shape)))
    request.finish()
    return model, tokens


def forward(request):
    model, tokens = model_and_document(request)
    reply = []

    def note(name, nodes):
        reply.extend(tensor(name, 1, len(nodes), [node.value for node in nodes]))
        return nodes

    loss = model.loss(tokens, note)
    return [*reply, line("loss", *hexed([loss.value]))]


def backward(request):
    model, tokens = model_and_document(request)
    loss = model.loss(tokens)
    loss.backward()
    yield line("loss", *hexed([loss.value]))
    yield from matrices(model.shape, "", [node.gradient for node in model.parameters])


def adam(request):
    request.math()
    optimizer = request.adam()
    step = request.integer("step", 0, optimizer.steps - 1)
    shape, parameters = request.tensor("parameters")
    gradients, m, v = (request.tensor(name, shape)[1] for name in ("gradients", "m", "v"))
    request.finish()
    for key, x in zip(("rate", "correction1", "correction2"), optimizer.factors(step), strict=True):
        yield line(key, *hexed([x]))
    parameters, m, v = zip(*optimizer.update(step, parameters, gradients, m, v), strict=True)
    for name, xs in (("m", m), ("v", v), ("parameters", parameters)):
        yield from tensor(name, *shape, xs)


def train(request):
    shape = request.shape()
    optimizer = request.adam()
    first = request.integer("from", 0, optimizer.steps - 1)
    last = first + request.integer("count", 1, optimizer.steps - first) - 1
    full = [integer(first, last, word) for word in request.take("full")]
    if not increasing(full):
        raise Refused("the steps of full must increase")
    documents = [document(shape, values) for values in request.while_key("tokens")]
    model = Model(shape, iter(request.matrices(shape)))
    m, v = (request.matrices(shape, prefix) if first else None for prefix in ("m.", "v."))
    request.finish()
    training = Training(model, optimizer, m, v)
    for step in range(first, last + 1):
        loss = training.step(step, documents[step % len(documents)])
        yield line("step", step)
        yield line("loss", *hexed([loss]))
        kinds = {
            "gradients": training.gradients(),
            "m": training.m,
            "v": training.v,
            "parameters": training.values(),
        }
        yield from (checksum(key, xs) for key, xs in kinds.items())
        if step in full:
            for key, xs in kinds.items():
                yield from matrices(shape, key + ".", xs)


def sample(request):
    shape = request.shape()
    temperature = request.one("temperature", double)
    samples = request.integer("samples", 0, 1000)
    model = Model(shape, iter(request.matrices(shape)))
    state = request.take("state")
    if len(state) != 625:
        raise Refused("state takes an index and 624 words")
    index = integer(0, 624, state[0])
    words = [integer(0, 2**32 - 1, word) for word in state[1:]]
    kept = request.one("kept", lambda word: None if word == "none" else double(word))
    request.finish()
    generator = Generator()
    generator.setstate((3, (*words, index), kept))
    for number in range(samples):
        yield line("sample", number)
        for token, probabilities in model.sample(temperature, generator):
            yield line("probabilities", *hexed(probabilities))
            yield line("token", token)
    yield line("word", generator.word())


def run(request):
    request.math()
    preset = PRESETS[request.one("preset", partial(choice, tuple(PRESETS)))]
    steps = request.integer("steps", 1, 4096)
    samples = request.integer("samples", 0, 1000)
    lines = request.lines_of_text()
    request.finish()
    whole = Run(preset, lines, steps, samples)
    yield from (line("print", *points(text)) for text in whole.text())
    training = whole.training
    for key, xs in (("parameters", training.values()), ("m", training.m), ("v", training.v)):
        yield checksum(key, xs)
    yield line("word", whole.generator.word())


VERBS = {
    verb.__name__: verb
    for verb in (hello, arith, math, random, tokens, graph, forward, backward, adam, train, sample, run)
}


def answer(lines, complete):
    """The lines of the reply to one request, which are all known before one is written."""
    header = re.fullmatch(r"([!-~]+) ([A-Za-z0-9._-]{1,64})", lines[0]) if lines else None
    if header is None or len(lines[0]) > LONGEST:
        return ["error - expected a verb and an id"]
    verb, name = header.groups()
    try:
        if not complete:
            raise Refused("the input ended before the line end")
        if verb not in VERBS:
            raise Refused("unsupported")
        return [f"ok {name}", *VERBS[verb](Request(lines[1:]))]
    except Refused as reason:
        return [f"error {name} {reason}"]


def serve():
    lines = []

    def send(complete):
        print(*answer(lines, complete), "end", sep="\n", flush=True)
        lines.clear()

    for raw in sys.stdin.buffer:
        line = raw.removesuffix(b"\n").decode("latin-1")  # a character for each byte
        if line == "end":
            send(complete=True)
        else:
            lines.append(line)
    if lines:
        send(complete=False)


def main(arguments):
    match arguments:
        case []:
            return serve()
        case ["run"]:
            preset = PRESETS["seed"]
        case ["run", ("seed" | "classic") as name]:
            preset = PRESETS[name]
        case _:
            sys.exit("microgpt: expected nothing, or: run [seed|classic] < names.txt")
    try:
        lines = sys.stdin.buffer.read().decode().split("\n")
        for text in Run(preset, lines).text():
            sys.stdout.buffer.write(text.encode() + b"\n")
            sys.stdout.buffer.flush()
    except UnicodeDecodeError:
        sys.exit("microgpt: the input is not UTF-8")
    except Refused as reason:
        sys.exit(f"microgpt: {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
