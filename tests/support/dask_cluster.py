"""For tests with many machines: a real Dask scheduler and real workers, all of them on this one.

None of them outlives the test, even if that is killed: each is the child of a shell that kills it as soon as
the pipe from the test closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
LIFELINE = '"$@" >"$LOG" 2>&1 & echo $!; cat >/dev/null; kill -9 $!'


class Daemon:
    """One process in the background; its output goes to the file `log`."""

    def __init__(self, log: Path, *command: str, environment: Mapping[str, str]) -> None:
        self.log = log
        self._shell = subprocess.Popen(
            ["sh", "-c", LIFELINE, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=log.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment, "LOG": str(log)},
        )
        assert self._shell.stdout is not None
        self.pid = int(self._shell.stdout.readline())

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        self._shell.communicate()


class DaskCluster:
    """A scheduler and the workers that were started, without nannies: a worker that is killed stays dead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._daemons: list[Daemon] = []
        self.workers: dict[str, Daemon] = {}
        self.address = ""

    def start_scheduler(self, **environment: str) -> None:
        port_file = self._folder / "scheduler.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(port_file))
        self.scheduler = self._start("scheduler", "scheduler", *options, **environment)
        self.address = self._line_after("Scheduler at:", self.scheduler)

    def start_worker(self, name: str, **environment: str) -> Daemon:
        """`environment` is laid over this process's own; the worker is connected when this returns."""
        scratch = str(self._folder / name)
        options = ("--no-nanny", "--nthreads", "1", "--name", name, "--local-directory", scratch)
        daemon = self._start(name, "worker", self.address, *options, "--no-dashboard", **environment)
        self._line_after("Registered to:", daemon)
        self.workers[name] = daemon
        return daemon

    def _start(self, name: str, *command: str, **environment: str) -> Daemon:
        dask = [sys.executable, "-m", "dask", *command]
        daemon = Daemon(self._folder / f"{name}.log", *dask, environment=environment)
        self._daemons.append(daemon)
        return daemon

    def _line_after(self, words: str, daemon: Daemon) -> str:
        """The rest of the first line of a log with these words, once it is there."""

        def found() -> list[str]:
            text = daemon.log.read_text() if daemon.log.exists() else ""
            lines = [line.partition(words)[2].strip() for line in text.splitlines() if words in line]
            assert lines or alive(daemon.pid), f"{daemon.log.stem} ended early:\n{text}"
            return lines

        wait_until(found)
        return found()[0]

    def stop(self) -> None:
        for daemon in reversed(self._daemons):
            daemon.stop()


def alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be collected does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], object]) -> None:
    """The fixture `bounded` ends a wait that is in vain."""
    while not condition():
        time.sleep(0.05)


@contextlib.contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    started = DaskCluster(folder)
    try:
        yield started
    finally:
        started.stop()
