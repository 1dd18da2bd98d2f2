"""Nothing of ours outlives us: ends the containers and processes of a harness that died, however it died.

The first process a harness starts brings up a small child that holds one end of a pipe. When the harness
goes, by exit, Ctrl-C or SIGKILL, the pipe closes, and the child removes what still carries the harness's
session:

    containers   by the label org.microgpt-conformance.session
    processes    by the environment variable MICROGPT_CONFORMANCE, which every descendant inherits
    folders      scratch space in the temporary folder, by its name

Not for the usual end of a port: whoever starts a process also kills it. This is for the times when nobody
can. Where harness and reaper died together, sweep.py cleans up before the next run.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "MICROGPT_CONFORMANCE"
LABEL = "org.microgpt-conformance"
SCRATCH_PREFIX = "microgpt-conformance-"
OWNER_FILE = "owner"
"""In a session's scratch folder: whose it is, for sweep.py."""
_KILL_SECONDS = 5.0


class Owner:
    """This harness process: its session's name, its reaper, and the things it must not leave behind."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.session = secrets.token_hex(6)
        self._count = 0
        self._held: set[str] = set()
        self._reaper: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # ports are judged side by side

    def hold(self) -> str:
        """A fresh name for something that must be released; the reaper would clean it up."""
        with self._lock:
            return self._hold()

    def _hold(self) -> str:
        if self._reaper is None:
            self._reaper = subprocess.Popen(
                [sys.executable, "-m", "harness.run.reaper", self.session],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                env=python_environment(),
            )
            atexit.register(self._finish)
        self._count += 1
        name = f"{self.session}-{self._count}"
        self._held.add(name)
        return name

    def release(self, name: str) -> None:
        self._held.discard(name)

    def scratch(self, name: str) -> Path:
        """A folder of its own for one held name; its owner removes it before the name is released."""
        root = _scratch_root(self.session)
        path = root / name
        path.mkdir(parents=True, mode=0o700)
        (root / OWNER_FILE).write_text(owner_word(self.pid), encoding="utf-8")
        return path

    def labels(self) -> dict[str, str]:
        return {f"{LABEL}.session": self.session, f"{LABEL}.owner": owner_word(self.pid)}

    def _finish(self) -> None:
        """At a usual exit: let the reaper go at once, unless something was left to it."""
        if self._reaper is None or self._reaper.stdin is None or os.getpid() != self.pid:
            return
        if not self._held:
            with contextlib.suppress(OSError):
                (_scratch_root(self.session) / OWNER_FILE).unlink(missing_ok=True)
                _scratch_root(self.session).rmdir()
            with contextlib.suppress(OSError):
                self._reaper.stdin.write(b"q")
        with contextlib.suppress(OSError):
            self._reaper.stdin.close()


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, even if this process is killed: its reaper removes it then."""
    name = owner().hold()
    folder = owner().scratch(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner().release(name)


_owner: Owner | None = None
_owner_lock = threading.Lock()


def owner() -> Owner:
    """The Owner of this process; a forked child gets its own."""
    global _owner
    with _owner_lock:
        if _owner is None or _owner.pid != os.getpid():
            _owner = Owner()
        return _owner


def python_environment() -> dict[str, str]:
    """An environment in which `python -m harness...` finds this package, wherever it is started."""
    found = [str(Path(__file__).resolve().parent.parent.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in found if part)}


def kill_marked(mark: str) -> int:
    """Kill every process whose mark is `mark` or starts with `mark` and a hyphen; returns how many were left.

    The mark is inherited, so children that left the process group or the session are found too. Repeats until
    a look finds none, because a process may fork while it is being looked for.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    while victims := _marked(mark):
        if time.monotonic() > deadline:
            return len(victims)
        for process in victims:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(victims, timeout=0.05)
    return 0


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            value = process.environ().get(MARK, "")
            if (value == mark or value.startswith(f"{mark}-")) and process.pid != os.getpid():
                found.append(process)
    return found


def owner_word(pid: int) -> str:
    """Names one process for ever: machine, process namespace, process id and start time."""
    return f"{_machine()} {pid} {_start_time(pid)}"


def owner_is_dead(word: str) -> bool:
    """Whether a container's owner ran on this machine and is gone; False where that cannot be known."""
    machine, _, rest = word.partition(" ")
    pid, _, start = rest.partition(" ")
    return machine == _machine() and pid.isdigit() and _start_time(int(pid)) != start


def _machine() -> str:
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = "pid"
    return f"{socket.gethostname()}/{namespace}"


def _start_time(pid: int) -> str:
    """The start of a process in clock ticks since boot where the system tells, '' when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    try:
        return str(int(psutil.Process(pid).create_time()))
    except psutil.Error:
        return ""


def clean_up(session: str) -> None:
    """End and remove all that belongs to a session: what the reaper does when its harness is gone."""
    kill_marked(session)
    shutil.rmtree(_scratch_root(session), ignore_errors=True)
    from harness.errors import ConformError
    from harness.run.engine import connect

    with contextlib.suppress(ConformError):
        client = connect()
        quiet = 0
        while quiet < 2:
            left = client.containers(all=True, filters={"label": f"{LABEL}.session={session}"})
            for container in left:
                _remove(client, container["Id"])
            quiet = 0 if left else quiet + 1
            time.sleep(0.2)


def _remove(client: object, container: str) -> int:
    import docker.errors

    try:
        client.remove_container(container, force=True, v=True)  # type: ignore[attr-defined]
    except docker.errors.APIError:
        return 0
    return 1


def _scratch_root(session: str) -> Path:
    return Path(tempfile.gettempdir()) / f"{SCRATCH_PREFIX}{session}"


def main() -> None:
    session = sys.argv[1]
    last = b""
    while piece := os.read(0, 1024):
        last = piece
    if not last.endswith(b"q"):
        clean_up(session)


if __name__ == "__main__":
    main()
