"""`conform start`: writes where the reference begins, for programs that have no generator like Python's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli.check import preset_options
from harness.files import write_whole
from harness.judge.check import goldens, setup, start
from harness.judge.check.setup import Setup


@click.command(name="start")
@preset_options
@click.option(
    "--form", type=click.Choice(list(start.FORMS)), help="Usually what the file's ending says, else text."
)
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file and not to the terminal.")
def begin(
    preset: str | None, dataset: Path | None, seed: int, form: str | None, out: Path | None, **changes: Any
) -> None:
    """Write what a run begins with: the documents in order, the initial parameters, the uniforms for
    sampling.

    \b
    conform start --preset classic --out start.npz
    conform start --preset classic --out start.h      for C
    conform start --form json                         on the terminal

    A program that starts so, whatever its language and library, can be checked: conform check trace.npz.
    """
    data = goldens.read_dataset(dataset) if dataset else goldens.of_garden()
    name = preset or "classic"
    made = start.Start.of(Setup(name, setup.override(name, changes), data, seed))
    chosen = form or start.ENDINGS.get(out.suffix if out else "", "text")
    content = start.FORMS[chosen](made)
    if out is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_whole(out, content)
