"""The client's side of a Dask scheduler: sends calls to its workers and takes each answer once.

Dask makes a call again elsewhere when its worker dies. This module turns all that can go wrong with scheduler
and workers into MachineFaults, and ends every wait.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self

from harness.errors import MachineFault
from harness.fleet.cluster import worker
from harness.fleet.listener import Listener

CONNECT_SECONDS = 5
WORKERLESS_SECONDS = 60.0
"""How long to wait where there is no worker: batch systems need a while to start one."""
TRIES = 3
"""How many workers are tried when a call ends with the fault of a machine."""
_TICK = 1.0

Call = tuple[Any, ...]
"""A function that workers can import, and its arguments; it gets a Stage as one more."""


class Cluster:
    """A connection to a Dask scheduler, for `with`. Raises MachineFault when it cannot be used.

    `containers` asks every worker for an engine; `note` shows a person what is being waited for.
    """

    def __init__(self, address: str, containers: bool, note: Callable[[str], None]) -> None:
        try:
            import distributed
        except ImportError:
            raise MachineFault(
                "spreading work over machines needs the Python package 'distributed', which is not installed",
                hint=".venv/bin/pip install -e '.[cluster]'",
                code="no-dask",
            ) from None
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # everything is told in sentences here
        self._address = address
        self._run = secrets.token_hex(6)
        self._version = worker.version()
        try:
            asyncio.run(_greet(address))
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise MachineFault(
                f"there is no Dask scheduler at {address}: {_first_line(error)}",
                hint="expected an address such as tcp://host:8786; 'dask scheduler' on that host starts one",
                code="no-scheduler",
            ) from None
        try:
            self._wait_for_a_worker(note)
            self._examine_workers(containers)
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is still under way is cancelled: a scheduler drops the calls of a client that leaves."""
        self._client.close()

    def results(
        self, calls: Mapping[str, Call], listener_for: Callable[[str], Listener]
    ) -> Iterator[tuple[str, Any]]:
        """Make every call on some worker; yields (label, value) once for each, as they end.

        A value may be a ConformError. Raises MachineFault when a worker turns out to have another version.
        """
        under_way = _UnderWay(calls, listener_for, self._submit)
        self._client.subscribe_topic(worker.TOPIC, lambda event: under_way.hear(self._run, *event[1]))
        for label in calls:
            under_way.begin(label)
        alive = time.monotonic()
        while under_way.futures:
            ended = under_way.next(_TICK)
            if ended is None:
                if workers := self._workers():
                    alive = time.monotonic()
                    for label, fault in under_way.stranded(workers):
                        under_way.end(label)
                        yield label, fault
                elif time.monotonic() - alive > WORKERLESS_SECONDS:
                    yield from ((label, self._no_workers()) for label in under_way.futures)
                    return
                continue
            alive = time.monotonic()
            label, future = ended
            answer = self._answer(label, future)
            if answer is None:
                under_way.watch(label, future)
                continue
            if isinstance(answer.value, MachineFault):
                if answer.value.code == worker.OTHER_VERSION:
                    raise answer.value
                if answer.worker and under_way.begin_elsewhere(label, answer, self._workers()):
                    continue
            under_way.end(label)
            yield label, answer.value

    def _submit(self, label: str, call: Call, attempt: int, among: Sequence[str]) -> Any:
        """A future of the call, on one of the workers in `among`, or on any if that is empty."""
        return self._client.submit(
            *(worker.perform, self._version, self._run, label, *call),
            key=f"conform-{self._run}-{label}-{attempt}",
            pure=False,
            workers=list(among) or None,
        )

    def _answer(self, label: str, future: Any) -> worker.Answer | None:
        """What a call that ended came to; None if the answer was lost with its worker and comes again."""
        from distributed import KilledWorker

        try:
            answer: worker.Answer = future.result(timeout=CONNECT_SECONDS)
            return answer
        except TimeoutError:
            return None
        except KilledWorker as error:
            fault = MachineFault(
                f"{error.allowed_failures + 1} workers died while they worked on {label}, "
                f"the last of them {error.last_worker.address}",
                hint="their logs say why; a worker that needs more memory than its --memory-limit is killed",
                code="worker-died",
            )
        except CancelledError:
            fault = self._lost()
        except Exception as error:  # whatever a worker's environment may hold
            fault = MachineFault(
                f"the call for {label} failed on its worker: {type(error).__name__}: {_first_line(error)}",
                code="worker",
            )
        return worker.Answer("", fault)

    def _workers(self) -> list[str]:
        try:
            return list(self._client.nthreads())
        except (OSError, CancelledError):
            return []

    def _wait_for_a_worker(self, note: Callable[[str], None]) -> None:
        if self._workers():
            return
        note(f"the scheduler at {self._address} has no worker yet; waiting for one")
        try:
            self._client.wait_for_workers(1, timeout=WORKERLESS_SECONDS)
        except TimeoutError:
            raise self._no_workers() from None

    def _examine_workers(self, containers: bool) -> None:
        """Every worker must be of use before the first call: one that cannot even read a call ends by it."""
        refusals = self._client.run(worker.refusal, self._version, containers, on_error="return")
        for address, refusal in refusals.items():
            if isinstance(refusal, OSError):
                continue  # it has just left
            if isinstance(refusal, Exception) and not isinstance(refusal, MachineFault):
                refusal = MachineFault(
                    f"cannot import this project: {_first_line(refusal)}",
                    hint=f"start it in this project's environment: .venv/bin/dask worker {self._address}",
                    code="worker",
                )
            if isinstance(refusal, MachineFault):
                refusal.message = f"the worker at {address} {refusal.message}"
                raise refusal

    def _no_workers(self) -> MachineFault:
        return MachineFault(
            f"the scheduler at {self._address} has had no worker for {WORKERLESS_SECONDS:g} s",
            hint=f".venv/bin/dask worker {self._address} --nthreads 1, on any machine, starts one",
            code="no-workers",
        )

    def _lost(self) -> MachineFault:
        return MachineFault(
            f"the connection to the scheduler at {self._address} was lost",
            hint="what was judged before is kept: the same command, once there is a scheduler, does the rest",
            code="no-scheduler",
        )


class _UnderWay:
    """The calls that have not come to an answer yet. All news of them comes through one queue."""

    def __init__(
        self,
        calls: Mapping[str, Call],
        listener_for: Callable[[str], Listener],
        submit: Callable[[str, Call, int, Sequence[str]], Any],
    ) -> None:
        self.futures: dict[str, Any] = {}
        self._calls, self._listener_for, self._submit = calls, listener_for, submit
        self._listeners: dict[str, Listener] = {}
        self._tried: dict[str, set[str]] = defaultdict(set)
        self._elsewhere: dict[str, tuple[set[str], MachineFault]] = {}
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def begin(self, label: str, among: Sequence[str] = ()) -> None:
        self.futures[label] = self._submit(label, self._calls[label], len(self._tried[label]), among)
        self.watch(label, self.futures[label])

    def begin_elsewhere(self, label: str, failed: worker.Answer, workers: Sequence[str]) -> bool:
        """Begin a call again on a worker that has not tried it; false if that is no use."""
        tried = self._tried[label]
        again = failed.worker in tried
        tried.add(failed.worker)
        others = [address for address in workers if address not in tried]
        if again or not others or len(tried) >= TRIES:
            return False
        self._elsewhere[label] = set(others), failed.value
        self.begin(label, others)
        return True

    def stranded(self, workers: Sequence[str]) -> list[tuple[str, MachineFault]]:
        """The calls begun elsewhere whose workers are all gone, and what they came to the time before."""
        return [
            (label, fault)
            for label, (others, fault) in self._elsewhere.items()
            if label in self.futures and others.isdisjoint(workers)
        ]

    def watch(self, label: str, future: Any) -> None:
        future.add_done_callback(lambda ended: self._news.put((label, ended)))

    def hear(self, own: str, run: str, label: str, text: str) -> None:
        """What a Stage says; other clients' Stages say it to everybody, too."""
        if run == own:
            self._news.put((label, text))

    def next(self, seconds: float) -> tuple[str, Any] | None:
        """The next future that ended; None if nothing was heard for so long."""
        while True:
            try:
                label, piece = self._news.get(timeout=seconds)
            except queue.Empty:
                return None
            if isinstance(piece, str):
                self._show(label, piece)
            elif self.futures.get(label) is piece:
                return label, piece

    def _show(self, label: str, text: str) -> None:
        if label in self.futures:
            if label not in self._listeners:
                self._listeners[label] = self._listener_for(label)
            self._listeners[label].building(text)

    def end(self, label: str) -> None:
        del self.futures[label]
        if label in self._listeners:
            self._listeners[label].finished()


async def _greet(address: str) -> None:
    """Shake hands with whatever listens there: Dask's client would wait for ever for one that is silent."""
    from distributed.comm import connect
    from distributed.security import Security

    security = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=CONNECT_SECONDS, **security), CONNECT_SECONDS + 1)
    await comm.close()


def _first_line(error: BaseException) -> str:
    text = str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
    return text.strip().splitlines()[0]
