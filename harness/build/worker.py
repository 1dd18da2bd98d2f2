"""One long job of the container engine in a process of its own, so that killing the process ends the job.

The engine stops a build or a pull when its client goes away, and a process can always be killed; a blocked
read in a thread cannot. Prints the engine's events as lines of JSON. Two events are its own: {"fault":
sentence} for what the engine could not do, {"limit": name} for a build that wrote or used too much. Not for
people: images.py and base.py start it.

    python -m harness.build.worker build TAG CONTEXT.tar OPTIONS.json
    python -m harness.build.worker pull IMAGE
    python -m harness.build.worker import TAG ROOT.tar CHANGE...
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions
from docker.utils import parse_repository_tag

from harness.errors import MachineFault
from harness.run.engine import asked_to, connect

_SECONDS = 24 * 3600
"""The caller keeps the time; this only keeps the client library from ending a quiet build by itself."""
_LOOK_SECONDS = 2.0
_TRIES, _PAUSE_SECONDS = 20, 0.1
"""A container that is just ending refuses limits: soon it is gone."""
RUNNING = " ---> Running in "
"""What the engine says when it starts the container of a command."""


def build(tag: str, context: str, options: str) -> Iterator[dict[str, Any]]:
    """Options: labels, network (a network mode), memory, disk (bytes) and pids, for each command."""
    chosen = json.loads(options)
    client = connect(_SECONDS)
    watch = _Watch(chosen["pids"], chosen["disk"])
    try:
        with open(context, "rb") as archive:
            for event in client.build(
                fileobj=archive,
                custom_context=True,
                tag=tag,
                labels=chosen["labels"],
                network_mode=chosen["network"],
                container_limits={"memory": chosen["memory"], "memswap": chosen["memory"]},
                rm=True,
                forcerm=True,
                decode=True,
            ):
                text = str(event.get("stream", ""))
                if RUNNING in text:
                    watch.started(text.partition(RUNNING)[2].strip())
                if "error" in event and watch.exceeded:
                    yield {"limit": "build_disk"}
                yield event
    except docker.errors.APIError as error:
        if error.status_code != 400:
            raise
        yield {"error": str(error.explanation)}  # the Dockerfile is no Dockerfile
    finally:
        watch.end()


class _Watch:
    """Limits the container of each command where the build itself cannot: processes, and what it writes.

    A command is some milliseconds old when its number of processes becomes limited.
    """

    def __init__(self, pids: int, disk: int) -> None:
        self.exceeded = False
        self._pids, self._disk = pids, disk
        self._container = ""
        self._client = connect()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def started(self, container: str) -> None:
        """Raises MachineFault if the processes of a container that still runs cannot be limited."""
        self._container = container
        path, body = f"/containers/{container}/update", {"PidsLimit": self._pids}
        with contextlib.closing(connect()) as client:
            for _ in range(_TRIES):
                answer = client.post(client._url(path), json=body)  # type: ignore[attr-defined]
                if answer.ok or not client.containers(filters={"id": container}):
                    return
                time.sleep(_PAUSE_SECONDS)
        raise MachineFault(f"a build's processes cannot be limited: {answer.text.strip()}", code="engine")

    def end(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            with contextlib.suppress(docker.errors.APIError, requests.exceptions.RequestException):
                found = self._client.containers(filters={"id": self._container}, size=True)
                written = max((entry.get("SizeRw") or 0 for entry in found), default=0)
                if self._container and written > self._disk:
                    self.exceeded = True
                    self._client.kill(self._container)


def pull(image: str) -> Iterator[dict[str, Any]]:
    name, tag = parse_repository_tag(image)
    yield from connect(_SECONDS).pull(name, tag=tag or "latest", stream=True, decode=True)


def import_root(tag: str, archive: str, *changes: str) -> Iterator[dict[str, Any]]:
    name, version = parse_repository_tag(tag)
    answer = connect(_SECONDS).import_image(archive, repository=name, tag=version, changes=list(changes))
    yield {"stream": f"{answer}\n"}


_JOBS: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "build": build,
    "pull": pull,
    "import": import_root,
}


def main() -> None:
    job, *arguments = sys.argv[1:]
    try:
        with asked_to(f"{job} {arguments[0]}"):
            for event in _JOBS[job](*arguments):
                print(json.dumps(event), flush=True)
    except MachineFault as fault:
        _tell(fault)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:  # the engine went away in the middle
        _tell(MachineFault(f"the container engine broke off to {job} {arguments[0]}: {error}", code="engine"))


def _tell(fault: MachineFault) -> None:
    print(json.dumps({"fault": fault.message, "hint": fault.hint, "code": fault.code}), flush=True)


if __name__ == "__main__":
    main()
