"""One case of the ladder, and the pieces that requests are put together from."""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from struct import unpack
from zlib import crc32

from reference.microgpt import Config, Generator, Optimizer, causal
from reference.protocol.wire import hexadecimal, tensor_lines

Matrices = dict[str, list[list[float]]]
Draw = Callable[[Config, str], Matrices]
"""Parameters for a model; the name begins the stream that they are drawn from."""

INF = float("inf")
NAN = float("nan")
LEAST = 5e-324  # the least subnormal
LEAST_NORMAL = 2.0**-1022
GREATEST = float.fromhex("0x1.fffffffffffffp+1023")
SPECIAL = (0.0, -0.0, 1.0, -1.0, LEAST, -LEAST, LEAST_NORMAL, GREATEST, -GREATEST, INF, -INF, NAN)


@dataclass(frozen=True)
class Case:
    """A request without its id, which is the case's name, and without its `end`.

    A name that begins with `long-` is left out of the default climb. robust: the case belongs to no level,
    but to `conformance/robust/`. raw: the whole request, where its lines do not have the usual form.
    """

    name: str
    verb: str
    lines: tuple[str, ...] = ()
    robust: bool = False
    raw: bytes = b""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]*", self.name):
            raise ValueError(f"a case is named with a-z, 0-9 and hyphens, since files are, not {self.name!r}")

    def request(self) -> bytes:
        if self.raw:
            return self.raw
        lines = (f"{self.verb} {self.name}", *self.lines, "end")
        return "".join(line + "\n" for line in lines).encode("latin-1")


def line(key: str, *values: object) -> str:
    """A line of a request: floats become hex digits, all else is written as it is."""
    return " ".join([key, *(hexadecimal(v) if isinstance(v, float) else str(v) for v in values)])


def bad(verb: str, faults: dict[str, Sequence[str]]) -> Iterator[Case]:
    """Requests that must be answered with an error."""
    for name, lines in faults.items():
        yield Case(f"error-{name}", verb, tuple(lines), robust=True)


def chance(name: str) -> random.Random:
    """A source of numbers for one case: the same on every machine."""
    return random.Random(crc32(name.encode()))


def from_bits(pattern: int) -> float:
    number: float = unpack(">d", pattern.to_bytes(8, "big"))[0]
    return number


def neighbours(x: float, distance: int = 2) -> list[float]:
    """x and the doubles next to it, by bit pattern; x is positive and finite."""
    [middle] = unpack(">Q", bytes.fromhex(hexadecimal(x)))
    return [from_bits(middle + d) for d in range(-distance, distance + 1) if middle + d >= 0]


def round_exactly(x: Fraction) -> float:
    """The double nearest to a fraction."""
    try:
        return x.numerator / x.denominator
    except OverflowError:
        return INF if x > 0 else -INF


def text_line(text: str) -> str:
    return line("line", *map(ord, text))


def dataset(name: str) -> list[str]:
    """The lines of a file in `data/`, whose README says where it comes from."""
    return (Path(__file__).parent / "data" / name).read_text(encoding="utf-8").splitlines()


# ---------------------------------------------------------------- models


def shape(
    layers: int, heads: int, embedding: int, block: int, vocabulary: int, activation: str = "relu"
) -> Config:
    """A model with causal attention."""
    return Config(layers, heads, embedding, block, vocabulary, activation, causal(block))


def attending(config: Config, attention: Sequence[Sequence[int]]) -> Config:
    """The model with this table of attention."""
    return replace(config, attention=tuple(map(tuple, attention)))


SEED_SHAPE = shape(1, 4, 16, 8, 27, "squared_relu")
CLASSIC_SHAPE = shape(1, 4, 16, 16, 27)
TINY = shape(1, 1, 1, 2, 3)


def window(block: int, width: int) -> list[list[int]]:
    """Attention to the last `width` positions."""
    return [list(range(max(0, t - width + 1), t + 1)) for t in range(block)]


def hexagonal(block: int, columns: int) -> list[list[int]]:
    """Positions laid out row by row on a honeycomb: each attends to its earlier neighbours and itself."""

    def adjacent(a: int, b: int) -> bool:
        (row_a, column_a), (row_b, column_b) = divmod(a, columns), divmod(b, columns)
        if row_a == row_b:
            return abs(column_a - column_b) == 1
        shift = 0 if row_a % 2 else -1  # odd rows stand half a cell to the right
        return row_a - row_b == 1 and column_b - column_a in (shift, shift + 1)

    return [[s for s in range(t) if adjacent(t, s)] + [t] for t in range(block)]


def draw(config: Config, name: str, sigma: float = 0.3, output_sigma: float | None = None) -> Matrices:
    """Normal parameters; `output_sigma` is that of attn_wo and mlp_fc2 if they are to differ."""
    generator = Generator(crc32(name.encode()))

    def sigma_of(matrix: str) -> float:
        is_output = matrix.endswith(("attn_wo", "mlp_fc2"))
        return output_sigma if is_output and output_sigma is not None else sigma

    return {
        matrix: [[generator.gauss(0.0, sigma_of(matrix)) for _ in range(columns)] for _ in range(rows)]
        for matrix, rows, columns in config.matrices()
    }


def normal(sigma: float, output_sigma: float | None = None) -> Draw:
    return lambda config, name: draw(config, name, sigma, output_sigma)


def constant(config: Config, value: float) -> Matrices:
    return {name: [[value] * columns for _ in range(rows)] for name, rows, columns in config.matrices()}


def all_of(value: float) -> Draw:
    return lambda config, name: constant(config, value)


def config_lines(config: Config) -> list[str]:
    return [
        "math exact",
        line("layers", config.layers),
        line("heads", config.heads),
        line("embedding", config.embedding),
        line("block", config.block),
        line("vocabulary", config.vocabulary),
        line("activation", config.activation),
        *(line("attend", *positions) for positions in config.attention),
    ]


def optimizer_lines(optimizer: Optimizer) -> list[str]:
    return [
        line("learning_rate", optimizer.learning_rate),
        line("beta1", optimizer.beta1),
        line("beta2", optimizer.beta2),
        line("epsilon", optimizer.epsilon),
        line("schedule", optimizer.schedule),
        line("steps", optimizer.steps),
    ]


def matrix_lines(matrices: Matrices, prefix: str = "") -> Iterator[str]:
    for name, rows in matrices.items():
        yield from tensor_lines(prefix + name, rows)


def document(config: Config, tokens: Iterable[int]) -> list[int]:
    bos = config.vocabulary - 1
    return [bos, *tokens, bos]


def random_document(config: Config, length: int, name: str) -> list[int]:
    source = chance(name)
    return document(config, (source.randrange(config.vocabulary - 1) for _ in range(length)))
