"""`conform plan`: which ports to judge, for people and for a workflow's matrix."""

from __future__ import annotations

import json
import sys

import click

from harness import paths
from harness.build import manifest
from harness.fleet.plan import (
    MOST_JOBS,
    Plan,
    changed_files,
    everything,
    head_commit,
    known_seconds,
    sample,
    shards,
    taken_files,
    unfit,
)
from harness.fleet.plan import plan as plan_for


@click.command()
@click.option("--since", metavar="REF", help="Only what changes since this commit call for.")
@click.option("--shards", "number", type=click.IntRange(1, MOST_JOBS), help="So many jobs at the most.")
@click.option("--sample", "extra", type=click.IntRange(0), default=0, help="So many other ports besides.")
@click.option("--check", is_flag=True, help="Fail if a published record is not of the present state.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON, for fromJSON in a workflow.")
def plan(since: str | None, number: int | None, extra: int, check: bool, as_json: bool) -> None:
    """Say which ports to judge: changed ones alone, or all when harness, reference or suite changed.

    \b
    conform plan --since origin/main
    conform plan --since origin/main --shards 8 --json
    conform plan --since HEAD~1 --sample 4    what changed, and four others, other ones for each commit
    conform plan --check                      are the published records those of today?

    The JSON is {"count": 2, "matrix": {"include": [{"name": "c", "ports": "c"}, ...]}}.
    """
    known = manifest.known_ports()
    if check:
        _check(known)
        return
    if not since:
        planned = everything(known, "every port")
    elif (changed := changed_files(since, paths.root())) is None:
        planned = everything(known, f"every port: git does not know {since}, or not how it led here")
    else:
        planned = plan_for(known, changed, taken_files(known))
    if extra:
        others = [name for name in known if name not in planned.ports]
        chosen = sample(others, extra, head_commit(paths.root()))
        planned = Plan((*planned.ports, *chosen), f"{planned.reason}; a sample besides: {' '.join(chosen)}")
    groups = shards(planned.ports, number or MOST_JOBS, known_seconds(planned.ports))
    click.echo(planned.reason, err=as_json)
    if as_json:
        jobs = [{"name": _name(group), "ports": " ".join(group)} for group in groups]
        click.echo(json.dumps({"count": len(jobs), "matrix": {"include": jobs}}))
        return
    for group in groups:
        click.echo(f"  {' '.join(group)}")


def _check(known: tuple[str, ...]) -> None:
    found = unfit(known)
    for name, why in found.items():
        click.echo(f"{name}: {why}")
    if found:
        click.echo("make matrix LONG=1 judges them again, and make publish publishes what it finds")
        sys.exit(1)
    click.echo(f"the records of {len(known)} ports are of the present ports, suite and judging code")


def _name(group: tuple[str, ...]) -> str:
    """What tells jobs apart, also as the name of an artifact."""
    return group[0] if len(group) == 1 else f"{group[0]}-and-{len(group) - 1}-more"
