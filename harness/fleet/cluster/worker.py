"""What happens on a Dask worker: it checks that the client has the same project, and does one call at a time.

A thread cannot be interrupted. So when a call's client is gone, the processes and containers that the call
waits for are ended, and its Stage, which it tells how far it is, ends the call itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from conformance import ladder
from harness import paths
from harness.build.runners import Prepared
from harness.errors import ConformError, MachineFault
from harness.fleet.listener import Listener
from harness.judge.climb import CaseResult
from harness.run import engine, reaper

TOPIC = "microgpt-conformance"
OTHER_VERSION = "other-version"
_CODE = (".py", ".json", ".j2")
_WATCH_SECONDS = 0.5
_one_at_a_time = threading.Lock()  # a worker with many threads still offers one machine to one port


class Answer(NamedTuple):
    """What a call came to, and on which worker."""

    worker: str
    value: Any


class Cancelled(BaseException):
    """Nobody waits for this call any more. No handler of errors on the way may take it for one."""


class Stage(Listener):
    """Shows the client how far its call is. Raises Cancelled when the client is gone or wants no more."""

    def __init__(self, run: str, label: str) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self._run, self._label = run, label
        self._shown = ""

    @property
    def cancelled(self) -> bool:
        task = self._worker.state.tasks.get(self._key)
        return task is None or task.state == "cancelled"

    def show(self, text: str) -> None:
        if self.cancelled:
            raise Cancelled(self._label)
        if text != self._shown:
            self._shown = text
            self._worker.log_event(TOPIC, [self._run, self._label, f"on {self._worker.name}, {text}"])

    def building(self, line: str) -> None:
        self.show("building")

    def built(self, prepared: Prepared) -> None:
        self.show("starting")

    def judged(self, result: CaseResult) -> None:
        self.show(f"level {result.case.level.number} {result.case.level.verb}")

    def tracing(self, case: str) -> None:
        self.show(f"tracing {case}")


def perform(
    expected: tuple[str, str], run: str, label: str, function: Callable[..., Any], *arguments: Any
) -> Answer:
    """Call function(*arguments, stage). A ConformError is an answer like any other."""
    from distributed import get_worker

    address = get_worker().address
    stage = Stage(run, label)
    with _one_at_a_time:
        if fault := refusal(expected):
            fault.message = f"the worker at {address} {fault.message}"
            return Answer(address, fault)
        try:
            with _ended_when_cancelled(stage):
                return Answer(address, function(*arguments, stage))
        except ConformError as fault:
            return Answer(address, fault)
        except Cancelled:
            return Answer(address, None)
        except Exception as error:  # whatever the machine of a worker may lack
            sentence = f"{type(error).__name__}: {error}"
            return Answer(address, MachineFault(f"the worker at {address} failed at {label}: {sentence}"))


@contextlib.contextmanager
def _ended_when_cancelled(stage: Stage) -> Iterator[None]:
    """While a call runs, watches whether anybody still waits for it."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_WATCH_SECONDS):
            if stage.cancelled:
                reaper.clean_up(reaper.owner().session)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def refusal(expected: tuple[str, str], containers: bool = False) -> MachineFault | None:
    """Why this worker is of no use to a client whose version() is `expected`, None if it is.

    The message begins with a verb: the client puts the worker's address before it.
    """
    for what, here, there in zip(("code", "suite"), version(), expected, strict=True):
        if here != there:
            return MachineFault(
                "has another version of this project: "
                f"the hash of its {what} is {here[:12]}, the client's is {there[:12]}",
                hint="check out the same commit on both machines, then start the worker again: "
                "it works with the code that it found when it started",
                code=OTHER_VERSION,
            )
    try:
        if containers:
            engine.connect().close()
    except MachineFault as fault:
        return MachineFault(f"cannot run containers: {fault.message}", hint=fault.hint, code=fault.code)
    return None


def version() -> tuple[str, str]:
    """SHA-256 of all code, as it was when this process began, and of the suite as it is now."""
    return _code(), ladder.content_hash(ladder.levels())


@cache
def _code() -> str:
    root, digest = paths.root(), hashlib.sha256()
    for package in ("conformance", "harness", "reference"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in _CODE:
                digest.update(f"{path.relative_to(root)}\n".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


_code()
