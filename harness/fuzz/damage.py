"""Good requests, damaged: what a port must answer with an error, and keep running.

Damage may leave a request right, or make several of one (`end` in the middle): the reference's own reading
decides what came out of it, and so what the port owes. Numbers are never made larger, since the reference
would have to train for as many steps.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from conformance.messages import Request, request_of
from harness.fuzz.doubles import mostly
from harness.fuzz.requests import ID, good
from harness.run.protocol import MAX_LINE

Lines = list[bytes]
MIB = 2**20

WORDS: tuple[bytes, ...] = (
    *(b"", b"-1", b"+1", b"01", b"00", b"0", b"1.0", b"1e3", b"0x10", b"1_000", b"\xb2"),
    *(b"1024", b"4097", b"4294967296", b"9999999999", b"99999999999", b"18446744073709551617", b"-0"),
    *(b"55296", b"57343", b"1114112", b"nan", b"inf", b"none", b"NaN", b"3.14", b"end", b"row", b"tensor"),
    *(b"3ff000000000000", b"3ff00000000000000", b"3FF8000000000000", b"3ff000000000000g", b"0x3ff0000000000"),
    *(b"+ff0000000000000", b"3ff0000000000000\r", b"\xef\xbc\x91", b"exact,", b"causal", b"gelu"),
)
JUNK_LINES: tuple[bytes, ...] = (
    *(b"", b" ", b"\t", b"end ", b" end", b"END", b"end\r", b"end end", b"end 1", b"endless", b"\x00"),
    *(b"row", b"math exact", b"root 0", b"tensor wte 1 1", b"tensor x 2048 2048", b"tokens", b"attend 0"),
    *(b"line 4294967296", b"steps 99999999999", b"hello fuzz", b"ok fuzz", b"error fuzz no", b"# comment"),
    *(b"layers 16", b"embedding 512", b"block 1024", b"vocabulary 2048", b"\xff\xfe", b"{}", b"state 624"),
)
HEADERS: tuple[bytes, ...] = (
    *(b"", b"fuzz", b"grap fuzz", b"graphs fuzz", b"GRAPH fuzz", b"graph", b"graph ", b" graph fuzz"),
    *(
        b"graph  fuzz",
        b"graph fuzz fuzz",
        b"graph fuzz ",
        b"graph\tfuzz",
        b"graph f\xc3\xbczz",
        b"graph fu/zz",
    ),
    *(b"graph " + b"i" * 64, b"graph " + b"i" * 65, b"unknown " + b"i" * 65, b"%s fuzz", b"graph %s%n"),
    *(b"graph -", b"graph .", b"ok fuzz", b"error fuzz", b"../graph fuzz", b"graph fuzz\r", b"\x00 fuzz"),
)
NOISE: tuple[bytes, ...] = (
    b"\x00",
    b"\t",
    b"\r",
    b" ",
    b"  ",
    b"-",
    b"+",
    b".",
    b",",
    b"g",
    b"A",
    b"\x7f",
    b"\x80",
    b"\xff",
)
LENGTHS = (MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 2 * MAX_LINE, MIB, 4 * MIB)


# ---------------------------------------------------------------- one kind of damage each


def delete(lines: Lines, i: int, j: int) -> Lines:
    return [*lines[:i], *lines[i + 1 :]]


def repeat(lines: Lines, i: int, j: int) -> Lines:
    return [*lines[: i + 1], *lines[i:]]


def swap(lines: Lines, i: int, j: int) -> Lines:
    changed = list(lines)
    changed[i], changed[j] = changed[j], changed[i]
    return changed


def cut_short(lines: Lines, i: int, j: int) -> Lines:
    return lines[:i]


def carriage_returns(lines: Lines, i: int, j: int) -> Lines:
    return [*lines[:i], *(line + b"\r" for line in lines[i:])]


def on_words(change: Callable[[list[bytes], int], list[bytes]]) -> Callable[[Lines, int, int], Lines]:
    """Damage to the words of one line."""

    def changed(lines: Lines, i: int, j: int) -> Lines:
        words = lines[i].split(b" ")
        return [*lines[:i], b" ".join(change(words, j % len(words))), *lines[i + 1 :]]

    return changed


def shifted(word: bytes) -> bytes:
    """A count that is one off; a wrong digit of what is no number."""
    if word.isdigit() and len(word) < 10:
        return b"%d" % (int(word) - 1 if int(word) else 1)
    return word[:-1] + (b"0" if word[-1:] != b"0" else b"1")


WITHOUT_ARGUMENT: tuple[Callable[[Lines, int, int], Lines], ...] = (
    delete,
    repeat,
    swap,
    cut_short,
    carriage_returns,
    on_words(lambda words, j: words[:j] + words[j + 1 :]),
    on_words(lambda words, j: words[: j + 1] + words[j:]),
    on_words(lambda words, j: [*words[:j], words[-1], *words[j + 1 : -1], words[j]]),
    on_words(lambda words, j: [*words[:j], words[j].upper(), *words[j + 1 :]]),
    on_words(lambda words, j: [*words[:j], shifted(words[j]), *words[j + 1 :]]),
    on_words(lambda words, j: [*words[:j], b"", *words[j:]]),
)


def replace_word(word: bytes) -> Callable[[Lines, int, int], Lines]:
    return on_words(lambda words, j: [*words[:j], word, *words[j + 1 :]])


def insert_line(line: bytes) -> Callable[[Lines, int, int], Lines]:
    return lambda lines, i, j: [*lines[:i], line, *lines[i:]]


def replace_header(line: bytes) -> Callable[[Lines, int, int], Lines]:
    return lambda lines, i, j: [line, *lines[1:]]


def insert_noise(noise: bytes) -> Callable[[Lines, int, int], Lines]:
    def changed(lines: Lines, i: int, j: int) -> Lines:
        line = lines[i]
        place = j % (len(line) + 1)
        return [*lines[:i], line[:place] + noise + line[place:], *lines[i + 1 :]]

    return changed


def lengthen(length: int, filler: bytes) -> Callable[[Lines, int, int], Lines]:
    """A line of this many bytes: one endless word, or the last word again and again."""

    def changed(lines: Lines, i: int, j: int) -> Lines:
        line = lines[i]
        more = filler or b" " + line.split(b" ")[-1]
        return [*lines[:i], (line + more * (length // len(more)))[: max(length, len(line))], *lines[i + 1 :]]

    return changed


DAMAGES: SearchStrategy[Callable[[Lines, int, int], Lines]] = st.one_of(
    *map(st.just, WITHOUT_ARGUMENT),
    st.sampled_from(WORDS).map(replace_word),
    st.sampled_from(JUNK_LINES).map(insert_line),
    st.sampled_from(NOISE).map(insert_noise),
    st.sampled_from(HEADERS).map(replace_header),
)
LONG = st.builds(
    lambda length, filler: [lengthen(length, filler)],
    st.sampled_from(LENGTHS),
    st.sampled_from((b"", b"0", b"x", b" ", b"\xff")),
)
PLACES = st.integers(0, 3000)
SOME_DAMAGES = st.lists(DAMAGES, min_size=1, max_size=2)


# ---------------------------------------------------------------- requests


@st.composite
def damaged(draw: DrawFn, verb: str) -> list[Request]:
    """What a damaged request of this verb comes to: mostly one request, sometimes several."""
    lines = draw(good(verb)).text().encode("ascii").split(b"\n")[:-1]
    for hurt in draw(mostly(SOME_DAMAGES, LONG, 40)):
        lines = lines or [b""]
        place, j = draw(PLACES), draw(PLACES)
        # Below the first line, which hides what comes after it, but for one time in twenty.
        i = 1 + place % (len(lines) - 1) if len(lines) > 1 and place % 20 else 0
        lines = hurt(lines, i, j % len(lines) if hurt is swap else j)
    return requests_of(b"".join(line + b"\n" for line in lines))


@st.composite
def cut_off(draw: DrawFn, verb: str) -> list[Request]:
    """The beginning of a request, its first line at least, after which the input is to end."""
    data = draw(good(verb)).data()
    first, last = data.index(b"\n") + 1, len(data) - len(b"end\n")
    place = first + draw(PLACES) % (last - first + 1)
    return [Request(verb, ID, raw=data[:place])]


def bad(verb: str) -> SearchStrategy[list[Request]]:
    return damaged(verb)


def requests_of(data: bytes) -> list[Request]:
    """Cut `data` after each line `end`, one is added if the last is no such line, and read what came out."""
    if data and not data.endswith(b"\n"):
        data += b"\n"
    if data != b"end\n" and not data.endswith(b"\nend\n"):
        data += b"end\n"
    found: list[Request] = []
    start = 0
    while start < len(data):
        end = start + 4 if data.startswith(b"end\n", start) else data.index(b"\nend\n", start) + 5
        found.append(request_of(data[start:end]))
        start = end
    return found
