"""The base image of all ports: found, pulled, or made from Debian's packages where no registry can be
reached.

Not for the ports' own images: see images.py.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import docker
import docker.errors

from harness import paths
from harness.build.architecture import SIGNS, Architecture, cannot_run
from harness.build.worker import RUNNING
from harness.errors import MachineFault
from harness.run import subprocesses
from harness.run.engine import asked_to, connect, machine_fault
from harness.run.process import printable
from harness.run.reaper import LABEL, python_environment, scratch
from harness.run.subprocesses import Finished, OnLine, shown_lines, silent

DEBIAN = "debian:trixie-slim"
_PULL_SECONDS, _PULL_QUIET_SECONDS = 900.0, 20.0
_BOOTSTRAP_SECONDS = 900.0
_MIRROR_HINT = "check that http://deb.debian.org can be reached from this machine"


def name(architecture: Architecture | None = None) -> str:
    """The base image's name. CONFORM_BASE, from the environment, overrides that of this machine's kind."""
    return architecture.base if architecture else os.environ.get("CONFORM_BASE") or DEBIAN


def image_id(client: docker.APIClient, image: str) -> str | None:
    """The id of a local image, None when there is none."""
    with asked_to(f"look for the image {image}"):
        try:
            return str(client.inspect_image(image)["Id"])  # type: ignore[no-untyped-call]
        except docker.errors.ImageNotFound:
            return None


def ensure_base(on_line: OnLine = silent, architecture: Architecture | None = None) -> str:
    """The id of the base image, pulled or bootstrapped when it is missing. Raises MachineFault."""
    image = name(architecture)
    client = connect()
    try:
        if found := image_id(client, image):
            return found
        on_line(f"pulling {image}")
        pulled = work(["pull", image], "base-pull", _PULL_SECONDS, on_line, _PULL_QUIET_SECONDS)
        if found := image_id(client, image):
            return found
        if image != DEBIAN and architecture is None:
            raise MachineFault(
                f"the base image {image} is not here and could not be pulled: {pulled.trouble()}",
                hint="unset CONFORM_BASE to use Debian's",
                log=pulled.tail,
                code="no-base",
            )
        on_line(f"{image} could not be pulled ({pulled.trouble()}); making it from Debian's packages")
        _bootstrap(image, on_line, architecture)
        if found := image_id(client, image):
            return found
        raise MachineFault(f"the base image {image} was made but is not there", code="no-base")
    finally:
        client.close()


def _bootstrap(image: str, on_line: OnLine, architecture: Architecture | None) -> None:
    if shutil.which("mmdebstrap") is None:
        raise MachineFault(
            f"the base image {image} is not here and cannot be pulled, and mmdebstrap is missing",
            hint=f"docker pull {image}, where a registry can be reached; or sudo apt install mmdebstrap, "
            "then make base",
            code="no-base",
        )
    with scratch() as folder:
        archive = folder / "root.tar"
        finished = subprocesses.run(
            [
                *("mmdebstrap", "--variant=minbase", f"--mode={'root' if os.geteuid() == 0 else 'unshare'}"),
                *([f"--architectures={architecture.name}"] if architecture else []),
                *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*"),
                "--dpkgopt=path-exclude=/usr/share/locale/*",
                *("--dpkgopt=path-include=/usr/share/doc/*/copyright", "trixie", str(archive)),
            ],
            log=paths.logs_dir() / "base-bootstrap.log",
            seconds=_BOOTSTRAP_SECONDS,
            on_line=on_line,
        )
        if architecture and any(sign in "\n".join(finished.tail).lower() for sign in SIGNS):
            raise cannot_run(architecture)
        if finished.code != 0:
            ended = "ran out of time" if finished.code is None else f"ended with exit code {finished.code}"
            raise MachineFault(
                f"mmdebstrap, which makes the base image from Debian's packages, {ended}",
                hint=_MIRROR_HINT if os.geteuid() == 0 else f"sudo make base; {_MIRROR_HINT}",
                log=finished.tail,
                code="no-base",
            )
        changes = ['CMD ["bash"]', f"LABEL {LABEL}.base=mmdebstrap"]
        imported = work(["import", image, str(archive), *changes], "base-import", _BOOTSTRAP_SECONDS, on_line)
        if imported.fault or imported.finished.code != 0:
            raise MachineFault(
                f"the engine could not take in the base image: {imported.trouble()}", log=imported.tail
            )


class Worked:
    """What came of a job of build_worker.py: its events in short, and how its process ended."""

    def __init__(self) -> None:
        self.finished = Finished(None, (), 0.0)
        self.fault: dict[str, Any] = {}
        self.error = ""
        self.step = ""
        self.container = ""
        self.limit = ""
        self.built = False
        self._rest = ""

    @property
    def tail(self) -> tuple[str, ...]:
        return self.finished.tail

    def trouble(self) -> str:
        """Why it failed, in a few words."""
        if self.fault:
            return str(self.fault["fault"])
        if self.error:
            return self.error
        return "no answer in time" if self.finished.code is None else f"exit code {self.finished.code}"

    def translate(self, raw: str) -> Iterable[str]:
        """Take in one event; the lines to show for it."""
        try:
            event = json.loads(raw)
        except ValueError:
            return (printable(raw),)
        if "fault" in event:
            self.fault = event
            return (event["fault"],)
        if "limit" in event:
            self.limit = event["limit"]
            return ()
        if "error" in event:
            self.error = " ".join(str(event["error"]).split())
            return (*self._whole_lines("\n"), self.error)
        if "status" in event:
            return (
                () if event.get("progressDetail") else (f"{event.get('id', '')} {event['status']}".strip(),)
            )
        lines = self._whole_lines(str(event.get("stream", "")))
        for line in lines:
            if line.startswith("Step "):
                self.step = line
            elif line.startswith(RUNNING):
                self.container = line.rpartition(" ")[2]
            elif line.startswith("Successfully built "):
                self.built = True
        return lines

    def _whole_lines(self, text: str) -> list[str]:
        """The lines that `text` completes; the engine cuts its stream anywhere."""
        *complete, self._rest = (self._rest + text).split("\n")
        return [shown for line in complete for shown in shown_lines(line) if shown.strip()]


def work(
    job: Sequence[str], log: str, limit: float, on_line: OnLine, quiet_limit: float | None = None
) -> Worked:
    """Run a job of build_worker.py for at most `limit` seconds, with its lines kept in logs/`log`.log."""
    worked = Worked()
    worked.finished = subprocesses.run(
        [sys.executable, "-m", "harness.build.worker", *job],
        log=paths.logs_dir() / f"{log}.log",
        seconds=limit,
        on_line=on_line,
        how=subprocesses.How(None, python_environment(), quiet_limit, worked.translate),
    )
    if worked.fault.get("code") == "disk-full":
        raise machine_fault(f"{job[0]} {job[1]}", worked.fault["fault"])
    return worked
