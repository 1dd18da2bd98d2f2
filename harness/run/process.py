"""A running port as the session sees it: bytes in, bytes out, an end, and nothing about where it runs.

`Process` is the whole interface. local.py and container.py implement it with `Pump`, which moves the bytes;
tests have an implementation without any process. Not for meaning: what the bytes say is protocol.py's
business.

    session --send--> [ Pump ] --stdin--> port
    session <--read-- [ Pump ] <--stdout-- port
                      [ Pump ] <--stderr-- port    (kept: the last part only)
"""

from __future__ import annotations

import errno
import os
import re
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.errors import LimitExceeded
from harness.run.limits import OPTIONS, Limits, size

TICK = 0.1
"""Longest wait in seconds between two looks at whether the process lives and how much memory it uses."""
CHUNK = 1 << 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Exit:
    """How a process ended: a code, or a signal, or for want of memory."""

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False

    def words(self) -> str:
        """As a sentence's end: 'the port ' + words."""
        if self.out_of_memory:
            return "was killed because it used all the memory it may have"
        if self.signal is not None:
            return f"was killed by {_signal_words(self.signal)}"
        assert self.code is not None
        if self.code == 127:
            return "ended with exit code 127, which means that its command was not found"
        if self.code == 126:
            return "ended with exit code 126, which means that its command could not be executed"
        if 128 < self.code < 128 + 65:
            return f"ended with exit code {self.code}, which stands for {_signal_words(self.code - 128)}"
        return f"ended with exit code {self.code}"


_SIGNALS = {  # by name: some systems lack some of them
    "SIGSEGV": "segmentation fault: memory was used that is not the program's",
    "SIGABRT": "abort: the program gave up by itself",
    "SIGFPE": "arithmetic fault, such as an integer division by zero",
    "SIGILL": "illegal instruction",
    "SIGBUS": "bus error",
    "SIGKILL": "killed from outside",
    "SIGTERM": "asked to end",
    "SIGPIPE": "it wrote to a closed pipe",
}


def _signal_words(number: int) -> str:
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"signal {number}"
    meaning = f", {_SIGNALS[name.name]}" if name.name in _SIGNALS else ""
    return f"signal {number} ({name.name}{meaning})"


class Process(Protocol):
    """One started port. Deadlines are values of time.monotonic()."""

    def send(self, data: bytes, deadline: float) -> int:
        """Write `data`; the number of bytes taken, fewer when the deadline passed or the port closed its
        input.
        """

    def read(self, deadline: float) -> bytes:
        """The next bytes of standard output, b'' at its end. Raises TimeoutError at the deadline."""

    def close_input(self) -> None:
        """End the port's standard input."""

    def exit_reason(self, deadline: float) -> Exit | None:
        """How the process ended, waiting for it until the deadline; None if it still runs."""

    def root_pid(self) -> int | None:
        """The first process of the port as this machine numbers it; None if that cannot be told."""

    def stderr_tail(self) -> tuple[str, ...]:
        """The last lines of standard error, fit to be shown."""

    def kill(self) -> None:
        """End the process with all its children and leave nothing behind. May be called twice."""


class StderrTail:
    """Keeps the end of standard error and counts how much came since the last request."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept = bytearray()
        self._count = 0

    def restart(self) -> None:
        self._count = 0

    def take(self, data: bytes) -> None:
        self._kept += data
        del self._kept[: -self._limits.stderr_kept]
        self._count += len(data)
        if self._count > self._limits.stderr:
            raise LimitExceeded(
                f"the port wrote more than {size(self._limits.stderr)} to its standard error",
                option=OPTIONS["stderr"],
            )

    def lines(self, number: int = 20) -> tuple[str, ...]:
        text = bytes(self._kept).decode("utf-8", errors="replace")
        return tuple(printable(line) for line in text.splitlines()[-number:])


def printable(line: str, width: int = 400) -> str:
    """A foreign line without colours and what could move a terminal's cursor, cut when it is very long."""
    line = _COLOUR.sub("", line)
    safe = "".join(c if c.isprintable() else " " if c == "\t" else f"\\x{ord(c):02x}" for c in line[:width])
    return safe if len(line) <= width else f"{safe}... ({len(line):,} characters)"


class Pump:
    """Moves bytes to and from file descriptors, never waiting for one direction alone, so that nothing can
    lock.

    `readers` maps a descriptor to what takes its bytes; b'' tells that it ended. `writer` is the process's
    input. Who builds a Pump owns the descriptors, makes them non-blocking, and closes them.
    """

    def __init__(self, limits: Limits, readers: dict[int, Callable[[bytes], None]], writer: int) -> None:
        self.limits = limits
        self.stderr = StderrTail(limits)
        self.readers = readers
        self.writer: int | None = writer
        self.output_ended = False
        self._output = bytearray()

    def take_output(self, data: bytes) -> None:
        """Sink for standard output. Bounded: while a request is being sent nobody reads what comes back."""
        if not data:
            self.output_ended = True
        self._output += data
        if len(self._output) > self.limits.output:
            raise LimitExceeded(
                f"the port wrote more than {size(self.limits.output)} before it had read the request",
                option=OPTIONS["output"],
            )

    def send(self, data: bytes, deadline: float, watch: Callable[[], bool]) -> int:
        """Write all of `data` unless the deadline passes or the input closes; returns the bytes taken.

        `watch` is called about every TICK: it may raise LimitExceeded, and tells whether the process has
        ended.
        """
        self.stderr.restart()
        taken = 0
        while taken < len(data) and self.writer is not None:
            late = time.monotonic() >= deadline
            if self._wait(deadline, writing=True, watch=watch):
                taken += self._write(data[taken : taken + CHUNK])
            elif late:
                break
        return taken

    def read(self, deadline: float, watch: Callable[[], bool]) -> bytes:
        """The next bytes of output, b'' at its end. Raises TimeoutError."""
        while not self._output and not self.output_ended:
            late = time.monotonic() >= deadline
            self._wait(deadline, writing=False, watch=watch)
            if late and not self._output and not self.output_ended:
                raise TimeoutError
        chunk = bytes(self._output)
        self._output.clear()
        return chunk

    def _wait(self, deadline: float, writing: bool, watch: Callable[[], bool]) -> bool:
        """Wait for at most a TICK and take in what came; true when the input can be written to."""
        ended = watch()
        poll = select.poll()
        for descriptor in self.readers:
            poll.register(descriptor, select.POLLIN)
        if writing and self.writer is not None:
            both = select.POLLOUT | (select.POLLIN if self.writer in self.readers else 0)
            poll.register(self.writer, both)
        wait = 0.0 if ended else min(TICK, max(0.0, deadline - time.monotonic()))
        writable, received = False, False
        for descriptor, events in poll.poll(wait * 1000):
            if writing and descriptor == self.writer and events & ~select.POLLIN:
                writable = True
            if descriptor in self.readers and events & ~select.POLLOUT:
                received = True
                self._receive(descriptor)
        if ended and not received:
            self.output_ended = True
        return writable

    def _receive(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.EIO, errno.EPIPE):
                raise
            data = b""
        sink = self.readers[descriptor] if data else self.readers.pop(descriptor)
        sink(data)

    def _write(self, data: bytes) -> int:
        assert self.writer is not None
        try:
            return os.write(self.writer, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                raise
            self.writer = None
            return 0
