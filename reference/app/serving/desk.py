"""Lets requests in, a few at a time, and has each computed in a process that can be stopped.

A model computes in Python and with a math that belongs to the process, so threads would neither be fast nor
right. Whoever goes away, or takes too long, has their process killed; a training keeps its last checkpoint.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_process
import msgspec
from anyio import CapacityLimiter

from reference.app.refusal import Refusal
from reference.app.serving import core, messages
from reference.app.serving.tools import Tool

FOLLOW_SECONDS = 0.25
Report = Callable[[messages.Progress], Awaitable[None]]


class Busy(Refusal):
    """Too many are waiting: the same request can be sent again later."""


class TookTooLong(Refusal):
    """The time of one request was used up."""


class Broken(Refusal):
    """The process that computed has ended, which is not the asker's fault."""


@dataclass(frozen=True)
class Limits:
    """`answers` and `trainings` are computed at the same time, and for each kind so many may be `waiting`."""

    answers: int = 2
    trainings: int = 1
    waiting: int = 8
    seconds: float = 60.0
    training_seconds: float = 900.0


async def silent(progress: messages.Progress) -> None:
    """Somebody who does not ask how far it is."""


class Desk:
    """Answers for the models of one folder."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self._answers, self._trainings = map(CapacityLimiter, (limits.answers, limits.trainings))
        self._processes = CapacityLimiter(limits.answers + limits.trainings)
        self._in_training: set[str] = set()

    async def do(self, tool: Tool, given: Any, report: Report = silent) -> msgspec.Struct:
        """The reply to the plain data `given`. Raises Refusal."""
        request = messages.read(tool.request, given)
        places = self._trainings if tool.trains else self._answers
        seconds = self.limits.training_seconds if tool.trains else self.limits.seconds
        if places.statistics().tasks_waiting >= self.limits.waiting:
            raise Busy(f"{self.limits.waiting} requests are waiting already: try again later")
        async with places:
            try:
                with anyio.fail_after(seconds):
                    if isinstance(request, messages.Train):
                        return await self._train(request, report)
                    reply: msgspec.Struct = await self._compute(tool.work, self.folder, request)
                    return reply
            except TimeoutError:
                again = "; resume goes on with it" if tool.trains else ": ask for less"
                raise TookTooLong(f"this took more than {seconds:g} seconds and was stopped{again}") from None
            except anyio.BrokenWorkerProcess:
                raise Broken("the process that computed this has ended: perhaps memory ran out") from None

    async def _compute(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await anyio.to_process.run_sync(work, *arguments, cancellable=True, limiter=self._processes)

    async def _train(self, request: messages.Train, report: Report) -> msgspec.Struct:
        if request.name in self._in_training:
            raise Busy(f"the model {request.name!r} is in training just now")
        self._in_training.add(request.name)
        done: msgspec.Struct | Refusal
        try:
            with tempfile.TemporaryDirectory(prefix="microgpt-") as folder:
                notes = Path(folder) / "progress"
                heard = _Follower(notes, report)
                async with anyio.create_task_group() as group:
                    group.start_soon(heard.follow)
                    try:
                        done = await self._compute(train, self.folder, request, notes)
                    except Refusal as problem:  # not out of the group, which would wrap it
                        done = problem
                    group.cancel_scope.cancel()
                await heard.listen()
        finally:
            self._in_training.discard(request.name)
        if isinstance(done, Refusal):
            raise done
        return done


def train(folder: Path, request: messages.Train, notes: Path) -> messages.Trained:
    """Train in this process, and leave word of how far it is in the file `notes`."""
    part = notes.with_suffix(".part")

    def report(progress: messages.Progress) -> None:
        part.write_bytes(msgspec.json.encode(progress))
        part.replace(notes)

    return core.train(folder, request, report)


class _Follower:
    """Passes on what is left in a file, each step once."""

    def __init__(self, notes: Path, report: Report) -> None:
        self._notes, self._report = notes, report
        self._said = 0

    async def listen(self) -> None:
        with suppress(FileNotFoundError):
            progress = msgspec.json.decode(self._notes.read_bytes(), type=messages.Progress)
            if progress.step > self._said:
                self._said = progress.step
                await self._report(progress)

    async def follow(self) -> None:
        while True:
            await self.listen()
            await anyio.sleep(FOLLOW_SECONDS)
