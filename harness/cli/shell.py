"""`conform shell`: a shell with the toolchain of a port."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace

import click

from harness.build import images, manifest
from harness.cli.progress import progress
from harness.cli.shared import ERR
from harness.errors import MachineFault
from harness.run.limits import Limits


@click.command()
@click.argument("port")
def shell(port: str) -> None:
    """Open a shell in a container with PORT's toolchain and, at /port, its own source folder.

    Folders of other ports from which it takes files are beside it, at /c for the port c.
    """
    loaded = manifest.load(port)
    if shutil.which("docker") is None:
        raise MachineFault(
            "the command 'docker' is not installed", hint="on Debian: apt-get install docker.io"
        )
    with progress(ERR, 1) as listener_for:
        tools = replace(loaded, name=f"{port}-shell", build=None)
        image = images.prepare(tools, Limits(), listener_for(port).building)
    user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]
    source = ["--volume", f"{loaded.folder}:/port", "--workdir", "/port"]
    shared = [part for one in loaded.sources for part in ("--volume", f"{one}:/{one.name}:ro")]
    terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
    command = ["docker", "run", "--rm", *terminal, *user, *source, *shared, "--entrypoint", "bash", image.tag]
    os.execvp(command[0], command)
