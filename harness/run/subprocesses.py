"""Runs a long command with its output shown line by line, kept in a log, and ended for certain when time is
up.

For builds, downloads and bootstraps. Not for ports: those talk both ways, see process.py.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.run.limits import MIB
from harness.run.process import printable
from harness.run.reaper import MARK, kill_marked, owner

OnLine = Callable[[str], None]
TAIL = 20
_LONGEST_LINE = 4 * MIB
_LONGEST_LOG = 32 * MIB
_TICK = 0.1


@dataclass(frozen=True)
class Finished:
    """How a command ended: its exit code (negative: the signal), None when it ran out of time, and its last
    lines.
    """

    code: int | None
    tail: tuple[str, ...]
    seconds: float


def silent(line: str) -> None:
    """An on_line for callers that show nothing."""


def shown_lines(raw: str) -> Iterable[str]:
    """The usual translation of a line of output: what a terminal would show of it at the end."""
    return (printable(raw.rstrip("\r").rpartition("\r")[2]),)


@dataclass(frozen=True)
class How:
    """What a command may need: a folder and an environment that are not this process's, an end after so many
    seconds of silence, and another translation of a line of its output than the usual one.
    """

    folder: Path | None = None
    environment: Mapping[str, str] | None = None
    quiet_seconds: float | None = None
    translate: Callable[[str], Iterable[str]] = shown_lines


def run(
    command: Sequence[str],
    *,
    log: Path,
    seconds: float,
    on_line: OnLine = silent,
    how: How = How(),  # noqa: B008 - it cannot be changed
) -> Finished:
    """Run `command` to its end, or kill it with all its children after `seconds`.

    Both of its outputs go to `on_line` and to the file `log`. Raises OSError when it cannot start.
    """
    mark = owner().hold()
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as kept:
            return _run(command, mark, kept, seconds, on_line, how)
    finally:
        owner().release(mark)


def _run(
    command: Sequence[str],
    mark: str,
    kept: IO[str],
    seconds: float,
    on_line: OnLine,
    how: How,
) -> Finished:
    quiet_seconds = how.quiet_seconds or seconds
    began = heard = time.monotonic()
    tail: deque[str] = deque(maxlen=TAIL)
    process = subprocess.Popen(
        command,
        cwd=how.folder,
        env={**(os.environ if how.environment is None else how.environment), MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        lines = _Lines(process.stdout.fileno())
        while not lines.ended:
            over = process.poll() is not None
            got = lines.read(0.0 if over else _TICK)
            for raw in got:
                for line in how.translate(raw):
                    tail.append(line)
                    on_line(line)
                    if kept.tell() < _LONGEST_LOG:
                        kept.write(line + "\n")
            kept.flush()
            now = time.monotonic()
            heard = now if lines.heard else heard
            if over and not lines.heard:
                break
            if not over and (now - began > seconds or now - heard > quiet_seconds):
                return Finished(None, tuple(tail), now - began)
        left = max(0.0, seconds - (time.monotonic() - began))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(left)
        return Finished(process.returncode, tuple(tail), time.monotonic() - began)
    finally:
        if process.poll() is None:
            process.kill()
        kill_marked(mark)
        process.wait()
        process.stdout.close()


class _Lines:
    """Lines from a descriptor, without ever waiting longer than asked."""

    def __init__(self, descriptor: int) -> None:
        self.ended = False
        self.heard = False
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)
        self._rest = b""

    def read(self, wait: float) -> list[str]:
        """The lines that came within `wait` seconds; `heard` tells whether anything came at all."""
        self.heard = bool(self._poll.poll(wait * 1000))
        if not self.heard:
            return []
        data = os.read(self._descriptor, MIB)
        if not data:
            self.ended = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (self.ended or len(self._rest) > _LONGEST_LINE):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", errors="replace") for line in lines]
