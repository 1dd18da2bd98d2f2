"""`conform mutants`: all known mistakes against the suite, as a table and as results/mutants.json and .md."""

from __future__ import annotations

import fnmatch
import random
import sys
from typing import NoReturn

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, track
from rich.table import Table

from harness.explain.mutants import hunt, table, trial
from harness.explain.mutants.catalogue import MUTANTS

OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


@click.command()
@click.argument("patterns", nargs=-1)
@click.option("--list", "list_only", is_flag=True, help="Say what they are and run none.")
@click.option(
    "--diagnose",
    "count",
    type=click.IntRange(1),
    help="Try the diagnosis on so many of them, drawn at random.",
)
def mutants(patterns: tuple[str, ...], list_only: bool, count: int | None) -> None:
    """Send the mutants named by PATTERNS ('gauss-*'; all by default) up the ladder: each must be caught.

    \b
    A run of the whole catalogue is kept in results/mutants.json, where the diagnosis of ports looks it up.
    """
    chosen = [m.name for m in MUTANTS if not patterns or any(fnmatch.fnmatch(m.name, p) for p in patterns)]
    if not chosen:
        raise click.UsageError(f"no mutant is named {' or '.join(patterns)}; --list names all")
    if list_only:
        for name in chosen:
            click.echo(f"{name:40} {hunt.find(name).what}")
        return
    if count is not None:
        _try_diagnosis(random.Random(42).sample(chosen, min(count, len(chosen))))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as bars:
        task = bars.add_task("mutants", total=len(chosen))

        def caught(catch: hunt.Catch) -> None:
            bars.update(task, advance=1, description=f"{catch.name[:40]:40}")

        catches = hunt.hunt_all(chosen, caught)
    OUT.print(_table(catches))
    survivors = any(map(hunt.survives, catches))
    if not patterns:
        hunt.save(catches)
        table.save(catches)
    style = "bold red" if survivors else "bold green"
    OUT.print(f"[{style}]{table.sentence(catches)}[/]", soft_wrap=True)
    sys.exit(1 if survivors else 0)


def _try_diagnosis(names: list[str]) -> NoReturn:
    """Is the right one named first? Prints every one that is not, and how long the slowest took."""
    trials = []
    for done in track(trial.try_all([(name,) for name in names]), "diagnosing", len(names), console=ERR):
        trials.append(done)
        if not done.right:
            named = [" + ".join(first[0]) for first in done.named]
            OUT.print(f"{done.planted[0]}: {', '.join(named) or 'nothing'} was named", soft_wrap=True)
    right = sum(done.right for done in trials)
    slowest = max(done.seconds for done in trials)
    OUT.print(f"named rightly: {right} of {len(trials)}; the slowest diagnosis took {slowest:.1f} s")
    sys.exit(0 if right == len(trials) else 1)


def _table(catches: list[hunt.Catch]) -> Table:
    rows = Table()
    for heading in ("mutant", "caught by", "first wrong", "ulps", "outside tolerance"):
        rows.add_column(heading, justify="right" if heading == "ulps" else "left", overflow="fold")
    for catch in catches:
        ulps = "" if catch.ulps is None else f"{catch.ulps:,}" if catch.ulps < 10**9 else "over 10⁹"
        outside = "(by rounding)" if hunt.find(catch.name).rounding else table.level_name(catch.outside)
        cells = (catch.name, table.level_name(catch.level), catch.checkpoint or "", ulps, outside)
        rows.add_row(*map(escape, cells), style="red" if hunt.survives(catch) else "")
    return rows
