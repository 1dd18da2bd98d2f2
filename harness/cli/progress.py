"""Shows progress: bars on a terminal, and in a pipe a line now and then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.build.runners import Prepared
from harness.cli.shared import note
from harness.fleet.listener import Listener
from harness.judge.climb import CaseResult
from harness.run.process import printable

SPOKEN = 20.0
"""Seconds between two words on progress where there is no terminal."""
Counted = Callable[[int, int, str], None]
"""Hears how many of how many are done, and of what."""


class _Estimate:
    """One line for all ports: how many are done, and how long the others took the last time."""

    def __init__(self, progress: Progress, expected: Mapping[str, float]) -> None:
        self._progress = progress
        self._left = dict(expected)
        self._ports = len(expected)
        self._task = progress.add_task("", total=max(1.0, sum(expected.values())))
        self.done("")

    def done(self, port: str) -> None:
        took = self._left.pop(port, 0.0)
        minutes = sum(self._left.values()) / 60 / (os.cpu_count() or 1)
        about = f"about {minutes:.0f} min left" if minutes >= 1 else "less than a minute left"
        text = f"{self._ports - len(self._left)} of {self._ports} ports, {about}"
        self._progress.update(self._task, advance=took, description=text)


class _Spoken(Listener):
    """What is being done with one port, as a line on standard error every SPOKEN seconds."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._last = time.monotonic()

    def _say(self, words: str) -> None:
        if time.monotonic() - self._last >= SPOKEN:
            self._last = time.monotonic()
            note(f"{self._name}: {words}")

    def building(self, line: str) -> None:
        self._say(printable(line, 70))

    def built(self, prepared: Prepared) -> None:
        self._say("starting")

    def judged(self, result: CaseResult) -> None:
        self._done += 1
        level = result.case.level
        self._say(f"level {level.number} {level.verb}, {self._done} of {self._total} cases")

    def tracing(self, case: str) -> None:
        self._say(f"tracing {case}")

    def diagnosing(self) -> None:
        self._say("comparing with known mistakes")

    def marking(self, mark: str) -> None:
        self._say(mark)


class _Bar(_Spoken):
    """One line of a terminal, with a bar of the cases."""

    def __init__(self, progress: Progress, name: str, total: int, estimate: _Estimate | None) -> None:
        super().__init__(name, total)
        self._progress = progress
        self._estimate = estimate
        self._task = progress.add_task(f"{name}: building", total=None)

    def _say(self, words: str) -> None:
        self._progress.update(self._task, total=None, description=f"{self._name}: {words}")

    def judged(self, result: CaseResult) -> None:
        level = result.case.level
        words = f"{self._name}: level {level.number:2} {level.verb}"
        self._progress.update(self._task, total=self._total, advance=1, description=words)

    def finished(self) -> None:
        self._progress.update(self._task, visible=False)
        if self._estimate is not None:
            self._estimate.done(self._name)


@contextmanager
def progress(
    console: Console, total: int, quiet: bool = False, expected: Mapping[str, float] | None = None
) -> Iterator[Callable[[str], Listener]]:
    """Makes a listener for each port: on a terminal it draws a bar of `total` cases.

    expected: the seconds that each port took the last time, for an estimate of what is left.
    """
    if quiet or not console.is_terminal:
        yield lambda name: Listener() if quiet else _Spoken(name, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        estimate = _Estimate(bars, expected) if expected else None
        yield lambda name: _Bar(bars, name, total, estimate)


@contextmanager
def counting(console: Console) -> Iterator[Counted]:
    """Counted work: a bar on a terminal; elsewhere a line every SPOKEN seconds and a last one."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, *times, console=console, transient=True) as bars:
            task = bars.add_task("starting", total=None)
            yield lambda done, total, what: bars.update(task, completed=done, total=total, description=what)
        return
    began = spoken = time.monotonic()

    def say(done: int, total: int, what: str) -> None:
        nonlocal spoken
        now = time.monotonic()
        if now - spoken >= SPOKEN or (done == total and spoken > began):
            spoken = now
            note(f"{done:,} of {total:,}: {what}")

    yield say


@contextmanager
def telling(console: Console) -> Iterator[Callable[[str], None]]:
    """Work whose end is not known: what it does now, on a terminal; elsewhere a line every SPOKEN seconds."""
    if console.is_terminal:
        with console.status("starting") as status:
            yield status.update
        return
    spoken = time.monotonic()

    def say(what: str) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= SPOKEN:
            spoken = time.monotonic()
            note(what)

    yield say
