"""`conform bench`: how fast the ports are, beside the reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.markdown import Markdown

from harness import paths
from harness.build import manifest
from harness.cli.shared import OUT, note, runner_option
from harness.measure import bench, peers, scale
from harness.report import others, speed


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
@click.option(
    "--peers",
    "clones",
    type=click.Path(path_type=Path),
    help="Beside public programs, cloned into this folder.",
)
@click.option("--scale", "is_scale", is_flag=True, help="Larger models, for ports that end in -fast.")
def measure(ports: tuple[str, ...], runner: str, rounds: int, clones: Path | None, is_scale: bool) -> None:
    """Measure PORTS, or all of them, beside the reference: table and results/mine/bench.json.

    One port takes about a minute.

    \b
    conform bench c c-fast --peers ~/clones     beside public programs: results/mine/peers.json
    conform bench --scale                       larger models: results/mine/scale.json
    """
    names = ports or manifest.known_ports()
    fast = ports or tuple(name for name in names if name.endswith("-fast"))
    if clones is not None:
        _say("peers", peers.measure(fast, clones, note))
    if is_scale:
        _say("scale", scale.measure(fast, runner, note))
    if clones is not None or is_scale:
        return
    found = bench.bench(names, runner, note, rounds)
    speed.save(found, runner)
    speed.show(found, OUT)


def _say(name: str, found: Sequence[peers.Timed] | scale.Scale) -> None:
    kept = others.save(name, found)
    OUT.print(Markdown(others.RENDERED[name](others.read(kept))))
    note(f"kept in {paths.shown(kept)}")
