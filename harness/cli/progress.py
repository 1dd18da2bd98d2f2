"""Shows progress on a terminal while a port is built and judged; in a pipe it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.build.runners import Prepared
from harness.fleet.conform import Listener
from harness.judge.climb import CaseResult
from harness.run.process import printable


class _Bar(Listener):
    """One line: what is being built, then level, case and how many are done."""

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress = progress
        self._name = name
        self._total = total
        self._task = progress.add_task(f"{name}: building", total=None)

    def building(self, line: str) -> None:
        self._progress.update(self._task, description=f"{self._name}: {printable(line, 70)}")

    def built(self, prepared: Prepared) -> None:
        self._progress.update(self._task, description=f"{self._name}: starting", total=self._total)

    def judged(self, result: CaseResult) -> None:
        level = result.case.level
        self._progress.update(
            self._task, advance=1, description=f"{self._name}: level {level.number:2} {level.verb}"
        )

    def tracing(self, case: str) -> None:
        self._progress.update(self._task, total=None, description=f"{self._name}: tracing {case}")

    def diagnosing(self) -> None:
        self._progress.update(
            self._task, total=None, description=f"{self._name}: comparing with known mistakes"
        )

    def finished(self) -> None:
        self._progress.update(self._task, visible=False)


@contextmanager
def progress(console: Console, total: int, quiet: bool = False) -> Iterator[Callable[[str], Listener]]:
    """Makes a listener for each port: on a terminal it draws a bar of `total` cases, elsewhere nothing."""
    if quiet or not console.is_terminal:
        yield lambda name: Listener()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        yield lambda name: _Bar(bars, name, total)
