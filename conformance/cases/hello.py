"""Level 1: a port says who it is, and lives on after what it does not understand."""

from collections.abc import Iterator

from conformance.cases.case import Case, bad


def cases() -> Iterator[Case]:
    yield Case("example", "hello", ())
    yield Case("unknown-verb", "sing", ())
    yield Case(
        "unknown-verb-with-lines", "train-backwards", ("math exact", "tokens 1 2", "row 0000000000000000")
    )
    yield from bad("hello", {"unexpected-line": ["name somebody"], "empty-line": [""]})
    yield Case("again", "hello", ())
