"""The command `conform check-math`: a port's exact functions against mpmath, asked through the protocol."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import Future, ProcessPoolExecutor

import click

from conformance.math_inputs import batch_of_calls
from harness.build import manifest, runners
from harness.cli.progress import progress
from harness.cli.shared import ERR, runner_option
from harness.errors import MachineFault
from harness.measure.accuracy import BATCH, FUNCTIONS, SEED, of_session
from harness.run.limits import Limits
from harness.run.session import Session


@click.command("check-math")
@click.argument("port")
@runner_option
@click.option("--function", "functions", type=click.Choice(FUNCTIONS), multiple=True, help="Only this one.")
@click.option("--count", type=click.IntRange(1, 10_000_000), default=100_000, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True)
def check_math(port: str, runner: str, functions: tuple[str, ...], count: int, seed: int) -> None:
    """Compare the exact functions of PORT with mpmath at 300 bits, on COUNT arguments each.

    Exits with 1 if one result is not the nearest double.
    """
    try:
        from conformance.check_math import Tally, tally_of
    except SystemExit:
        raise MachineFault("check-math needs mpmath", hint="pip install -e '.[dev]'") from None
    loaded = manifest.load(port)
    limits = loaded.limits(Limits())
    where = runners.runner(runner, limits)
    with progress(ERR, 1) as listener_for:
        where.prepare(loaded, listener_for(port).building)
    no_interrupt = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for this process
    right = True
    with (
        Session(where.launch, limits) as session,
        ProcessPoolExecutor(os.cpu_count(), initializer=signal.signal, initargs=no_interrupt) as pool,
    ):
        ask = of_session(session, "exact")
        for function in functions or FUNCTIONS:
            total = Tally(function)
            checked: list[Future[Tally]] = []
            for first in range(0, count, BATCH):
                calls = batch_of_calls(function, seed, first, min(BATCH, count - first))
                checked.append(pool.submit(tally_of, function, calls, ask(function, calls)))
            for batch in checked:
                total.add(batch.result())
            click.echo(total.line(native=False))
            right = right and total.wrong == 0
    sys.exit(0 if right else 1)
