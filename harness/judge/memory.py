"""The mark `memory`: one process trains and samples a little, much, and as much again, and must not grow.

What it has after much may be more than after a little: a garbage collector takes its time. What it has after
as much again may not be more by far, since nothing is left to remember.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from conformance.messages import Request
from harness.run.limits import KIB, MIB, size
from harness.run.session import Session

LITTLE, MUCH = (100, 20), (500, 200)  # steps, samples
ALLOWED = 64 * MIB  # of growth, each time
_NAMES = ("emma", "olivia", "ava", "noah", "liam", "mia", "zoe", "quinn")


@dataclass(frozen=True)
class Growth:
    """The greatest memory in bytes that a process has had: after a little work, much, and as much again."""

    little: int
    much: int
    again: int

    @property
    def is_leak(self) -> bool:
        return self.much - self.little > ALLOWED and self.again - self.much > ALLOWED

    def words(self) -> str:
        after = "{} steps and {} samples".format
        return (
            f"{size(self.little)} of memory after {after(*LITTLE)}, "
            f"{size(self.much)} after {after(*MUCH)} more, {size(self.again)} after as many again"
        )


def look(session: Session, peak: Callable[[int], int] | None = None) -> Growth | None:
    """None where the process cannot be looked at. Raises what Session.ask raises."""
    peak = peak or peak_of
    session.kill()
    seen = []
    for number, (steps, samples) in enumerate((LITTLE, MUCH, MUCH), start=1):
        session.ask(_work(number, steps, samples))
        root = session.root_pid()
        seen.append(peak(root) if root is not None else 0)
    session.kill()
    return Growth(*seen) if all(seen) else None


def peak_of(root: int) -> int:
    """The greatest resident memory in bytes that the processes of a tree have had, added up; 0 if unknown."""
    total = 0
    with contextlib.suppress(psutil.Error, OSError, ValueError):
        first = psutil.Process(root)
        for process in (first, *first.children(recursive=True)):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
            [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
            total += int(line.split()[1]) * KIB
    return total


def _work(number: int, steps: int, samples: int) -> Request:
    # Other names each time, so that a memo of everything that was ever computed grows, too.
    names = [name[number % len(name) :] + name[: number % len(name)] for name in _NAMES]
    lines = (" ".join(["line", *(str(ord(letter)) for letter in name)]) for name in names)
    numbers = (f"steps {steps}", f"samples {samples}")
    return Request("run", f"memory-{number}", ("math exact", "preset seed", *numbers, *lines))
