"""Text to tokens."""

from __future__ import annotations

import random
from collections.abc import Iterator

from science.laws.asking import Asker
from science.laws.ledger import Assertion, law, true

FLOW = "text to tokens"
LETTERS = "abcxyzABZ é日ﬀ𝄞\u00a0\u3000-'"
"""Upper and lower case, one beyond the surrogates on either side, and white space of Unicode, which stays."""
SPACE = " \t\n\v\f\r"


def datasets() -> Iterator[tuple[str, list[str]]]:
    """Lines with white space at their ends and within, empty lines, characters of one to four bytes."""
    for seed in range(16):
        draw = random.Random(seed)
        lines = [_line(draw) for _ in range(draw.randint(1, 8))]
        yield f"dataset {seed}", [*lines, "b"]


def _line(draw: random.Random) -> str:
    inner = "".join(draw.choices(LETTERS, k=draw.randint(0, 6)))
    return draw.choice(("", " ", "\t ")) + inner + draw.choice(("", "\r", "  "))


def stripped(lines: list[str]) -> list[str]:
    return [line.strip(SPACE) for line in lines if line.strip(SPACE)]


@law(FLOW, "Decoding what was encoded gives the document back.", "return [self.bos, *(self.characters")
def encode_and_decode_are_inverse(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found = ask.tokens(lines)
        letters = "".join(map(chr, found["vocabulary"][0]))
        for index, (encoded, document) in enumerate(zip(found["encoded"], stripped(lines), strict=True)):
            decoded = "".join(letters[token] for token in encoded[1:-1])
            yield true(f"{name}, line {index}", decoded == document, f"{decoded!r} is not {document!r}")


@law(FLOW, "A document begins and ends with BOS and has none within.", "return [self.bos, *(self.characters")
def bos_at_both_ends_and_nowhere_else(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found = ask.tokens(lines)
        [bos] = found["bos"][0]
        for index, encoded in enumerate(found["encoded"]):
            holds = encoded[0] == bos == encoded[-1] and bos not in encoded[1:-1]
            yield true(f"{name}, line {index}", holds, f"{encoded} with BOS {bos}")


@law(
    FLOW,
    "The tokens are the distinct characters, in increasing order, and BOS comes after them.",
    "tuple(sorted({",
)
def vocabulary_is_the_sorted_set_of_characters(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found = ask.tokens(lines)
        [letters] = found["vocabulary"]
        yield true(f"{name}: increasing", letters == sorted(set(letters)), f"{letters}")
        yield true(f"{name}: those of the text", set(letters) == set(map(ord, "".join(stripped(lines)))))
        yield true(f"{name}: BOS is next", found["bos"] == [[len(letters)]], f"BOS {found['bos']}")


@law(
    FLOW,
    "Only lines with something in them are documents, and their order stays.",
    "return [line for line in stripped if line]",
)
def documents_are_the_lines_that_are_not_empty(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found = ask.tokens(lines)
        number = len(stripped(lines))
        yield true(
            f"{name}: counted", found["documents"] == [[number]], f"{found['documents']}, not {number}"
        )
        lengths = [len(encoded) - 2 for encoded in found["encoded"]]
        yield true(f"{name}: lengths", lengths == [len(line) for line in stripped(lines)], f"{lengths}")


@law(FLOW, "The order of the lines changes no token.", "tuple(sorted({")
def order_of_lines_changes_no_token(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found, turned = ask.tokens(lines), ask.tokens(lines[::-1])
        yield true(f"{name}: vocabulary", found["vocabulary"] == turned["vocabulary"])
        yield true(f"{name}: encodings", found["encoded"] == turned["encoded"][::-1])


@law(FLOW, "Saying everything twice adds documents and no token.", "tuple(sorted({")
def repetition_adds_no_token(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        found, twice = ask.tokens(lines), ask.tokens([*lines, *lines])
        yield true(f"{name}: vocabulary", found["vocabulary"] == twice["vocabulary"])
        yield true(f"{name}: encodings", found["encoded"] * 2 == twice["encoded"])


@law(FLOW, "White space at the ends makes no difference.", "line.strip(WHITE_SPACE)")
def white_space_at_the_ends_makes_no_difference(ask: Asker) -> Iterator[Assertion]:
    for name, lines in datasets():
        padded = [f"\v {line}\f\n" for line in lines]
        yield true(name, ask.tokens(padded) == ask.tokens(lines))
