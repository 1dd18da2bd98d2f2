"""The command `conform site`."""

from __future__ import annotations

from pathlib import Path

import click

from harness import paths
from harness.fleet import example
from harness.report import store
from harness.report.site.build import build


@click.command(name="site")
@click.option("--repository", metavar="URL", help="Where the pages link to for the project's source.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write.  [usually results/site]")
def site(repository: str | None, out: Path | None) -> None:
    """Write what results/ holds as static pages, for a browser or any web server."""
    folder = out or paths.results_dir() / "site"
    count = build(store.published(), folder, example.judge(), repository)
    click.echo(f"{count} files in {paths.shown(folder)}; open {paths.shown(folder / 'index.html')}")
