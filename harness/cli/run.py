"""`conform run`: one port, from its folder to a report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from harness.build import architecture, manifest, runners
from harness.cli.progress import progress
from harness.cli.shared import ERR, OUT, limit_options, limits_of, runner_option
from harness.fleet.choice import Choice
from harness.fleet.conform import conform
from harness.report import accuracy as accuracy_results
from harness.report import store, terminal
from harness.report.escape import plain
from harness.report.record import Record, text_of


@click.command()
@click.argument("port", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A port's folder outside ports/.")
@click.option("--name", help="With --path: the port's name, if it is not the folder's.")
@runner_option
@click.option("--level", type=click.IntRange(1, 12), help="Ask this level only.")
@click.option("--case", "case", help="Ask this case only, as <verb>/<case>.")
@click.option("--after", metavar="CASES", help="With --case: cases to ask before it, separated by commas.")
@click.option("--fresh/--no-fresh", default=True, help="Ask questions that nobody has seen before, too.")
@click.option("--fresh-seed", type=int, metavar="SEED", help="The seed of an earlier run's fresh questions.")
@click.option("--long", "long_cases", is_flag=True, help="Ask the long cases too (1,000 steps).")
@click.option(
    "--math",
    type=click.Choice(["exact", "native"]),
    default="exact",
    show_default=True,
    help="native: ask for the port's own functions, and judge it within the measured tolerance.",
)
@click.option(
    "--arch",
    type=click.Choice(architecture.NAMES),
    help="Build and run for this architecture, which QEMU emulates if it is not this machine's.",
)
@click.option("--force", is_flag=True, help="Rebuild even if nothing has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON and nothing else.")
@click.option(
    "--record", "record_file", type=click.Path(path_type=Path), help="Write the record to this file, too."
)
@limit_options
def run(
    port: str | None,
    path: Path | None,
    name: str | None,
    runner: str,
    level: int | None,
    case: str | None,
    after: str | None,
    fresh: bool,
    fresh_seed: int | None,
    long_cases: bool,
    math: str,
    arch: str | None,
    force: bool,
    as_json: bool,
    record_file: Path | None,
    **limits: float | None,
) -> None:
    """Build PORT, climb the ladder with it, and report the first divergence."""
    if (port is None) == (path is None):
        raise click.UsageError(
            f"name one port, or --path to its folder; ports: {', '.join(manifest.known_ports())}"
        )
    if level is not None and case is not None:
        raise click.UsageError("--level and --case exclude each other: a case has its level")
    if name is not None and path is None:
        raise click.UsageError("--name goes with --path: a port in ports/ has its folder's name")
    foreign = architecture.other(arch)
    if foreign is not None and runner != "docker":
        raise click.UsageError(f"--arch {arch} goes with --runner docker: this machine is of another kind")
    loaded = manifest.load_folder(path, name) if path else manifest.load(str(port))
    chosen_limits = limits_of(loaded, limits)
    choice = Choice(
        runner,
        level,
        case,
        tuple(after.split(",")) if after else (),
        long_cases,
        math == "native",
        fresh=fresh,
        fresh_seed=fresh_seed,
        architecture=foreign,
    )
    with progress(ERR, choice.count(), quiet=as_json) as listener_for:
        where = runners.runner(runner, chosen_limits, force, foreign)
        found = conform(loaded, where, chosen_limits, choice, listener_for(loaded.name))
    if as_json:
        click.echo(text_of(found), nl=False)
    else:
        terminal.show(found, OUT, _repeat(path, name, runner, arch) if path else "")
        if path and not name and (said := _other_name(found)):
            OUT.print(said, markup=False, soft_wrap=True)
        measured = None if path else accuracy_results.of_port(loaded.name)
        if measured is not None:
            OUT.print(plain(accuracy_results.line(measured)), style="dim", markup=False, soft_wrap=True)
    # The report first: a full disk must not hide it.
    if choice.is_whole or found.smallest is not None:
        store.keep_smallest(found)
    if choice.is_whole and path is None and not choice.native and foreign is None:
        store.save(found)
    if record_file is not None:
        store.write(found, record_file)
    sys.exit(0 if found.conforms else 1)


def _other_name(found: Record) -> str:
    """What to do about a port that calls itself otherwise than its folder; '' if it does not."""
    failure = found.first_failure
    difference = failure[1].difference if failure else None
    if (
        difference is None
        or difference.checkpoint != "the line name"
        or not difference.got.startswith("name ")
    ):
        return ""
    its_own = shlex.quote(plain(difference.got.removeprefix("name ")))
    return f"the port calls itself {its_own} and its folder {found.port}: add --name {its_own}"


def _repeat(path: Path, name: str | None, runner: str, arch: str | None = None) -> str:
    """The command that asks a port outside ports/ again."""
    words = ["conform", "run", "--path", str(path), *(["--name", name] if name else []), "--runner", runner]
    return shlex.join([*words, *(["--arch", arch] if arch else [])])
