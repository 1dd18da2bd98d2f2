"""Locks on files between processes, where the system has them; on Windows, where no port is built, none."""

from __future__ import annotations

from typing import IO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def exclusive(file: IO[str], wait: bool = True) -> None:
    """Hold `file` alone until it is closed. Raises BlockingIOError if somebody has it and `wait` is false."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def shared(file: IO[str]) -> None:
    """Hold `file` together with others until it is closed."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH)
