"""Whoever wants to know what happens while a port is judged."""

from __future__ import annotations

from harness.build.runners import Prepared
from harness.judge.climb import CaseResult


class Listener:
    """Is told what happens while a port is judged. This one does nothing; the terminal's shows progress."""

    def building(self, line: str) -> None:
        """A line of the build's output."""

    def built(self, prepared: Prepared) -> None:
        """The port is ready to start."""

    def judged(self, result: CaseResult) -> None:
        """One case is done."""

    def marking(self, mark: str) -> None:
        """One of the marks beside the levels is being asked."""

    def tracing(self, case: str) -> None:
        """The first divergence is being traced."""

    def diagnosing(self) -> None:
        """The wrong replies are compared with those of known mistakes."""

    def searching(self, case: str) -> None:
        """Smaller requests are asked that fail like this case."""

    def finished(self) -> None:
        """There is nothing more to do for this port."""
