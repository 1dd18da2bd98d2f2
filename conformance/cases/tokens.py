"""Level 5: from lines to documents, vocabulary and tokens."""

from collections.abc import Iterator

from conformance.cases.case import Case, bad, dataset, text_line


def cases() -> Iterator[Case]:
    yield case("example", " emma ", "", "ava")
    yield case("one-letter", "a")
    yield case("same-letter", "aaaa", "aa", "a")
    yield case("white-space", "  a b  ", "\tc\t", "\r", "d\r", "\v\f e \n", " ", "")
    yield case("not-white-space", "\u00a0a\u00a0", "\u2003b", "\x1cc\x1f", "\x85d", "\u200be", "\ufeff")
    yield case("upper-and-lower", "Zoë", "zoe", "Ärger", "apple", "Banana", "éclair")
    yield case("digits-and-signs", "3-2=1", "~tilde~", "#1", "(x)", "a.b,c")
    yield case("non-ascii", "žofie", "łucja", "ñandú", "δάφνη", "мария", "さくら", "李雷", "fatıma")
    yield case("beyond-16-bits", "😀a😀", "𝔘𝔫𝔦", "\U0010ffff", "\uffff", "\ue000z")
    yield case("emoji", *dataset("emoji.txt"))
    yield case("kana", *dataset("kana.txt"))
    yield case("combining", "e\u0301", "é", "\u0301e")
    yield case("control-characters", "\x00a", "b\x7f", "\x01")
    yield case("repeated-lines", "ann", "ann", "bob", "ann")
    yield case("order-of-first-use", "zyx", "abc", "mno")
    yield case("long", "abcdefghijklmnopqrstuvwxyz" * 40, "z" * 1000)
    yield case("all-letters", *(chr(c) for c in range(ord("z"), ord("a") - 1, -1)))
    yield case(
        "many-characters",
        *("".join(chr(c) for c in range(c0, c0 + 64)) for c0 in range(0x4E00, 0x4E00 + 1920, 64)),
    )
    yield from bad(
        "tokens",
        {
            "no-lines": [],
            "only-empty": ["line", "line 32 9"],
            "surrogate": ["line 97 55296"],
            "past-unicode": ["line 1114112"],
            "hexadecimal": ["line 6a"],
            "unknown-key": ["line 97", "document 98"],
            "plus": ["line +97"],
            "too-many-characters": [f"line {' '.join(map(str, range(0x4E00, 0x4E00 + 2048)))}"],
        },
    )


def case(name: str, *lines: str) -> Case:
    return Case(name, "tokens", tuple(map(text_line, lines)))
