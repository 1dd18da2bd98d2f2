"""One conversation with a port: a request in, its reply or a named fault out.

After any fault the process is killed and the next request gets a fresh one, so that no late answer is ever
read as the answer to another request. Not for judging replies: an `error` reply is a reply like any other.

    with Session(launch, limits) as session:
        reply = session.ask(Request("hello", "h1"))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from conformance.messages import Reply, Request
from harness.errors import ConformError, LimitExceeded, PortCrashed, ProtocolFault
from harness.run.limits import OPTIONS, Limits, seconds
from harness.run.process import Process
from harness.run.protocol import ReplyReader, excerpt

__all__ = ["Limits", "Session", "Timing"]

_END_SECONDS = 5.0
"""How long a port may take to exit after its input ended."""
_EXIT_SECONDS = 2.0
"""How long the end of the process may follow the end of its output."""


@dataclass
class Timing:
    """Where the seconds went. What is neither waiting nor starting is the harness's own share."""

    requests: int = 0
    launches: int = 0
    starting: float = 0.0
    waiting: float = 0.0
    total: float = 0.0

    @property
    def overhead(self) -> float:
        return self.total - self.waiting - self.starting


@dataclass
class _Wait:
    """How long one answer may take, in the words that a fault needs."""

    seconds: float
    options: tuple[str, ...]
    began: float = field(default_factory=time.monotonic)

    @property
    def deadline(self) -> float:
        return self.began + self.seconds


class Session:
    """Asks a port, starting and replacing its process as needed. `notes` collects what is odd, not wrong."""

    def __init__(self, launch: Callable[[], Process], limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.translate: Callable[[Request], Request] = lambda request: request  # before a request is sent
        self.timing = Timing()
        self.notes: list[str] = []
        self._launch = launch
        self._process: Process | None = None
        self._last_id = ""

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def ask(self, request: Request, timeout: float | None = None, last: bool = False) -> Reply:
        """Send one request and read its reply, within `timeout` seconds (the request limit when None).

        With `last` the port's input ends after it.

        The first request of a fresh process may take the start limit longer; a `hello` gets the start limit
        alone. Raises LimitExceeded, PortCrashed, ProtocolFault or MachineFault; the port then starts afresh.
        """
        began = time.monotonic()
        request = self.translate(request)
        try:
            return self._ask(request, self._wait(self.limits.request if timeout is None else timeout), last)
        except ConformError as error:
            if self._process is not None and not error.log and error.outcome != "machine":
                error.log = self._process.stderr_tail()
            self.kill()
            raise
        except BaseException:
            self.kill()
            raise
        finally:
            self.timing.requests += 1
            self.timing.total += time.monotonic() - began

    def ask_last(self, request: Request) -> Reply:
        """Send a request, end the input, and read the reply: the request lacks its `end`, or that its LF.

        Raises what `ask` raises, and PortCrashed if the port does not end as it should.
        """
        reply = self.ask(request, last=True)
        noted = len(self.notes)
        self.close()
        if len(self.notes) > noted:
            raise PortCrashed(self.notes.pop())
        return reply

    def close(self) -> None:
        """End the port's input, expect nothing more from it, and see it exit.

        Raises ProtocolFault for output that nobody asked for. A port that does not exit, or exits with
        another code than 0, is killed if need be and noted in `notes`.
        """
        if self._process is None:
            return
        process = self._process
        deadline = time.monotonic() + _END_SECONDS
        try:
            process.close_input()
            while chunk := process.read(deadline):
                raise self._unasked(chunk)
            end = process.exit_reason(deadline)
        except TimeoutError:
            end = None
        except LimitExceeded as error:
            self.notes.append(f"after its input had ended, {error.message}")
            return
        finally:
            self.kill()
        if end is None:
            self.notes.append(
                f"the port did not exit within {seconds(_END_SECONDS)} after its input ended, and was killed"
            )
        elif end.code != 0:
            self.notes.append(f"after its input had ended, the port {end.words()}; expected exit code 0")

    def kill(self) -> None:
        """End the process at once, whatever it is doing. The next request gets a fresh one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()

    def root_pid(self) -> int | None:
        """The first process of the running port; None if there is none or it cannot be told."""
        return self._process.root_pid() if self._process is not None else None

    def _wait(self, timeout: float) -> _Wait:
        """How long one answer may take: never longer than the run. Raises LimitExceeded when that is over."""
        left = self.limits.run - self.timing.total
        if left <= 0:
            raise LimitExceeded(
                f"the port was asked for {seconds(self.timing.total)} in all, and a run may take "
                f"{seconds(self.limits.run)}",
                option=OPTIONS["run"],
            )
        return _Wait(left, (OPTIONS["run"],)) if left < timeout else _Wait(timeout, (OPTIONS["request"],))

    def _ask(self, request: Request, wait: _Wait, last: bool) -> Reply:
        process, wait = self._ready(request, wait)
        data = request.data()
        reader = ReplyReader(request.id, self.limits.output)
        try:
            with _Waiting(self.timing, request):
                taken = process.send(data, wait.deadline)
            if taken < len(data) and time.monotonic() >= wait.deadline:
                raise LimitExceeded(
                    f"the port took only {taken:,} of the {len(data):,} bytes of the request '{request.id}' "
                    f"within {seconds(wait.seconds)}",
                    option=wait.options[0],
                    hint=_raises(wait.options),
                )
            if last:
                process.close_input()
            while True:
                with _Waiting(self.timing, request):
                    chunk = process.read(wait.deadline)
                if not chunk:
                    given = f"; it had given {reader.progress()}"
                    raise self._ended(process, f"while it was answering '{request.id}'", given)
                if reply := reader.feed(chunk):
                    self._last_id = request.id
                    return reply
                if time.monotonic() >= wait.deadline:
                    raise TimeoutError
        except TimeoutError:
            raise LimitExceeded(
                f"the port gave {reader.progress()} to '{request.id}' within {seconds(wait.seconds)}",
                option=wait.options[0],
                hint=_raises(wait.options),
            ) from None

    def _ready(self, request: Request, wait: _Wait) -> tuple[Process, _Wait]:
        """A process that waits for a request, and how long its answer may take, from now on."""
        if self._process is not None:
            self._expect_silence(self._process, request)
            return self._process, _Wait(wait.seconds, wait.options)
        began = time.monotonic()
        self._process = self._launch()
        self.timing.launches += 1
        self.timing.starting += time.monotonic() - began
        if request.verb == "hello":
            return self._process, _Wait(self.limits.start, (OPTIONS["start"],))
        return self._process, _Wait(wait.seconds + self.limits.start, (*wait.options, OPTIONS["start"]))

    def _expect_silence(self, process: Process, request: Request) -> None:
        """Between two requests a port says nothing and lives."""
        try:
            chunk = process.read(0.0)
        except TimeoutError:
            return
        if chunk:
            raise self._unasked(chunk)
        between = f"between its reply to '{self._last_id}' and the request '{request.id}'"
        raise self._ended(process, between, "")

    def _unasked(self, chunk: bytes) -> ProtocolFault:
        return ProtocolFault(
            f"after its reply to '{self._last_id}' the port wrote {excerpt(chunk)} unasked; "
            "a port answers once and then waits for the next request"
        )

    def _ended(self, process: Process, when: str, given: str) -> ConformError:
        end = process.exit_reason(time.monotonic() + _EXIT_SECONDS)
        if end is None:
            return ProtocolFault(f"{when}, the port closed its standard output and went on running{given}")
        if end.out_of_memory:
            return LimitExceeded(f"{when}, the port {end.words()}{given}", option=OPTIONS["memory"])
        return PortCrashed(f"{when}, the port {end.words()}{given}")


class _Waiting:
    """Adds the time inside a `with` to `timing.waiting`, and the request's id to a limit hit meanwhile."""

    def __init__(self, timing: Timing, request: Request) -> None:
        self._timing = timing
        self._request = request

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._timing.waiting += time.monotonic() - self._began
        if isinstance(error, LimitExceeded):
            error.message += f", while '{self._request.id}' was being answered"


def _raises(options: tuple[str, ...]) -> str:
    return f"{' or '.join(options)} raises this limit"
