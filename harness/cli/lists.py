"""`conform list`, `conform cases`, `conform dockerfile`: what there is, as plain lines."""

from __future__ import annotations

import sys

import click

from conformance import ladder
from harness.build import images, manifest
from harness.cli.shared import ERR
from harness.errors import ConformError
from harness.report import terminal


@click.command(name="list")
def list_ports() -> None:
    """Name the ports and the levels that they claim.

    Exit status: 0, or 2 if a port.yaml is wrong; the other ports are listed all the same.
    """
    wrong = False
    for name in manifest.known_ports():
        try:
            loaded = manifest.load(name)
        except ConformError as fault:
            wrong = True
            ERR.print(terminal.error_text(fault))
            continue
        click.echo(f"{name:14} {loaded.language:14} level {loaded.level:2}  {loaded.agreement}")
    sys.exit(2 if wrong else 0)


@click.command(name="cases")
@click.option("--level", type=click.IntRange(1, 12), help="This level only.")
def list_cases(level: int | None) -> None:
    """Name every case as --case wants it."""
    for rung in ladder.levels():
        if level in (None, rung.number):
            for case in rung.cases:
                click.echo(case.id)


@click.command(name="dockerfile")
@click.argument("port")
def show_dockerfile(port: str) -> None:
    """Print the Dockerfile that PORT is built with."""
    click.echo(images.dockerfile(manifest.load(port)), nl=False)
