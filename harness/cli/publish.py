"""`conform publish`: one's own results become the published ones."""

from __future__ import annotations

import shutil

import click

from harness import paths
from harness.build import manifest
from harness.errors import ResultsError
from harness.report import kept, others, store


@click.command()
@click.argument("ports", nargs=-1)
def publish(ports: tuple[str, ...]) -> None:
    """Make your newest records of PORTS, or of every port that you have judged, the published ones.

    Copies results/mine/<port>.json to results/published/ and writes the port's badge. Commit what it writes;
    nothing else changes published results.
    """
    names = ports or tuple(
        name for name in manifest.known_ports() if (store.mine() / f"{name}.json").exists()
    )
    if not names:
        raise ResultsError("you have judged no port yet", hint="make conform PORT=c, or make matrix")
    records = [store.publish(name) for name in names]
    for name in () if ports else ("bench", *others.RENDERED):
        if (store.mine() / f"{name}.json").exists():
            shutil.copyfile(store.mine() / f"{name}.json", store.published() / f"{name}.json")
    kept.write(kept.all_files(store.read_all()))
    for record in records:
        click.echo(f"published {paths.shown(store.published() / f'{record.port}.json')}")
