"""What `microgpt` trains with where ports are at hand: the fastest one that is built or builds here.

The reference finds it through the entry point `microgpt.engines`, and so imports nothing from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from conformance.messages import Request
from harness.errors import ConformError
from harness.judge.check import engine
from reference.app.refusal import Refusal


@dataclass(frozen=True)
class Port:
    """Answers requests of the protocol for `microgpt`."""

    name: str
    engine: engine.Engine

    def ask(self, verb: str, lines: Sequence[str]) -> Sequence[str]:
        """The lines of the reply. Raises Refusal if the port fails or refuses."""
        try:
            reply = self.engine.ask(Request(verb, "garden", tuple(lines)))
        except ConformError as problem:
            raise Refusal(
                f"the port {self.name} failed: {problem}; '--engine reference' does without"
            ) from None
        if not reply.ok:
            raise Refusal(
                f"the port {self.name} refused to {verb}: {reply.reason}; '--engine reference' does without"
            )
        return reply.lines


@contextmanager
def fastest() -> Iterator[Port | None]:
    """The fastest port that starts here, None if none does."""
    with engine.fastest() as found:
        yield None if found.session is None else Port(found.name, found)
