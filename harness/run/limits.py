"""How much time, memory and output a port may take, and the option that raises each limit."""

from __future__ import annotations

from dataclasses import dataclass, replace

KIB, MIB, GIB = 1024, 1024**2, 1024**3

OPTIONS = {
    "build": "--build-timeout",
    "start": "--start-timeout",
    "request": "--request-timeout",
    "run": "--run-timeout",
    "memory": "--memory",
    "build_memory": "--build-memory",
    "build_disk": "--build-disk",
    "output": "--output-limit",
    "stderr": "--stderr-limit",
}


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes. `run` counts all requests of a session together, `output` one reply, `stderr` what
    is logged while one request is answered. build_memory, build_disk, build_pids: of a command of a build.
    """

    build: float = 1800.0
    start: float = 30.0
    request: float = 120.0
    run: float = 3600.0
    memory: int = 2 * GIB
    output: int = 64 * MIB
    stderr: int = 16 * MIB
    stderr_kept: int = 64 * KIB
    pids: int = 256
    build_memory: int = 4 * GIB
    build_disk: int = 8 * GIB
    build_pids: int = 2048
    cpus: float | None = None

    def slower(self, factor: float) -> Limits:
        """So many times as long for everything."""
        times = {name: getattr(self, name) * factor for name in ("build", "start", "request", "run")}
        return replace(self, **times)


def size(number: int) -> str:
    """A count of bytes for people: 1536 -> '1.5 KiB'."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{number} bytes"


def seconds(number: float) -> str:
    """A duration for people: 30.0 -> '30 s', 0.25 -> '0.25 s'."""
    return f"{number:.2f}".rstrip("0").rstrip(".") + " s"
