"""The command `conform accuracy`: measures ports one after the other, and writes results/accuracy.json."""

from __future__ import annotations

import platform

import click
from rich.console import Console

from harness.build import manifest, runners
from harness.cli.progress import progress
from harness.judge.tolerance import kinds_of_math
from harness.measure import accuracy as measure
from harness.report import accuracy as results
from harness.run.limits import Limits
from harness.run.session import Session


@click.command()
@click.argument("ports", nargs=-1)
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option("--inputs", type=click.IntRange(1, 1_000_000), default=measure.INPUTS, show_default=True)
@click.option("--seed", type=int, default=measure.SEED, show_default=True)
def accuracy(ports: tuple[str, ...], runner: str, inputs: int, seed: int) -> None:
    """Measure how far the own exp, log, sin, cos and pow of PORTS, or of all, are from the truth.

    Writes results/accuracy.json and results/accuracy.md. The entry 'reference' is this Python's C library.
    """
    errors = Console(stderr=True, highlight=False)
    names = ports or (*manifest.known_ports(), results.REFERENCE)
    measured = []
    for name in names:
        errors.print(f"measuring {name}", style="dim", markup=False)
        if name == results.REFERENCE:
            measured.append(of_reference(inputs, seed))
        else:
            measured.append(of_port(name, runner, inputs, seed, errors))
        entries = results.save(measured)
    chosen = [known for known in entries if known["port"] in names]
    Console(highlight=False).print(results.table(chosen))
    for known in chosen:
        if known["functions"] is None:
            click.echo(f"{known['port']} offers no functions of its own (its hello has no 'math native')")


def of_reference(inputs: int, seed: int) -> results.Entry:
    found = measure.measure(measure.of_this_python, inputs, seed)
    libc = " ".join(part for part in platform.libc_ver() if part)
    toolchain = f"Python {platform.python_version()}" + (f", {libc}" if libc else "")
    return results.entry(
        results.Subject(results.REFERENCE, "Python", toolchain, "local"), found, inputs, seed
    )


def of_port(name: str, runner: str, inputs: int, seed: int, errors: Console) -> results.Entry:
    """Build a port, and ask it for its own functions if it has any. Raises ConformError."""
    loaded = manifest.load(name)
    limits = loaded.limits(Limits())
    where = runners.runner(runner, limits)
    with progress(errors, 1) as listener_for:
        prepared = where.prepare(loaded, listener_for(name).building)
    with Session(where.launch, limits) as session:
        found = None
        if "native" in kinds_of_math(session, name):
            found = measure.measure(measure.of_session(session), inputs, seed)
    toolchain = prepared.toolchain or ""
    return results.entry(results.Subject(name, loaded.language, toolchain, runner), found, inputs, seed)
