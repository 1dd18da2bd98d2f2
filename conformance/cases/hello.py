"""Level 1: a port says who it is. Beside it: what a first line may be, how long a line, where input ends."""

from collections.abc import Iterator

from conformance.cases.case import Case, bad
from reference.protocol.wire import LINE_LIMIT

# What stands in place of the first line; none of these has a verb and an id.
FIRST_LINES = {
    "empty": b"",
    "verb-alone": b"hello",
    "three-words": b"hello one two",
    "two-spaces": b"hello  x",
    "space-before": b" hello x",
    "space-after": b"hello x ",
    "tab": b"hello\tx",
    "carriage-return": b"hello x\r",
    "nul-in-verb": b"\0hello x",
    "control-in-verb": b"hel\x07lo x",
    "delete-in-verb": b"hello\x7f x",
    "latin-1-in-verb": b"hell\xf6 x",
    "utf-8-in-id": "hello zoë".encode(),
    "nul-in-id": b"hello x\0",
    "slash-in-id": b"hello a/b",
    "long-id": b"hello " + b"i" * 65,
    "long-line": b"hello " + b"i" * (LINE_LIMIT - len("hello ") + 1),
    "long-unknown-verb": b"v" * (LINE_LIMIT - 1) + b" x",  # 65,537 bytes: even so, no id counts
}


def cases() -> Iterator[Case]:
    yield Case("example", "hello")
    yield Case("again", "hello")
    yield Case("an-id-of-64-characters-is-as-long-as-one-can-be-in-this-protocol", "hello")
    yield Case("unknown-verb", "sing", robust=True)
    lines = ("math exact", "tokens 1 2", "row 0000000000000000")
    yield Case("unknown-verb-with-lines", "train-backwards", lines, robust=True)
    yield Case("unknown-verb-of-signs", '%s{}\\"!~', robust=True)
    yield Case("unknown-verb-end", "end", robust=True)
    yield Case("unknown-verb-upper-case", "HELLO", robust=True)
    yield from bad("hello", {"unexpected-line": ["name somebody"], "empty-line": [""]})
    yield from bad("hello", {"end-with-space": ["end "], "end-with-carriage-return": ["end\r"]})
    for name, line in FIRST_LINES.items():
        yield Case(f"error-first-line-{name}", "hello", robust=True, raw=line + b"\nname x\nend\n")
    yield Case("error-first-line-end", "hello", robust=True, raw=b"end\n")
    yield Case("id-of-all-kinds", "hello", robust=True, raw=b"hello -Az.09_\nend\n")
    # The input ends here, so these need a process of their own.
    yield Case("last-line-without-lf", "hello", robust=True, raw=b"hello last-line-without-lf\nend")
    yield Case("error-input-ends", "hello", robust=True, raw=b"hello error-input-ends\n")
    yield Case("error-input-ends-in-end", "hello", robust=True, raw=b"hello error-input-ends-in-end\nen")
    yield Case("error-input-ends-in-first-line", "hello", robust=True, raw=b"hel")
