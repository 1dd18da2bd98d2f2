"""The command `conform`: reads options, calls the harness, prints reports. Everything else is elsewhere.

Exit status: 0 the port conforms, 1 it does not, 2 the command or port.yaml is wrong, 3 this machine cannot do
it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console

from harness import base, bench, doctor, images, ladder, manifest, matrix, record, report, runners, scaffold
from harness.accuracy import results as accuracy_results
from harness.accuracy.command import accuracy
from harness.attempt import attempt, side_by_side
from harness.cluster import ports as cluster
from harness.conform import Choice, conform
from harness.errors import ConformError, MachineFault
from harness.fuzz.command import fuzz
from harness.history.command import diff, history
from harness.limits import MIB, Limits
from harness.mutants.command import mutants
from harness.plan.command import plan
from harness.progress import progress
from harness.render import kept
from harness.render.command import render
from harness.session import Session
from harness.site.command import site

EXIT_CODES = {"machine": 3, "usage": 2}
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


class _Conform(click.Group):
    """Turns every fault that the harness knows into a sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConformError as error:
            ERR.print(report.error_text(error))
            sys.exit(EXIT_CODES.get(error.outcome, 1))
        except KeyboardInterrupt:
            ERR.print("interrupted: the port was stopped and its container removed")
            sys.exit(130)
        except BrokenPipeError:
            _leave_a_closed_pipe()


def _leave_a_closed_pipe() -> NoReturn:
    """Somebody stopped reading, as `head` does: nothing is wrong."""
    sys.stdout = open("/dev/null", "w")  # noqa: SIM115 - it stays open to the end, for what is still to be flushed
    sys.exit(0)


@click.group(cls=_Conform, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Prove, bit by bit, that a port of microgpt computes what the reference computes.

    \b
    conform run rust                         build in Docker, climb the ladder, report
    conform run rust --level 6               one level only
    conform run rust --case backward/window  one case only
    conform run rust --runner local          without Docker
    conform doctor                           what this machine lacks, and what to type
    """


def _note(text: str) -> None:
    ERR.print(text, style="dim", markup=False)


def _limit_options(command: Callable[..., None]) -> Callable[..., None]:
    usual = Limits()
    for name, text, default in (
        ("--build-timeout", "Seconds for the build.", usual.build),
        ("--start-timeout", "Seconds from start to the first answer.", usual.start),
        ("--request-timeout", "Seconds for one request.", usual.request),
    ):
        command = click.option(
            name, type=click.FloatRange(min=0, min_open=True), help=f"{text}  [usually {default:g}]"
        )(command)
    for name, text, size in (
        ("--memory", "MiB of memory for the port.", usual.memory),
        ("--output-limit", "MiB that one reply may have.", usual.output),
        ("--stderr-limit", "MiB of standard error for one request.", usual.stderr),
    ):
        command = click.option(name, type=click.IntRange(min=1), help=f"{text}  [usually {size // MIB}]")(
            command
        )
    return command


@main.command()
@click.argument("port", required=False)
@click.option("--path", type=click.Path(path_type=Path), help="A port's folder outside ports/.")
@click.option("--name", help="With --path: the port's name, if it is not the folder's.")
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--level", type=click.IntRange(1, 12), help="Ask this level only.")
@click.option("--case", "case", help="Ask this case only, as <verb>/<case>.")
@click.option("--long", "long_cases", is_flag=True, help="Ask the long cases too (1,000 steps).")
@click.option(
    "--math",
    type=click.Choice(["exact", "native"]),
    default="exact",
    show_default=True,
    help="native: ask for the port's own functions, and judge it within the measured tolerance.",
)
@click.option("--force", is_flag=True, help="Build anew even if nothing has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON and nothing else.")
@click.option(
    "--record", "record_file", type=click.Path(path_type=Path), help="Write the record to this file, too."
)
@_limit_options
def run(
    port: str | None,
    path: Path | None,
    name: str | None,
    runner: str,
    level: int | None,
    case: str | None,
    long_cases: bool,
    math: str,
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
    loaded = manifest.load_folder(path, name) if path else manifest.load(str(port))
    chosen_limits = _limits(loaded, limits)
    choice = Choice(runner, level, case, long_cases, math == "native")
    with progress(ERR, choice.count(), quiet=as_json) as listener_for:
        where = runners.runner(runner, chosen_limits, force)
        found = conform(loaded, where, chosen_limits, choice, listener_for(loaded.name))
    if choice.only_level is None and path is None and not choice.native:
        record.save(found)
    if record_file is not None:
        record.write(found, record_file)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        report.show(found, OUT, _repeat(path, name, runner) if path else "")
        measured = None if path else accuracy_results.of_port(loaded.name)
        if measured is not None:
            OUT.print(accuracy_results.line(measured), style="dim", soft_wrap=True)
    sys.exit(0 if found["outcome"] == "conforms" else 1)


def _repeat(path: Path, name: str | None, runner: str) -> str:
    """The command that asks a port outside ports/ again."""
    return f"conform run --path {path}{f' --name {name}' if name else ''} --runner {runner}"


def _limits(loaded: manifest.Manifest, options: dict[str, float | None]) -> Limits:
    """The usual limits, then the port's own, then those of the command line."""
    fields = {
        "build_timeout": ("build", 1),
        "start_timeout": ("start", 1),
        "request_timeout": ("request", 1),
        "memory": ("memory", MIB),
        "output_limit": ("output", MIB),
        "stderr_limit": ("stderr", MIB),
    }
    chosen = {
        fields[option][0]: value * fields[option][1] for option, value in options.items() if value is not None
    }
    return replace(loaded.limits(Limits()), **chosen)  # type: ignore[arg-type]


@main.command(name="try")
@click.argument("port")
@click.argument("case")
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
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
    OUT.print("[green]they agree[/]" if tried["agrees"] else "[red]they do not agree[/]")
    sys.exit(0 if tried["agrees"] else 1)


@main.command()
@click.argument("port")
def shell(port: str) -> None:
    """Open a shell in a container with PORT's toolchain and, at /port, its own source folder."""
    loaded = manifest.load(port)
    if shutil.which("docker") is None:
        raise MachineFault(
            "the command 'docker' is not installed", hint="on Debian: apt-get install docker.io"
        )
    with progress(ERR, 1) as listener_for:
        tools = replace(loaded, name=f"{port}-shell", build=None)
        image = images.prepare(tools, Limits(), listener_for(port).building)
    user = ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"]
    source = ["--volume", f"{loaded.folder}:/port", "--workdir", "/port"]
    terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
    command = ["docker", "run", "--rm", *terminal, *user, *source, "--entrypoint", "bash", image.tag]
    os.execvp(command[0], command)


@main.command(name="new")
@click.argument("language", required=False)
@click.option("--name", help="The port's name, if not the language's.")
@click.option("--apt", multiple=True, help="A Debian package; may be given several times.")
@click.option("--build", help="The command that builds it.")
@click.option("--run", "run_command", help="The command that starts it.")
@click.option("--version-command", help="The command that prints the toolchain's version.")
@click.option("--extension", help="The ending of the source's name, such as lua.")
@click.option("--comment", help="What begins a comment, such as '#', or both ends, such as '(* *)'.")
@click.option(
    "--family", type=click.Choice(scaffold.FAMILIES), help="An outline of this kind, not the skeleton."
)
@click.option("--into", type=click.Path(path_type=Path), help="Make the folder here and not in ports/.")
@click.option("--list", "list_known", is_flag=True, help="Name the languages that are known.")
def new_port(
    language: str | None,
    name: str | None,
    apt: tuple[str, ...],
    build: str | None,
    run_command: str | None,
    version_command: str | None,
    extension: str | None,
    comment: str | None,
    family: str | None,
    into: Path | None,
    list_known: bool,
) -> None:
    """Begin a port in LANGUAGE: a folder with a manifest and a source that is ready to grow."""
    if list_known:
        for known in scaffold.languages():
            click.echo(f"{known.name:18} {known.language:24} {'skeleton' if known.skeleton else 'outline'}")
        return
    if language is None:
        raise click.UsageError("name a language, such as lua; --list names the known ones")
    wishes = scaffold.Wishes(
        name, apt or None, build, run_command, version_command, extension, comment, family
    )
    for text in scaffold.farewell(scaffold.begin(language, wishes, into)):
        click.echo(text)


@main.command(name="matrix")
@click.argument("ports", nargs=-1)
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--long", "long_cases", is_flag=True, help="Ask the long cases too (1,000 steps).")
@click.option("--force", is_flag=True, help="Build and judge anew even if nothing has changed.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="Spread over a Dask scheduler's workers: tcp://host:8786."
)
def judge_all(
    ports: tuple[str, ...], runner: str, long_cases: bool, force: bool, scheduler: str | None
) -> None:
    """Judge PORTS, or all of them, in parallel; unchanged ones are answered from results/."""
    choice = Choice(runner, long=long_cases)
    names = ports or manifest.known_ports()
    spread = cluster.over(scheduler, runner == "docker", _note) if scheduler else matrix.side_by_side
    with progress(ERR, choice.count()) as listener_for:
        rows = matrix.run_matrix(names, Limits(), choice, listener_for, force, spread)
    matrix.show(rows, OUT)
    try:
        kept.write(kept.results_files(record.read_all()))
    except ConformError as fault:
        _note(f"results/matrix.md was not written: {fault.message}")
    faults = [row.fault for row in rows if row.fault is not None]
    if faults:
        sys.exit(max(EXIT_CODES.get(fault.outcome, 1) for fault in faults))
    sys.exit(0 if all(row.conforms for row in rows) else 1)


@main.command(name="bench")
@click.argument("ports", nargs=-1)
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=bench.ROUNDS, show_default=True)
def measure(ports: tuple[str, ...], runner: str, rounds: int) -> None:
    """Measure PORTS, or all of them, beside the reference: table and results/bench.json."""
    names = ports or manifest.known_ports()
    found = bench.bench(names, runner, lambda text: ERR.print(text, style="dim"), rounds)
    bench.save(found, runner)
    bench.show(found, OUT)


@main.command(name="dockerfile")
@click.argument("port")
def show_dockerfile(port: str) -> None:
    """Print the Dockerfile that PORT is built with."""
    click.echo(images.dockerfile(manifest.load(port)), nl=False)


@main.command(name="doctor")
def examine() -> None:
    """Say what this machine lacks, and what to type."""
    sys.exit(doctor.show(doctor.checks(), OUT))


@main.command(name="base")
def get_base() -> None:
    """Get the base image: from a registry, or else from Debian's packages."""
    name = base.ensure_base(lambda text: ERR.print(text, style="dim", markup=False))
    OUT.print(f"base image: {name}")


@main.command(name="list")
def list_ports() -> None:
    """Name the ports and the levels that they claim."""
    for name in manifest.known_ports():
        loaded = manifest.load(name)
        click.echo(f"{name:14} {loaded.language:14} level {loaded.level:2}  {loaded.agreement}")


@main.command(name="cases")
@click.option("--level", type=click.IntRange(1, 12), help="This level only.")
def list_cases(level: int | None) -> None:
    """Name every case as --case wants it."""
    for rung in ladder.levels():
        if level in (None, rung.number):
            for case in rung.cases:
                click.echo(case.id)


main.add_command(accuracy)


main.add_command(render)
main.add_command(diff)
main.add_command(history)
main.add_command(plan)
main.add_command(fuzz)
main.add_command(mutants)
main.add_command(site)
