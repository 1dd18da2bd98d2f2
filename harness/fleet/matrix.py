"""Judges every port at once, within the machine's cores and memory; unchanged ones come from results/.

A port that fails or hangs costs the others nothing: each has its own processes, limits and record.

    names -> Job each -> judged side by side here, or by harness/cluster elsewhere -> record saved, Row each
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from conformance import verbs
from conformance.ladder import BrokenSuite
from harness import threads
from harness.build import images, manifest, runners
from harness.crash import broken_suite, unexpected
from harness.errors import ConformError
from harness.fleet.choice import Choice
from harness.fleet.conform import conform, result_key
from harness.fleet.listener import Listener
from harness.report import store, terminal, words
from harness.report.escape import plain
from harness.report.record import Record
from harness.run.limits import Limits

ListenerFor = Callable[[str], Listener]


@dataclass(frozen=True)
class Job:
    """All that judging one port takes. With `force` no saved record will do.

    After judging, its image is removed unless `keep_image`: a hundred images do not fit on a disk.
    """

    manifest: manifest.Manifest
    limits: Limits
    choice: Choice
    force: bool = False
    keep_image: bool = True

    @property
    def port(self) -> str:
        return self.manifest.name


Judged = Record | ConformError
"""A record, a saved one if nothing has changed, or the fault that kept the port from having one."""
Spread = Callable[[Sequence[Job], ListenerFor], Iterator[tuple[Job, Judged]]]
"""Gets every job done somewhere, and gives each once, in the order in which they end."""


@dataclass(frozen=True)
class Row:
    """One port's line of the matrix: its record, or the fault that kept it from having or keeping one."""

    port: str
    record: Record | None
    cached: bool = False
    fault: ConformError | None = None

    @property
    def conforms(self) -> bool:
        return self.record is not None and self.record.conforms


def workers(limits: Limits, ports: int) -> int:
    """How many ports may run side by side: one for each core, and memory for each."""
    by_memory = int(psutil.virtual_memory().available // limits.memory)
    return max(1, min(ports, os.cpu_count() or 1, by_memory))


def judge(job: Job, listener: Listener) -> Judged:
    """Judge a port on this machine. Whatever happens stays with this port."""
    try:
        runner = runners.runner(job.choice.runner, job.limits, job.force)
        if not job.force:
            key = result_key(job.manifest, runner.content_hash(job.manifest), job.choice)
            if (known := store.with_key(job.port, key)) is not None:
                return known
        found = conform(job.manifest, runner, job.limits, job.choice, listener)
        if found.build.image and not job.keep_image:
            images.remove(found.build.image, keep_layers=True)
        return found
    except ConformError as fault:
        return fault
    except BrokenSuite as problem:
        return broken_suite(problem)
    except Exception as error:
        return unexpected(error, f"judging {job.port}")


def by_layers(jobs: Sequence[Job]) -> list[Job]:
    """Ports with the same packages one after the other, so that the layer with these is built once."""
    return sorted(jobs, key=lambda job: (job.manifest.apt, job.port))


def side_by_side(jobs: Sequence[Job], listener_for: ListenerFor) -> Iterator[tuple[Job, Judged]]:
    """The Spread over the cores of this machine."""

    def judge_one(job: Job) -> Judged:
        listener = listener_for(job.port)
        judged = judge(job, listener)
        listener.finished()
        return judged

    if not jobs:
        return
    with threads.side_by_side(workers(jobs[0].limits, len(jobs))) as pool:
        futures = {pool.submit(judge_one, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()


def run_matrix(
    names: Sequence[str],
    limits: Limits,
    choice: Choice,
    listener_for: ListenerFor,
    spread: Spread = side_by_side,
    **how: bool,
) -> list[Row]:
    """Judge the ports, and save their records as they come. One Row for each name, in the order given.

    how: `force` and `keep_image` of each Job.
    """
    rows: dict[str, Row] = {}
    jobs = []
    began = datetime.now(UTC).isoformat(timespec="seconds")
    for name in dict.fromkeys(names):
        try:
            loaded = manifest.load(name)
        except ConformError as fault:
            rows[name] = Row(name, None, fault=fault)
        else:
            jobs.append(Job(loaded, loaded.limits(limits), choice, **how))
    for job, judged in spread(by_layers(jobs), listener_for):
        rows[job.port] = _row(job, judged, began)
    return [rows[name] for name in dict.fromkeys(names)]


def _row(job: Job, judged: Judged, began: str) -> Row:
    if isinstance(judged, ConformError):
        return Row(job.port, None, fault=judged)
    if judged.finished < began or judged == store.newest(job.port):  # the times are of whole seconds
        return Row(job.port, judged, cached=True)
    try:
        store.save(judged)
    except ConformError as fault:  # it has its line all the same
        return Row(job.port, judged, fault=fault)
    return Row(job.port, judged)


def show(rows: Sequence[Row], console: Console) -> None:
    """One table over all ports, then the faults, and the first failure of each port that does not conform."""
    console.print(table(rows))
    for row in rows:
        if row.record is not None and not row.conforms:
            terminal.show_failure(row.record, console)
        if row.fault is not None:
            said = Text.assemble((plain(row.port), "red"), f": {plain(row.fault.message, lines=True)}")
            console.print(said, soft_wrap=True)
    conforming = sum(row.conforms for row in rows)
    style = "green" if conforming == len(rows) else "red"
    cached = sum(row.cached for row in rows)
    note = f"; {cached} unchanged, answered from results/" if cached else ""
    console.print(f"[bold {style}]{conforming} of {len(rows)} ports conform{note}[/]")


def table(rows: Sequence[Row]) -> Table:
    """Ports by levels: a tick for a level that agrees in every bit, else what it came to."""
    shown = Table(title="microgpt conformance", title_justify="left", title_style="bold")
    shown.add_column("port")
    shown.add_column("levels 1 to 12", min_width=verbs.TOP)
    shown.add_column("reached", justify="right")
    shown.add_column("time", justify="right")
    shown.add_column("verdict")
    for row in rows:
        shown.add_row(*_cells(row))
    return shown


def _cells(row: Row) -> list[str]:
    if row.record is None:
        return [escape(plain(row.port)), "", "", "", "[red]could not be judged[/]"]
    found = row.record
    looks = [words.of_level(level) for level in found.levels]
    marks = "".join(f"[{look.style}]{look.sign}[/]" for look in looks)
    verdict = f"[{words.of_record(found).style}]{words.verdict(found)}[/]"
    seconds = "[dim]unchanged[/]" if row.cached else f"{found.seconds.total:.1f} s"
    return [row.port, marks, f"{found.reached_level}/{verbs.TOP}", seconds, verdict]
