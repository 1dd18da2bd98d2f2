"""`conform try`: one case, both replies side by side."""

from __future__ import annotations

import sys

import click

from conformance import ladder
from harness.build import manifest, runners
from harness.cli.progress import progress
from harness.cli.shared import ERR, OUT, runner_option
from harness.judge.attempt import attempt, side_by_side
from harness.run.limits import Limits
from harness.run.session import Session


@click.command(name="try")
@click.argument("port")
@click.argument("case")
@runner_option
def try_case(port: str, case: str, runner: str) -> None:
    """Send one CASE, such as adam/example, to PORT and show both replies side by side."""
    loaded, chosen = manifest.load(port), ladder.find_case(case)
    limits = loaded.limits(Limits())
    with progress(ERR, 1) as listener_for:
        where = runners.runner(runner, limits)
        where.prepare(loaded, listener_for(port).building)
    with Session(where.launch, limits) as session:
        tried = attempt(session, chosen, port)
    OUT.print(side_by_side(tried))
    OUT.print("[green]they agree[/]" if tried.agrees else "[red]they do not agree[/]")
    sys.exit(0 if tried.agrees else 1)
