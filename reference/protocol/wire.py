"""The text form of requests and replies: blocks, fields, doubles, tensors and checksums (SPEC.md, sections
11 and 13).

Reading checks everything and says in one sentence what was wrong. What the fields mean stands in
`replies.py`.
"""

import math
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

LINE_LIMIT = 65536  # bytes, without the LF
REASON_LIMIT = 200  # bytes
TEXT_LIMIT = 10000  # code points
CHECKSUM_MODULUS = 4294967291  # the greatest prime below 2^32
IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")
VERB = re.compile(r"[!-~]+")
DOUBLE = re.compile(r"[0-9a-f]{16}")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,9}")


class BadRequest(Exception):
    """A request that breaks the protocol. The message is the reason that the reply gives."""


class Unsupported(Exception):
    """A request for a verb that this port does not have."""


def blocks(source: BinaryIO) -> Iterator[tuple[list[str], bool]]:
    """The lines of each block, without its `end`, and whether that `end` came before the input ended.

    The last line of the input may lack its LF. A line that is too long is cut one byte above the limit, where
    `Fields` refuses it.
    """
    lines: list[str] = []
    while line := source.readline(LINE_LIMIT + 1):
        if len(line) > LINE_LIMIT and not line.endswith(b"\n"):
            skip_line(source)
        line = line.removesuffix(b"\n")
        if line == b"end":
            yield lines, True
            lines = []
        else:
            lines.append(line.decode("latin-1"))
    if lines:
        yield lines, False


def skip_line(source: BinaryIO) -> None:
    """Read on to the next LF or the end of the input."""
    while (rest := source.readline(LINE_LIMIT)) and not rest.endswith(b"\n"):
        pass


def bits(x: float) -> int:
    """The pattern of a double as an integer; every NaN is the same."""
    return 0x7FF8000000000000 if x != x else int.from_bytes(struct.pack(">d", x), "big")


def hexadecimal(x: float) -> str:
    return hexadecimals((x,))


def hexadecimals(numbers: Sequence[float]) -> str:
    """The pattern of each as 16 digits, with a space between them; many at once cost a tenth."""
    quiet = [math.nan if x != x else x for x in numbers]
    return struct.pack(f">{len(quiet)}d", *quiet).hex(" ", 8)


def checksum(numbers: Iterable[float]) -> str:
    """Two running sums over the 32-bit halves of all patterns, as two words of 8 hex digits."""
    a, b = 1, 0
    for x in numbers:
        pattern = bits(x)
        for half in (pattern >> 32, pattern & 0xFFFFFFFF):
            a = (a + half) % CHECKSUM_MODULUS
            b = (b + a) % CHECKSUM_MODULUS
    return f"{a:08x} {b:08x}"


def tensor_lines(name: str, rows: Sequence[Sequence[float]]) -> Iterator[str]:
    yield f"tensor {name} {len(rows)} {len(rows[0])}"
    for row in rows:
        yield f"row {hexadecimals(row)}"


def excerpt(text: str) -> str:
    """What came, in quotes, cut and made safe for a line of printable ASCII with single spaces."""
    safe = re.sub(r"[^ -~]| (?= )", "?", text[:60])
    return f"'{safe[:40]}...'" if len(safe) > 43 else f"'{safe}'"


def reason(problem: BadRequest) -> str:
    """The reason that a reply gives: it is short, whatever the request held."""
    text = str(problem)
    return text if len(text) <= REASON_LIMIT else f"{text[: REASON_LIMIT - 3].rstrip()}..."


def double(key: str, word: str) -> float:
    if not DOUBLE.fullmatch(word):
        raise BadRequest(f"{key} takes doubles of 16 lower-case hex digits, not {excerpt(word)}")
    number: float = struct.unpack(">d", bytes.fromhex(word))[0]
    return math.nan if number != number else number


def decimal(key: str, word: str, low: int, high: int) -> int:
    if not DECIMAL.fullmatch(word):
        raise BadRequest(f"{key} takes decimal integers, not {excerpt(word)}")
    if not low <= int(word) <= high:
        raise BadRequest(f"{key} takes integers from {low} to {high}, not {word}")
    return int(word)


def listed(keys: Sequence[str]) -> str:
    return " ".join(keys) if len(keys) < 10 else f"{' '.join(keys[:4])} ... {keys[-1]}"


class Fields:
    """The lines of one request, read in order. What is not as it should be raises BadRequest."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.next = 0

    def header(self) -> tuple[str, str]:
        words = self.lines[0].split(" ") if self.lines else []
        self.next = 1
        if self.lines and len(self.lines[0]) > LINE_LIMIT:
            raise BadRequest(f"a line has at most {LINE_LIMIT} bytes; the first one has more")
        if len(words) != 2 or not VERB.fullmatch(words[0]) or not IDENTIFIER.fullmatch(words[1]):
            came = excerpt(self.lines[0]) if self.lines else "'end'"
            raise BadRequest(
                f"a request begins with a verb and an id of 1 to 64 letters digits . _ - not {came}"
            )
        return words[0], words[1]

    def next_key(self) -> str | None:
        """The first word of the next line; None at the end."""
        return self.lines[self.next].split(" ", 1)[0] if self.next < len(self.lines) else None

    def remaining_keys(self, known: Sequence[str]) -> Iterator[str]:
        """The key of each line that is left, for the caller to read; there must be one at least."""
        while True:
            key = self.next_key()
            if key is None or key not in known:
                came = "the end" if key is None else excerpt(key)
                raise BadRequest(f"expected a line {listed(known)} and not {came}")
            yield key
            if self.next_key() is None:
                return

    def values(self, key: str, exactly: int | None = None, at_least: int = 0) -> list[str]:
        """The words after `key` on the next line."""
        if self.next >= len(self.lines):
            raise BadRequest(f"expected a line {key} and not the end")
        line = self.lines[self.next]
        words = line.split(" ")
        if words[0] != key:
            raise BadRequest(f"expected a line {key} and not {excerpt(words[0])}")
        if len(line) > LINE_LIMIT:
            raise BadRequest(f"a line has at most {LINE_LIMIT} bytes; one of the key {key} has more")
        if not all(VERB.fullmatch(word) for word in words):
            raise BadRequest(
                f"the words of a line are printable ASCII with single spaces, not {excerpt(line)}"
            )
        count = len(words) - 1
        if exactly is not None and count != exactly:
            raise BadRequest(f"{key} takes {exactly} values, not {count}")
        if count < at_least:
            raise BadRequest(f"{key} takes at least {at_least} values, not {count}")
        self.next += 1
        return words[1:]

    def integer(self, key: str, low: int, high: int) -> int:
        return decimal(key, self.values(key, 1)[0], low, high)

    def integers(
        self, key: str, low: int, high: int, exactly: int | None = None, at_least: int = 0
    ) -> list[int]:
        return [decimal(key, word, low, high) for word in self.values(key, exactly, at_least)]

    def double(self, key: str) -> float:
        return double(key, self.values(key, 1)[0])

    def doubles(self, key: str, exactly: int | None = None, at_least: int = 0) -> list[float]:
        return [double(key, word) for word in self.values(key, exactly, at_least)]

    def count_and_doubles(self, key: str, exactly: int | None) -> tuple[int, list[float]]:
        """A number of draws from 0 to 1000, and as many doubles as stated, or 1 to 1000."""
        words = self.values(key) if exactly is None else self.values(key, exactly + 1)
        if len(words) < 2 and exactly is None:
            raise BadRequest(f"{key} takes a number of draws and at least one weight")
        if len(words) > 1001:
            raise BadRequest(f"{key} takes at most 1000 weights, not {len(words) - 1}")
        return decimal(key, words[0], 0, 1000), [double(key, word) for word in words[1:]]

    def choice(self, key: str, options: Sequence[str]) -> str:
        [word] = self.values(key, 1)
        if word not in options:
            raise BadRequest(f"{key} is {' or '.join(options)}, not {excerpt(word)}")
        return word

    def text(self, key: str) -> str:
        words = self.values(key)
        if len(words) > TEXT_LIMIT:
            raise BadRequest(f"a {key} has at most {TEXT_LIMIT} code points, not {len(words)}")
        points = [decimal(key, word, 0, 0x10FFFF) for word in words]
        if any(0xD800 <= point <= 0xDFFF for point in points):
            raise BadRequest(f"{key} takes Unicode code points, which surrogates (55296 to 57343) are not")
        return "".join(map(chr, points))

    def next_shape(self) -> tuple[int, int]:
        """The rows and columns of the tensor that comes next, which is left to be read."""
        before = self.next
        _, rows, columns = self.values("tensor", 3)
        self.next = before
        return decimal("tensor", rows, 1, 2048), decimal("tensor", columns, 1, 2048)

    def tensor(self, name: str, rows: int, columns: int) -> list[list[float]]:
        words = self.values("tensor", 3)
        if words != [name, str(rows), str(columns)]:
            came = " ".join(word[:20] for word in words)
            raise BadRequest(f"expected tensor {name} {rows} {columns} and not tensor {came}")
        return [self.doubles("row", columns) for _ in range(rows)]

    def finish(self) -> None:
        if self.next < len(self.lines):
            raise BadRequest(f"expected the end and not {excerpt(self.lines[self.next].split(' ')[0])}")
