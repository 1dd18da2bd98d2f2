"""`conform try`: one case, both replies side by side."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

import click

from conformance import ladder
from conformance.messages import Reply, golden_of, request_of
from harness.build import manifest, runners
from harness.cli.progress import progress
from harness.cli.shared import ERR, OUT, runner_option
from harness.errors import ManifestError
from harness.judge.attempt import attempt, side_by_side
from harness.run.limits import Limits
from harness.run.session import Session


@click.command(name="try")
@click.argument("port", required=False)
@click.argument("case", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A port's folder outside ports/.")
@click.option("--name", help="With --path: the port's name, if it is not the folder's.")
@runner_option
def try_case(port: str | None, case: str | None, path: Path | None, name: str | None, runner: str) -> None:
    """Send one CASE, such as adam/example or the file of a request, to PORT and show both replies.

    \b
    conform try c adam/example
    conform try c results/mine/c-smallest.request     what a run has kept
    conform try --path DIR adam/example               a port outside ports/
    """
    if path is not None:
        port, case = None, port if case is None else case
    if case is None or (port is None) == (path is None):
        raise click.UsageError("name a port, or --path to its folder, and then a case")
    loaded = manifest.load_folder(path, name) if path else manifest.load(str(port))
    chosen = asked(case)
    limits = loaded.limits(Limits())
    with progress(ERR, 1) as listener_for:
        where = runners.runner(runner, limits)
        where.prepare(loaded, listener_for(loaded.name).building)
    with Session(where.launch, limits) as session:
        tried = attempt(session, chosen, loaded.name)
    OUT.print(side_by_side(tried))
    OUT.print("[green]they agree[/]" if tried.agrees else "[red]they do not agree[/]")
    sys.exit(0 if tried.agrees else 1)


class FileCase(ladder.Case):
    """A request in a file outside the ladder; the reference answers it now."""

    @cached_property
    def golden(self) -> Reply:
        return golden_of(self.request)


def asked(case: str) -> ladder.Case:
    """The case of this name, or the request in this file. Raises UnknownCase or ManifestError."""
    file = Path(case)
    if file.suffix != ".request":
        return ladder.find_case(case)
    try:
        request = request_of(file.read_bytes())
    except (OSError, ValueError) as problem:
        raise ManifestError(f"{case} cannot be read as one request: {problem}") from None
    level = next((one for one in ladder.levels() if one.verb == request.verb), ladder.levels()[0])
    return FileCase(level, file.stem, file)
