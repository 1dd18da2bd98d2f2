"""A port as a plain process on this machine: watched, limited and ended with all its children, but not
sandboxed.

The local runner is for machines without a container engine. It keeps a port from harming the run, not from
reading files or using the network; container.py does that.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from harness.errors import LimitExceeded, MachineFault
from harness.run import locales
from harness.run.circumstances import USUAL, Circumstances
from harness.run.limits import KIB, OPTIONS, Limits, size
from harness.run.process import TICK, Exit, Pump
from harness.run.reaper import MARK, kill_marked, owner

_INHERITED = (
    *(
        "PATH",
        "LD_LIBRARY_PATH",
        "RUSTUP_HOME",
        "CARGO_HOME",
        "PYENV_ROOT",
        "GOROOT",
        "JAVA_HOME",
        "OPAM_SWITCH_PREFIX",
    ),
    *("NIX_PROFILES", "SDKROOT", "DEVELOPER_DIR", "SYSTEMROOT"),
)
"""The variables that tools need to find themselves; everything else is left out, so that runs are alike."""


def environment(home: Path, path: Sequence[Path] = ()) -> dict[str, str]:
    """A small environment for a port's build and run: `home` for HOME and TMPDIR, `path` before PATH."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    for name, folder in (("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")):
        if name not in kept and (Path.home() / folder).is_dir():
            kept[name] = str(Path.home() / folder)
    kept["PATH"] = os.pathsep.join([*map(str, path), kept.get("PATH", os.defpath)])
    return {**kept, "HOME": str(home), "TMPDIR": str(home), **USUAL.environment()}


class LocalProcess:
    """A Process run by sh in `folder`. Raises MachineFault when it cannot be started at all."""

    def __init__(
        self,
        run: str,
        folder: Path,
        limits: Limits,
        args: Sequence[str] = (),
        path: Sequence[Path] = (),
        circumstances: Circumstances = USUAL,
    ) -> None:
        self._limits = limits
        self._name = owner().hold()
        self._scratch = owner().scratch(self._name)
        self._looked_at_memory = 0.0
        self._killed = False
        stack = f"ulimit -s {circumstances.stack // KIB}; " if circumstances.stack else ""
        surrounding = {**environment(self._scratch, path), **circumstances.environment()}
        surrounding.update(locales.environment(circumstances))
        try:
            self._popen = subprocess.Popen(
                ["sh", "-c", f"ulimit -c 0; {stack}{circumstances.script(run)}", "microgpt", *args],
                cwd=folder,
                env={**surrounding, MARK: self._name},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            self._release()
            raise MachineFault(f"cannot start a process with sh in {folder}: {error.strerror}") from None
        assert self._popen.stdin and self._popen.stdout and self._popen.stderr
        self._files = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        for file in self._files:
            os.set_blocking(file.fileno(), False)
        self._pump = Pump(limits, {}, self._popen.stdin.fileno())
        self._pump.readers[self._popen.stdout.fileno()] = self._pump.take_output
        self._pump.readers[self._popen.stderr.fileno()] = self._pump.stderr.take

    def send(self, data: bytes, deadline: float) -> int:
        return self._pump.send(data, deadline, self._watch)

    def read(self, deadline: float) -> bytes:
        return self._pump.read(deadline, self._watch)

    def close_input(self) -> None:
        self._pump.writer = None
        with contextlib.suppress(OSError):
            self._files[0].close()

    def exit_reason(self, deadline: float) -> Exit | None:
        try:
            code = self._popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None
        return Exit(signal=-code) if code < 0 else Exit(code=code)

    def root_pid(self) -> int | None:
        return self._popen.pid

    def stderr_tail(self) -> tuple[str, ...]:
        return self._pump.stderr.lines()

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        if self._popen.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        kill_marked(self._name)
        self._popen.wait()
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()
        self._release()

    def _release(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        owner().release(self._name)

    def _watch(self) -> bool:
        """Raises LimitExceeded when the processes hold too much memory; true when it ended."""
        ended = self._popen.poll() is not None
        now = time.monotonic()
        if not ended and now - self._looked_at_memory >= TICK:
            self._looked_at_memory = now
            used, processes = _resident(self._popen.pid)
            if used > self._limits.memory:
                whose = "the port" if processes == 1 else f"the port, now {processes} processes,"
                raise LimitExceeded(
                    f"{whose} used {size(used)} of memory, and the limit is {size(self._limits.memory)}",
                    option=OPTIONS["memory"],
                )
        return ended


def _resident(pid: int) -> tuple[int, int]:
    """Resident bytes and number of the processes of a tree."""
    total, number = 0, 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
                number += 1
    return total, number
