"""`conform matrix`: every port, in parallel."""

from __future__ import annotations

import sys

import click

from harness.build import manifest
from harness.cli.progress import progress
from harness.cli.shared import ERR, EXIT_CODES, OUT, note, runner_option
from harness.fleet import matrix
from harness.fleet.choice import Choice
from harness.fleet.cluster import ports as cluster
from harness.fleet.plan import known_seconds
from harness.run.limits import Limits


@click.command(name="matrix")
@click.argument("ports", nargs=-1)
@runner_option
@click.option("--long", "long_cases", is_flag=True, help="Ask the long cases too (1,000 steps).")
@click.option("--force", is_flag=True, help="Rebuild and judge again even if nothing has changed.")
@click.option("--keep-images", is_flag=True, help="Leave the images there after judging.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Spread over a Dask scheduler's workers: tcp://host:8786."
)
def judge_all(
    ports: tuple[str, ...],
    runner: str,
    long_cases: bool,
    force: bool,
    keep_images: bool,
    scheduler: str | None,
) -> None:
    """Judge PORTS, or all of them, in parallel; unchanged ones are answered from results/."""
    choice = Choice(runner, long=long_cases)
    names = ports or manifest.known_ports()
    spread = cluster.over(scheduler, runner == "docker", note) if scheduler else matrix.side_by_side
    with progress(ERR, choice.count(), expected=known_seconds(names)) as listener_for:
        rows = matrix.run_matrix(
            names, Limits(), choice, listener_for, spread, force=force, keep_image=keep_images
        )
    matrix.show(rows, OUT)
    faults = [row.fault for row in rows if row.fault is not None]
    if faults:
        sys.exit(max(EXIT_CODES.get(fault.outcome, 1) for fault in faults))
    sys.exit(0 if all(row.conforms for row in rows) else 1)
