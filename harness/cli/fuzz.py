"""The command `conform fuzz`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from conformance.verbs import NAMES
from harness import files
from harness.cli.progress import progress
from harness.cli.shared import SECONDS, note
from harness.errors import ConformError, MachineFault
from harness.report import store
from harness.run.limits import Limits
from harness.run.process import printable

if TYPE_CHECKING:
    from harness.fuzz.campaign import Campaign

USUAL_SECONDS = 60.0
OUT = Console(highlight=False)
ERR = Console(stderr=True, highlight=False)


@click.command()
@click.argument("ports", nargs=-1, required=True)
@click.option("--time", "seconds", type=SECONDS, help="Seconds.  [usually 60]")
@click.option("--count", type=click.IntRange(min=1), help="Requests, in place of a time.")
@click.option("--seed", type=click.IntRange(min=0), help="Makes the same requests again.  [usually any]")
@click.option("--kind", type=click.Choice(["good", "bad", "both"]), default="both", show_default=True)
@click.option("--verb", "verbs", type=click.Choice(NAMES), multiple=True, help="Only this verb.")
@click.option("--runner", type=click.Choice(["docker", "local"]), default="docker", show_default=True)
@click.option(
    "--request-timeout",
    "timeout",
    type=SECONDS,
    default=20.0,
    show_default=True,
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Spread over a Dask scheduler's workers: tcp://host:8786."
)
@click.option(
    "--shards", type=click.IntRange(min=1), help="With --scheduler: campaigns for each port.  [usually 1]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON and nothing else.")
@click.option("--keep", is_flag=True, help="Add to the suite what it does not see yet, 3 cases at most.")
@click.option("--record", is_flag=True, help="Write the result to results/mine/fuzz.json.")
def fuzz(
    ports: tuple[str, ...],
    seconds: float | None,
    count: int | None,
    seed: int | None,
    kind: str,
    verbs: tuple[str, ...],
    runner: str,
    timeout: float,
    scheduler: str | None,
    shards: int | None,
    as_json: bool,
    keep: bool,
    record: bool,
) -> None:
    """Ask PORTS generated requests, and compare every answer with the reference's.

    Good requests must be answered with the reference's very bits, bad ones with an error, after which the
    port must keep running. What fails is minimized and saved in the cache, for `conform try`. With --keep it
    becomes a case of the suite, in conformance/found/, unless the suite already shows that the port is wrong
    there.

    Exit status: 0 nothing was found, 1 something was.
    """
    if seconds is not None and count is not None:
        raise click.UsageError("--time and --count exclude each other: a campaign ends by one of them")
    try:
        from harness.fuzz import report
        from harness.fuzz.campaign import KINDS, Course, Place, campaign
    except ModuleNotFoundError as error:
        raise MachineFault(
            f"fuzzing needs the Python package {error.name}", hint=f"python3 -m pip install {error.name}"
        ) from None
    if shards is not None and scheduler is None:
        raise click.UsageError("--shards says how to spread a campaign: it needs --scheduler")
    if count is None and seconds is None:
        seconds = USUAL_SECONDS
    if seed is None:
        seed = random.SystemRandom().randrange(10**6)
    kinds = tuple(known for known in KINDS if kind in (known, "both"))
    course = Course(seed, kinds, verbs or NAMES, seconds, count, keep)
    limits = Limits(request=timeout)
    faults: list[ConformError] = []
    if scheduler is not None:
        from harness.fleet.cluster.fuzz import Plan, fuzz_over

        plan = Plan(course, runner, limits, shards or 1)
        with progress(ERR, 0, quiet=as_json) as listener_for:
            result, faults = fuzz_over(scheduler, ports, plan, note, listener_for)
    else:
        with _progress(seconds, count, quiet=as_json) as (on_line, listener):
            result = campaign(ports, course, Place(runner, limits), on_line, listener)
    if record:
        path = store.mine() / "fuzz.json"
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        files.write_whole(path, json.dumps({**kept, kind: result}, indent=1) + "\n")
    if as_json:
        click.echo(json.dumps(result, indent=1))
    else:
        report.show(result, OUT)
    if faults:
        raise faults[0]
    if result["found"]:
        sys.exit(1)
    sys.exit(130 if result["ended"] == "interrupted" else 0)


@contextmanager
def _progress(
    seconds: float | None, count: int | None, quiet: bool
) -> Iterator[tuple[Callable[[str], None], Callable[[Campaign], None]]]:
    """What shows the lines of a build, and what shows how far a campaign is; in a pipe, nothing."""
    if quiet or not ERR.is_terminal:
        yield (lambda line: None), (lambda campaign: None)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=ERR, transient=True) as bars:
        task = bars.add_task("building", total=None)

        def on_line(line: str) -> None:
            bars.update(task, description=f"building: {printable(line, 70)}")

        def listener(campaign: Campaign) -> None:
            done = campaign.requests if count is not None else campaign.elapsed
            text = f"{campaign.requests:,} requests, {len(campaign.found)} found"
            bars.update(task, description=text, total=count or seconds, completed=done)

        yield on_line, listener
