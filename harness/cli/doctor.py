"""What this machine has and lacks for judging ports, and what to type to mend it.

Looks only; it installs and changes nothing.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from rich.console import Console

from harness import paths
from harness.build import base, manifest
from harness.cli.shared import OUT
from harness.errors import ConformError, MachineFault
from harness.report.escape import plain
from harness.run import engine
from harness.run.limits import GIB, MIB, Limits, size

_NEEDED_PYTHON = (3, 11)
_NEEDED_DISK = 5 * GIB


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `mend` is what to type when it is not ok.

    `required` is False for what only one of the two runners needs, or what can be done without.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""
    required: bool = True


def checks() -> list[Check]:
    """Everything, in the order in which a newcomer needs it. Never raises."""
    found = [_python(), _engine()]
    if found[-1].ok:
        found.append(_base_image())
    found += [_disk(), _memory(), _cores(), _git(), *_local_programs()]
    return found


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info[:2] >= _NEEDED_PYTHON
    return Check(
        "python", ok, version, "" if ok else "install Python 3.11 or newer: sudo apt install python3"
    )


def _engine() -> Check:
    """Tells a missing socket, a refused permission and an engine that does not run apart."""
    try:
        client = engine.connect()
        with engine.asked_to("tell its version"):
            version = client.version()
        client.close()
    except MachineFault as fault:
        return Check("container engine", False, fault.message, fault.hint)
    client_version = importlib.metadata.version("docker")
    detail = f"{version['Version']} at {engine.host()}, API {version['ApiVersion']}, client {client_version}"
    return Check("container engine", True, detail)


def _base_image() -> Check:
    name = base.name()
    try:
        client = engine.connect()
        found = base.image_id(client, name)
        client.close()
    except ConformError as fault:
        return Check("base image", False, fault.message, fault.hint)
    if found:
        return Check("base image", True, f"{name}, {found.removeprefix('sha256:')[:12]}")
    if shutil.which("mmdebstrap"):
        how = "the first build pulls it, or makes it with mmdebstrap"
    else:
        how = "the first build pulls it (where no registry can be reached: sudo apt install mmdebstrap)"
    return Check("base image", True, f"{name} is not here yet; {how}", required=False)


def _disk() -> Check:
    places = {"repository": paths.root(), "containers": Path("/var/lib/docker")}
    free = {name: shutil.disk_usage(path).free for name, path in places.items() if path.exists()}
    detail = ", ".join(f"{size(number)} free for the {name}" for name, number in free.items())
    ok = all(number >= _NEEDED_DISK for number in free.values())
    mend = (
        f"free at least {size(_NEEDED_DISK)}: docker system prune, or remove {paths.shown(paths.cache_dir())}"
    )
    return Check("disk", ok, detail, "" if ok else mend)


def _memory() -> Check:
    total = psutil.virtual_memory().total
    limit = Limits().memory
    ok = total >= limit
    mend = f"lower the limit: --memory {max(1, total * 3 // 4 // MIB)}"
    return Check("memory", ok, f"{size(total)}, of which a port may take {size(limit)}", "" if ok else mend)


def _cores() -> Check:
    return Check("processor", True, f"{os.cpu_count() or 1} cores", required=False)


def _git() -> Check:
    found = shutil.which("git")
    return Check("git", bool(found), found or "not found", "" if found else "sudo apt install git")


def _local_programs() -> list[Check]:
    """For every port, whether the program that its manifest starts with is here for the local runner."""
    found = []
    for name in manifest.known_ports():
        try:
            port = manifest.load(name)
        except ConformError as fault:
            found.append(Check(f"port {name}", False, fault.message, fault.hint))
            continue
        if port.toolchain is not None:
            detail = f"{port.toolchain.pypi} {port.toolchain.version} comes from PyPI"
            found.append(Check(f"local runner, {name}", True, detail, required=False))
            continue
        command = _program(port.build or port.run)
        path = shutil.which(command, path=None if "/" not in command else str(port.folder))
        mend = f"only for RUNNER=local: sudo apt install {' '.join(port.apt) or command}"
        found.append(
            Check(
                f"local runner, {name}",
                path is not None,
                path or f"{command} was not found",
                "" if path else mend,
                required=False,
            )
        )
    return found


def _program(command: str) -> str:
    """The program that a line for sh starts: the first word behind all settings of variables."""
    parts = (part.strip() for part in re.split(r"&&|;", command))
    words = (word for part in parts if not part.startswith("export ") for word in part.split())
    return next((word for word in words if word != "env" and "=" not in word), command)


_SIGNS: dict[tuple[bool, bool], str] = {
    (True, True): "ok     ",
    (True, False): "ok     ",
    (False, True): "MISSING",
    (False, False): "without",
}


def show(found: list[Check], out: Console) -> int:
    """Print a line for each check, and one for what mends it; 1 when something required is missing."""
    width = max(len(check.name) for check in found)
    for check in found:
        _print(out, f"{_SIGNS[check.ok, check.required]}  {check.name:{width}}  {check.detail}")
        if not check.ok and check.mend:
            _print(out, f"{'':9}{'':{width}}  {check.mend}")
    return int(any(check.required and not check.ok for check in found))


def _print(out: Console, line: str) -> None:
    out.print(plain(line), markup=False, soft_wrap=True)


@click.command(name="doctor")
def examine() -> None:
    """Check this machine's prerequisites."""
    sys.exit(show(checks(), OUT))
