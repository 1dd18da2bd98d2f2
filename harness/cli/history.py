"""`conform diff` and `conform history`: how results change."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from harness import paths
from harness.build import manifest
from harness.errors import ResultsError
from harness.report import store
from harness.report.escape import plain
from harness.report.history import trend
from harness.report.history.diff import Change, changes
from harness.report.record import Record

STYLES = {"worse": "red", "better": "green", "new": "cyan", "changed": "yellow"}


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON and nothing else.")
def diff(old: Path, new: Path, as_json: bool) -> None:
    """What got better, what got worse and what is new from OLD to NEW: two records, or two folders of them.

    \b
    git archive HEAD~1 results/published | tar -x -C /tmp
    conform diff /tmp/results/published results/published

    Exit status: 0 nothing got worse, 1 something did, 2 one of them cannot be read.
    """
    found = changes(*_pair(old, new))
    worse = sum(change.kind == "worse" for change in found)
    if as_json:
        click.echo(json.dumps([asdict(change) for change in found], indent=1))
    else:
        _show(found, worse)
    sys.exit(1 if worse else 0)


def _show(found: list[Change], worse: int) -> None:
    console = Console(highlight=False)
    for change in found:
        head = f"[{STYLES[change.kind]}]{change.kind:8}[/]{escape(plain(change.port)):12}"
        console.print(f"{head} {escape(plain(change.sentence))}", soft_wrap=True)
    if worse:
        console.print(f"[bold red]{worse} {'change' if worse == 1 else 'changes'} for the worse[/]")
    else:
        console.print("[bold green]nothing got worse[/]" if found else "[bold green]nothing changed[/]")


def _pair(old: Path, new: Path) -> tuple[list[Record], list[Record]]:
    """Raises ManifestError or ResultsError."""
    if old.is_dir() != new.is_dir() and old.exists() and new.exists():
        raise ResultsError(f"{old} and {new}: expected two records, or two folders of records")
    before, after = _records(old), _records(new)
    if not old.is_dir() and before[0].port != after[0].port:
        raise ResultsError(
            f"{old} is a record of {before[0].port}, {new} one of {after[0].port}: "
            "expected two records of one port"
        )
    return before, after


def _records(path: Path) -> list[Record]:
    if not path.is_dir():
        return [store.read(path)]
    found = store.read_all(path)
    if not found:
        raise ResultsError(f"{paths.shown(path)} holds no record")
    return found


@click.command()
@click.argument("port")
@click.option("--json", "as_json", is_flag=True, help="Print the states as JSON and nothing else.")
def history(port: str, as_json: bool) -> None:
    """Every state that PORT has been in: levels, worst ulp, seconds for the ladder, µs a training step."""
    manifest.load(port)
    lines = trend.read(port, store.published())
    if as_json:
        click.echo(json.dumps(lines, indent=1))
        return
    console = Console(highlight=False)
    console.print(trend.table(port, lines))
