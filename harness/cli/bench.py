"""`conform bench`: how fast the ports are, beside the reference."""

from __future__ import annotations

import click

from harness.build import manifest
from harness.cli.shared import OUT, note, runner_option
from harness.measure import bench
from harness.report import speed


@click.command(name="bench")
@click.argument("ports", nargs=-1)
@runner_option
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=bench.ROUNDS,
    show_default=True,
    help="About 3 s each for the reference, 1 to 2 s for each port.",
)
def measure(ports: tuple[str, ...], runner: str, rounds: int) -> None:
    """Measure PORTS, or all of them, beside the reference: table and results/mine/bench.json.

    One port takes about a minute.
    """
    names = ports or manifest.known_ports()
    found = bench.bench(names, runner, note, rounds)
    speed.save(found, runner)
    speed.show(found, OUT)
