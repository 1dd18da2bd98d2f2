"""`conform render`: everything that is made from records."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from harness import files, paths
from harness.build import manifest
from harness.errors import MachineFault, ResultsError
from harness.report import junit, kept, store
from harness.report import summary as summaries
from harness.report.record import Record

RECORDS = click.argument("records", nargs=-1)


@click.group(invoke_without_command=True)
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is stale.")
@click.pass_context
def render(context: click.Context, check: bool) -> None:
    """Make matrix, badges and README's tables from the records in results/.

    \b
    conform render                               results/matrix.md, results/badges/, README.md
    conform render --check                       fail if one of them is stale
    conform render junit --out junit.xml         for the test viewers of GitHub, GitLab and Jenkins
    conform render summary                       for the page of a workflow's run on GitHub
    conform render badges c.json --into badges   of one record, wherever it lies

    RECORDS are ports, or the files of records; all published ones if none is named.
    """
    if context.invoked_subcommand is not None:
        if check:
            raise click.UsageError("--check is for the files of the repository: conform render --check")
        return
    wanted = kept.all_files(in_folder(store.published()))
    if not check:
        kept.write(wanted)
        return
    stale = kept.stale(wanted)
    for path in stale:
        click.echo(f"stale: {paths.shown(path)}")
    if stale:
        click.echo("make render brings them up to date; commit what it writes")
        sys.exit(1)


@render.command(name="junit")
@RECORDS
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file and not to the terminal.")
def render_junit(records: Sequence[str], out: Path | None) -> None:
    """JUnit XML: one suite for each level of each port."""
    text = junit.junit(chosen(records))
    if out is None:
        click.echo(text, nl=False)
    else:
        files.write_whole(out, text)


@render.command(name="summary")
@RECORDS
def render_summary(records: Sequence[str]) -> None:
    """A summary in Markdown: appended to $GITHUB_STEP_SUMMARY if that is set, else printed."""
    text = summaries.summary(chosen(records))
    target = os.environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        click.echo(text, nl=False)
        return
    try:
        with open(target, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise MachineFault(f"$GITHUB_STEP_SUMMARY, {target}, cannot be written: {error.strerror}") from None


@render.command(name="badges")
@RECORDS
@click.option("--into", type=click.Path(path_type=Path), required=True, help="The folder for the badges.")
def render_badges(records: Sequence[str], into: Path) -> None:
    """<port>.svg, and <port>.json for a shields.io endpoint."""
    for path, text in kept.badge_files(chosen(records), into).items():
        files.write_whole(path, text)


def chosen(names: Sequence[str]) -> list[Record]:
    """The records of these ports, files or folders; all published ones if none is named.

    Raises ManifestError or ResultsError.
    """
    return [made for name in names for made in named(name)] if names else in_folder(store.published())


def named(name: str) -> list[Record]:
    path = Path(name)
    if name in manifest.known_ports():
        found = store.newest(name)
        return [found if found is not None else store.read(store.mine() / f"{name}.json")]
    if path.is_dir():
        return in_folder(path)
    if path.suffix != ".json":
        manifest.load(name)  # says which ports there are
    return [store.read(path)]


def in_folder(folder: Path) -> list[Record]:
    found = store.read_all(folder)
    if not found:
        raise ResultsError(f"{paths.shown(folder)} holds no record", hint="make matrix judges every port")
    return found
