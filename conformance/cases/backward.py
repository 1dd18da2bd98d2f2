"""Level 8: the gradient of every parameter."""

from collections.abc import Iterator

from conformance.cases import models
from conformance.cases.case import Case


def cases() -> Iterator[Case]:
    for example in models.examples():
        yield Case(example.name, "backward", example.lines())
    yield from models.faults("backward")
