"""The command `conform hexagons`: hexagonal attention beside other sparse tables and beside all of it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.table import Table

from harness import paths
from harness.cli.progress import counting
from harness.cli.shared import ERR, OUT, note
from harness.errors import ConformError
from science.hexagons import figures, running, tables
from science.hexagons.plan import FULL, QUICK, REGIMES


@click.command()
@click.option("--quick", is_flag=True, help="A small part, in seconds, to see that it works. Keeps nothing.")
@click.option("--fresh", is_flag=True, help="Train again what an earlier start has finished.")
@click.option("--so-far", is_flag=True, help="Make the figures of what is finished, and train nothing more.")
@click.option("--check", is_flag=True, help="Write nothing; fail if the figures are not those that are kept.")
def hexagons(quick: bool, fresh: bool, so_far: bool, check: bool) -> None:
    """Train with hexagonal attention and with nine other tables, and compare the held-out losses.

    Four datasets of the garden, blocks of 16, 64 and 128, one, two and four layers, five seeds, at equal
    steps and at equal work. Stopped, it goes on where it was. The figures are kept in
    results/science/hexagons.json.

    \b
    conform hexagons            about half an hour on one core
    conform hexagons --quick    a few seconds
    """
    if quick and check:
        raise click.UsageError("--check compares all figures, and --quick has few: give one of the two")
    if so_far and (quick or fresh):
        raise click.UsageError("--so-far trains nothing: --quick and --fresh do not go with it")
    kept = figures.load() if check else {}
    with counting(ERR) as told:
        if quick:
            with TemporaryDirectory() as folder:
                found = running.run(QUICK, told, Path(folder) / "journal")
        else:
            if fresh:
                running.journal().unlink(missing_ok=True)
            found = running.run(FULL, told, running.journal(), so_far)
    if found["missing"]:
        note(f"not trained yet: {len(found['missing'])} of {len(FULL.cells())} cells")
    _tables(found)
    _comparisons(found)
    if check:
        if figures.lasting(found) != figures.lasting(kept):
            raise ConformError(
                f"the figures in {paths.shown(figures.file())} are others", hint="conform hexagons"
            )
        note(f"the same figures as in {paths.shown(figures.file())}, times apart")
    elif not quick:
        note(f"kept in {paths.shown(figures.save(found))}")


def _table(title: str, *heads: str) -> Table:
    """The first column holds words, the others numbers."""
    table = Table(title=title, box=None, padding=(0, 1), title_justify="left")
    table.add_column(heads[0], no_wrap=True)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _tables(found: dict[str, Any]) -> None:
    heads = ("attends to", "keys", "hops", "most", "reached", "loss", "saved a key")
    for block in (row["block"] for row in found["steps"]):
        table = _table(f"\nBlock {block}, at equal steps: means of all cells, nats a character", *heads)
        for row in (one for one in found["means"] if one["block"] == block):
            table.add_row(
                row["table"],
                f"{row['keys']:.2f}",
                f"{row['mean']:.1f}",
                f"{row['greatest']}",
                f"{row['reached']:.0%}",
                f"{row['loss']:.4f}",
                "" if row["saved_per_key"] is None else f"{row['saved_per_key']:.4f}",
            )
        OUT.print(table)


def _comparisons(found: dict[str, Any]) -> None:
    heads = ("less that of", "difference", "95 %", "loss is", "lower", "higher", "of cells")
    for regime in REGIMES:
        table = _table(f"\nLoss of {tables.BASE}, {regime}, nats a character", *heads)
        for row in found["comparisons"]:
            if (row["base"], row["regime"], row["part"]) == (tables.BASE, regime, "all"):
                table.add_row(
                    row["other"],
                    f"{row['mean']:+.4f}",
                    f"{row['low']:+.4f}..{row['high']:+.4f}",
                    row["verdict"],
                    *(f"{row[key]}" for key in ("lower", "higher", "cells")),
                )
        OUT.print(table)
