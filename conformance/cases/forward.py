"""Level 7: every activation of one document."""

from collections.abc import Iterator

from conformance.cases import models
from conformance.cases.case import Case


def cases() -> Iterator[Case]:
    for example in models.examples():
        yield Case(example.name, "forward", example.lines())
    yield from models.faults("forward")
