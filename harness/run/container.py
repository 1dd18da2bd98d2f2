"""A port in a container of its own: no network, nothing to write to, no privileges, limits on everything.

Not for building the image: images.py does that. The container is removed when it is killed, and the reaper
removes it when the harness cannot.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import docker.errors
import docker.types
import requests.exceptions

from harness.errors import MachineFault
from harness.run.circumstances import USUAL, Circumstances
from harness.run.engine import asked_to, connect, machine_fault
from harness.run.limits import Limits
from harness.run.process import Exit, Pump
from harness.run.reaper import owner

USER = "65534:65534"
"""nobody and nogroup on Debian; the number works on every base."""
SCRATCH = "64m"
_HEADER = 8
_POLL_SECONDS = 0.05


class ContainerProcess:
    """A Process in a fresh container of `image`. Raises MachineFault when the engine cannot start it.

    `args` follow the image's entry point; `entrypoint` replaces it, for asking an image about its toolchain.
    """

    def __init__(
        self,
        image: str,
        limits: Limits,
        args: Sequence[str] = (),
        entrypoint: Sequence[str] | None = None,
        circumstances: Circumstances = USUAL,
    ) -> None:
        self._name = owner().hold()
        self._container = f"microgpt-conformance-{self._name}"
        self._client = connect()
        self._socket: socket.socket | None = None
        self._killed = False
        try:
            with asked_to(f"start a container of {image}"):
                self._create(image, limits, args, entrypoint, circumstances)
                self._socket = self._attach()
                self._client.start(self._container)
        except BaseException:
            self.kill()
            raise
        descriptor = self._socket.fileno()
        os.set_blocking(descriptor, False)
        self._pump = Pump(limits, {}, descriptor)
        self._pump.readers[descriptor] = _Demultiplexer(self._pump).take

    def send(self, data: bytes, deadline: float) -> int:
        return self._pump.send(data, deadline, _runs)

    def read(self, deadline: float) -> bytes:
        return self._pump.read(deadline, _runs)

    def close_input(self) -> None:
        self._pump.writer = None
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def exit_reason(self, deadline: float) -> Exit | None:
        while True:
            with asked_to("tell how a container ended"):
                state: dict[str, Any] = self._client.inspect_container(self._container)["State"]
            if not state["Running"]:
                return Exit(code=int(state["ExitCode"]), out_of_memory=bool(state["OOMKilled"]))
            if time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_SECONDS)

    def root_pid(self) -> int | None:
        with asked_to("tell the process of a container"):
            state: dict[str, Any] = self._client.inspect_container(self._container)["State"]
        return int(state["Pid"]) or None

    def stderr_tail(self) -> tuple[str, ...]:
        return self._pump.stderr.lines()

    def kill(self) -> None:
        if self._killed:
            return
        self._killed = True
        if self._socket is not None:
            # An open stream that nobody reads would keep the engine from removing the container.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        try:
            self._client.remove_container(self._container, force=True, v=True)
        except docker.errors.NotFound:
            pass
        except docker.errors.APIError as error:
            if "already in progress" not in str(error.explanation):
                raise machine_fault(
                    f"remove the container {self._container}", str(error.explanation)
                ) from None
        except requests.exceptions.RequestException as error:
            raise machine_fault(f"remove the container {self._container}", str(error)) from None
        finally:
            self._client.close()
        owner().release(self._name)

    def _create(
        self,
        image: str,
        limits: Limits,
        args: Sequence[str],
        entrypoint: Sequence[str] | None,
        circumstances: Circumstances,
    ) -> None:
        ulimits = [docker.types.Ulimit(name="core", soft=0, hard=0)]
        if circumstances.stack:
            stack = circumstances.stack
            ulimits.append(docker.types.Ulimit(name="stack", soft=stack, hard=stack))
        host = self._client.create_host_config(
            network_mode="none",
            read_only=True,
            tmpfs={"/tmp": f"rw,exec,nosuid,nodev,size={SCRATCH},mode=1777"},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=limits.memory,
            memswap_limit=limits.memory,
            pids_limit=limits.pids,
            nano_cpus=None if limits.cpus is None else int(limits.cpus * 1e9),
            ulimits=ulimits,
            log_config=docker.types.LogConfig(type="none"),
            init=True,
        )
        self._client.create_container(
            image,
            command=list(args) or None,
            entrypoint=None if entrypoint is None else list(entrypoint),
            name=self._container,
            user=USER,
            environment={"HOME": "/tmp", "TMPDIR": "/tmp", **circumstances.environment()},
            labels=owner().labels(),
            stdin_open=True,
            host_config=host,
        )

    def _attach(self) -> socket.socket:
        """The container's three streams as one socket; attached before the start, to miss nothing."""
        stream = self._client.attach_socket(
            self._container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        )
        found = getattr(stream, "_sock", stream)
        if type(found) is not socket.socket:
            raise MachineFault(
                "the container engine is reached over TLS or ssh, and this harness needs a plain connection",
                hint="run it on the engine's own machine, or with RUNNER=local",
                code="engine",
            )
        return found


def _runs() -> bool:
    """A container's end shows as the end of its streams, and its memory is the engine's to watch."""
    return False


class _Demultiplexer:
    """Splits the engine's one stream: frames of a header (stream number, 3 zero bytes, 4-byte length) and
    data.
    """

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._buffer = bytearray()

    def take(self, data: bytes) -> None:
        if not data:
            self._pump.take_output(b"")
            return
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _HEADER:
            length = int.from_bytes(self._buffer[start + 4 : start + _HEADER], "big")
            end = start + _HEADER + length
            if len(self._buffer) < end:
                break
            frame = bytes(self._buffer[start + _HEADER : end])
            if frame:
                sink = self._pump.stderr.take if self._buffer[start] == 2 else self._pump.take_output
                sink(frame)
            start = end
        del self._buffer[:start]
