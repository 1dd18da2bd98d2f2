"""`conform base`: the base image of all containers."""

from __future__ import annotations

import click

from harness.build import base
from harness.cli.shared import ERR, OUT


@click.command(name="base")
def get_base() -> None:
    """Get the base image: from a registry, or else from Debian's packages."""
    name = base.ensure_base(lambda text: ERR.print(text, style="dim", markup=False))
    OUT.print(f"base image: {name}", markup=False)
