"""Requests and replies (SPEC, section 11): lines of words, and what the words mean."""

import re
import struct
from functools import partial
from itertools import chain
from math import inf, nan

from microgpt import Adam, Refused, Shape

LONGEST = 65536

# What a word means


def integer(low, high, word):
    if not re.fullmatch(r"0|[1-9][0-9]{0,9}", word, re.ASCII) or not low <= int(word) <= high:
        raise Refused(f"expected an integer from {low} to {high}")
    return int(word)


def doubles(words):
    pattern = "".join(words)
    if any(len(word) != 16 for word in words) or not re.fullmatch(r"[0-9a-f]*", pattern):
        raise Refused("a double has 16 lower-case hex digits")
    return [x if x == x else nan for x in struct.unpack(f">{len(words)}d", bytes.fromhex(pattern))]


def double(word):
    [x] = doubles([word])
    return x


def choice(words, word):
    if word not in words:
        raise Refused("expected " + " or ".join(words))
    return word


def exponent(limit, word):
    c = double(word)
    if abs(c) <= limit and (2.0 * c).is_integer():
        return c
    raise Refused(f"an exponent is an integer or half-integer up to {limit}")


def angle(word):
    x = double(word)
    if abs(x) > 8.0:
        raise Refused("sin and cos take numbers from -8 to 8")
    return x


def shown(word):
    x = double(word)
    if 2**53 < abs(x) < inf:
        raise Refused("decimals takes numbers up to 2**53")
    return x


def character(word):
    point = integer(0, 0x10FFFF, word)
    if 0xD800 <= point <= 0xDFFF:
        raise Refused("a surrogate is no character")
    return chr(point)


def document(shape, values):
    if len(values) < 2:
        raise Refused("a document has two or more tokens")
    return [integer(0, shape.vocabulary - 1, word) for word in values]


def hexed(xs):
    return struct.pack(f">{len(xs)}d", *(x if x == x else nan for x in xs)).hex(" ", 8).split()


def points(text):
    return [ord(character) for character in text]


class Request:
    """The lines of a request that are still to be read."""

    def __init__(self, lines):
        self.lines = iter(lines)
        self.advance()

    def advance(self):
        line = next(self.lines, None)
        if line is not None and len(line) > LONGEST:
            raise Refused(f"a line is longer than {LONGEST} bytes")
        self.key, *self.values = (None,) if line is None else line.split(" ")

    def next(self):
        """The key and the values of the next line."""
        if self.key is None:
            raise Refused("the request ends too early")
        line = self.key, self.values
        self.advance()
        return line

    def take(self, key):
        """The values of the next line, which must have this key."""
        if self.key != key:
            raise Refused(f"expected the line {key}")
        return self.next()[1]

    def one(self, key, read):
        """What `read` makes of the only value of that line."""
        values = self.take(key)
        if len(values) != 1:
            raise Refused(f"{key} takes 1 value and not {len(values)}")
        return read(values[0])

    def integer(self, key, low, high):
        return self.one(key, partial(integer, low, high))

    def while_key(self, key):
        """The values of one or more lines with this key."""
        lines = [self.take(key)]
        while self.key == key:
            lines.append(self.take(key))
        return lines

    def each(self):
        """The lines that are left, one or more."""
        yield self.next()
        while self.key is not None:
            yield self.next()

    def math(self):
        if self.one("math", partial(choice, ("exact", "native"))) == "native":
            raise Refused("unsupported")

    def tensor(self, name, shape=None):
        """The shape and the values of a tensor."""
        found, *size = self.take("tensor")
        if found != name or len(size) != 2:
            raise Refused(f"expected the tensor {name} with its rows and columns")
        rows, columns = (integer(1, 2048, word) for word in size)
        if shape not in (None, (rows, columns)):
            raise Refused(f"the tensor {name} has the wrong shape")
        values = []
        for _ in range(rows):
            row = doubles(self.take("row"))
            if len(row) != columns:
                raise Refused(f"a row of {name} has {len(row)} values")
            values += row
        return (rows, columns), values

    def matrices(self, shape, prefix=""):
        """The values of all matrices of a model."""
        tensors = (self.tensor(prefix + name, (rows, columns)) for name, rows, columns in shape.matrices())
        return list(chain.from_iterable(values for _, values in tensors))

    def shape(self):
        self.math()
        layers = self.integer("layers", 1, 16)
        heads = self.integer("heads", 1, 64)
        embedding = self.integer("embedding", 1, 512)
        block = self.integer("block", 1, 1024)
        vocabulary = self.integer("vocabulary", 2, 2048)
        if embedding % heads:
            raise Refused("the embedding must be a multiple of the heads")
        activation = self.one("activation", partial(choice, ("relu", "squared_relu")))
        attend = tuple(self.positions(t) for t in range(block))
        return Shape(layers, heads, embedding, block, vocabulary, activation == "squared_relu", attend)

    def positions(self, t):
        positions = tuple(integer(0, t, word) for word in self.take("attend"))
        if not increasing(positions) or positions[-1:] != (t,):
            raise Refused(f"position {t} must attend to increasing positions and last to itself")
        return positions

    def adam(self):
        numbers = [self.one(key, double) for key in ("learning_rate", "beta1", "beta2", "epsilon")]
        schedule = self.one("schedule", partial(choice, ("linear", "cosine")))
        return Adam(*numbers, schedule, self.integer("steps", 1, 4096))

    def lines_of_text(self):
        lines = self.while_key("line")
        if any(len(line) > 10000 for line in lines):
            raise Refused("a line of text has more than 10000 characters")
        return ["".join(map(character, line)) for line in lines]

    def finish(self):
        if self.key is not None:
            raise Refused("expected the end")


def increasing(numbers):
    return all(a < b for a, b in zip(numbers, numbers[1:], strict=False))


# What a reply is made of: lines


def line(key, *values):
    return " ".join((key, *map(str, values)))


def tensor(name, rows, columns, xs):
    yield line("tensor", name, rows, columns)
    for first in range(0, rows * columns, columns):
        yield line("row", *hexed(xs[first : first + columns]))


def matrices(shape, prefix, xs):
    first = 0
    for name, rows, columns in shape.matrices():
        yield from tensor(prefix + name, rows, columns, xs[first : first + rows * columns])
        first += rows * columns


def checksum(key, xs):
    a, b = 1, 0
    for half in struct.unpack(f">{2 * len(xs)}I", bytes.fromhex("".join(hexed(xs)))):
        a = (a + half) % 4294967291
        b = (b + a) % 4294967291
    return line(key, f"{a:08x}", f"{b:08x}")
