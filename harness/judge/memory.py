"""Whether memory grows from step to step: one process trains twice, the second time five times as long."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import psutil

from conformance.messages import Request
from harness.run.limits import KIB, MIB, size
from harness.run.session import Session

SHORT, LONG = 100, 500  # steps
ALLOWED = 64 * MIB  # of growth; a garbage collector may also double what it has
_NAMES = ("emma", "olivia", "ava", "noah", "liam", "mia", "zoe", "quinn")


def look(session: Session, peak: Callable[[int], int] | None = None) -> str:
    """A sentence for the report; '' where the process cannot be looked at. Raises what Session.ask raises."""
    peak = peak or peak_of
    session.kill()
    seen = []
    for steps in (SHORT, LONG):
        session.ask(_training(steps))
        root = session.root_pid()
        seen.append(peak(root) if root is not None else 0)
    session.kill()
    return words(*seen) if all(seen) else ""


def words(before: int, after: int) -> str:
    """What two peaks in bytes come to."""
    found = f"{size(before)} of memory after {SHORT} steps, {size(after)} after {LONG} more"
    if after - before > ALLOWED and after > 2 * before:
        return f"memory grows from step to step, and must not (SPEC.md, section 11): {found}"
    return found


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


def _training(steps: int) -> Request:
    lines = (" ".join(["line", *(str(ord(letter)) for letter in name)]) for name in _NAMES)
    return Request(
        "run", f"memory-{steps}", ("math exact", "preset seed", f"steps {steps}", "samples 0", *lines)
    )
