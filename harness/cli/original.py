"""`conform original`: does the original program print what is stored of it?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli.shared import ERR, OUT, note
from harness.judge import original as program


@click.command()
@click.option("--file", "path", type=click.Path(path_type=Path), help="A copy of it, instead of a download.")
def original(path: Path | None) -> None:
    """Download the original microgpt, run it on reference/garden/names.txt, and compare what it prints.

    It is Andrej Karpathy's gist, in the version that the preset `classic` follows, known by its SHA-256. It
    trains 1,000 steps, which takes about two minutes. The reference is held to the same figures by tests.
    """
    source = program.download() if path is None else program.read(path)
    note(f"running the original (SHA-256 {program.SHA256[:12]}...): 1,000 steps, about two minutes")
    printed = []
    with ERR.status("starting") as status:
        for line in program.lines(source):
            status.update(line)
            printed.append(line)
    found = program.compare(program.witness(), printed)
    if found.first is None:
        OUT.print(f"the original prints the {found.lines:,} lines of reference/witness/printed.txt")
        return
    number, expected, got = found.first
    OUT.print(f"line {number} differs\n  stored   {expected}\n  printed  {got}", markup=False)
    sys.exit(1)
