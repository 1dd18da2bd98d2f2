"""The connection to the container engine, and its faults as sentences that say what to type.

Not for images or containers themselves: images.py and container.py use the client that `connect` returns.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import docker
import docker.errors
import requests.exceptions
from docker.context import ContextAPI

from harness.errors import ConformError, MachineFault

_DEFAULT_HOST = "unix:///var/run/docker.sock"
_API_SECONDS = 60


def host() -> str:
    """Where the engine listens: DOCKER_HOST, else the client's current context, else the usual socket."""
    if chosen := os.environ.get("DOCKER_HOST"):
        return chosen
    with contextlib.suppress(Exception):  # a broken client configuration must not hide a working engine
        context = ContextAPI.get_current_context()
        if context is not None and context.Host:
            return str(context.Host)
    return _DEFAULT_HOST


def connect(timeout: float = _API_SECONDS) -> docker.APIClient:
    """A client of the engine. Raises MachineFault when there is none or it may not be used."""
    address = host()
    try:
        return docker.APIClient(base_url=address, version="auto", timeout=int(timeout))
    except (
        docker.errors.DockerException,
        requests.exceptions.RequestException,
        OSError,
        ValueError,
    ) as error:
        raise unreachable(address, error) from None


def unreachable(address: str, error: Exception) -> MachineFault:
    """Why the engine at `address` did not answer, told from its socket where it has one."""
    local = "make conform RUNNER=local works without an engine"
    if not address.startswith("unix://"):
        return MachineFault(f"the container engine at {address} does not answer: {error}", code="no-engine")
    path = address.removeprefix("unix://")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            probe.connect(path)
    except FileNotFoundError:
        return MachineFault(
            f"there is no container engine: {path} does not exist",
            hint=f"sudo apt install docker.io, then sudo systemctl start docker; {local}",
            code="no-engine",
        )
    except PermissionError:
        return MachineFault(
            f"you may not use the container engine: permission denied on {path}",
            hint=f"sudo usermod -aG docker $USER, then log in again; {local}",
            code="no-permission",
        )
    except ConnectionRefusedError:
        return MachineFault(
            f"the container engine is not running: nobody listens on {path}",
            hint=f"sudo systemctl start docker; {local}",
            code="no-engine",
        )
    except OSError as problem:
        return MachineFault(
            f"the container engine does not answer on {path}: {problem}", hint=local, code="no-engine"
        )
    return MachineFault(f"the container engine on {path} gives no proper answer: {error}", code="no-engine")


@contextlib.contextmanager
def asked_to(what: str) -> Iterator[None]:
    """Turns the client's exceptions inside a `with` into MachineFaults that say what the engine was asked to
    do.
    """
    try:
        yield
    except ConformError:
        raise
    except docker.errors.APIError as error:
        raise machine_fault(what, str(error.explanation or error)) from None
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise machine_fault(what, str(error)) from None


def machine_fault(what: str, explanation: str) -> MachineFault:
    """The engine's refusal as a MachineFault; a full disk gets its own code and hint."""
    text = " ".join(explanation.split())
    if "no space left on device" in text.lower():
        return MachineFault(
            f"the disk is full: the engine could not {what} ({text})",
            hint="docker system prune frees what no image needs",
            code="disk-full",
        )
    return MachineFault(f"the container engine could not {what}: {text}", code="engine")
