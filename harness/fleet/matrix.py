"""Judges every port at once, within the machine's cores and memory; unchanged ones come from results/.

A port that fails or hangs costs the others nothing: each has its own processes, limits and record.

    names -> Job each -> judged side by side here, or by harness/cluster elsewhere -> record saved, Row each
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from conformance import verbs
from harness.build import manifest, runners
from harness.errors import ConformError, ManifestError
from harness.fleet.conform import Choice, Listener, conform, result_key
from harness.report import record
from harness.report.terminal import STYLES, VERDICTS
from harness.run.limits import Limits

ListenerFor = Callable[[str], Listener]


@dataclass(frozen=True)
class Job:
    """All that judging one port takes. `known` is the key of its saved record, None if it may not be used."""

    manifest: manifest.Manifest
    limits: Limits
    choice: Choice
    force: bool = False
    known: str | None = None

    @property
    def port(self) -> str:
        return self.manifest.name


Judged = record.Record | ConformError | None
"""What a job comes to: a new record, the fault that kept it from having one, None if nothing has changed."""
Spread = Callable[[Sequence[Job], ListenerFor], Iterator[tuple[Job, Judged]]]
"""Gets every job done somewhere, and gives each once, in the order in which they end."""


@dataclass(frozen=True)
class Row:
    """One port's line of the matrix: its record, or the fault that kept it from having one."""

    port: str
    record: record.Record | None
    cached: bool = False
    fault: ConformError | None = None

    @property
    def conforms(self) -> bool:
        return self.record is not None and self.record["outcome"] == "conforms"


def workers(limits: Limits, ports: int) -> int:
    """How many ports may run side by side: one for each core, and memory for each."""
    by_memory = int(psutil.virtual_memory().available // limits.memory)
    return max(1, min(ports, os.cpu_count() or 1, by_memory))


def judge(job: Job, listener: Listener) -> Judged:
    """Judge a port on this machine."""
    try:
        runner = runners.runner(job.choice.runner, job.limits, job.force)
        if job.known and job.known == result_key(job.manifest, runner.content_hash(job.manifest), job.choice):
            return None
        return conform(job.manifest, runner, job.limits, job.choice, listener)
    except ConformError as fault:
        return fault


def side_by_side(jobs: Sequence[Job], listener_for: ListenerFor) -> Iterator[tuple[Job, Judged]]:
    """The Spread over the cores of this machine."""

    def judge_one(job: Job) -> Judged:
        listener = listener_for(job.port)
        judged = judge(job, listener)
        listener.finished()
        return judged

    if not jobs:
        return
    with ThreadPoolExecutor(workers(jobs[0].limits, len(jobs))) as pool:
        futures = {pool.submit(judge_one, job): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_matrix(
    names: Sequence[str],
    limits: Limits,
    choice: Choice,
    listener_for: ListenerFor,
    force: bool = False,
    spread: Spread = side_by_side,
) -> list[Row]:
    """Judge the ports, and save their records as they come. One Row for each name, in the order given."""
    rows: dict[str, Row] = {}
    jobs = []
    for name in dict.fromkeys(names):
        try:
            loaded = manifest.load(name)
        except ManifestError as fault:
            rows[name] = Row(name, None, fault=fault)
        else:
            known = None if force else _saved(name)
            key = known["key"] if known else None
            jobs.append(Job(loaded, loaded.limits(limits), choice, force, key))
    for job, judged in spread(jobs, listener_for):
        rows[job.port] = _row(job.port, judged)
    return [rows[name] for name in dict.fromkeys(names)]


def _row(port: str, judged: Judged) -> Row:
    if isinstance(judged, ConformError):
        return Row(port, None, fault=judged)
    if judged is None:
        return Row(port, _saved(port), cached=True)
    record.save(judged)
    return Row(port, judged)


def _saved(port: str) -> record.Record | None:
    try:
        return record.read(record.results_dir() / f"{port}.json")
    except ManifestError:
        return None


def show(rows: Sequence[Row], console: Console) -> None:
    """One table over all ports, then the faults."""
    console.print(table(rows))
    for row in rows:
        if row.fault is not None:
            console.print(f"[red]{row.port}[/red]: {row.fault.message}", highlight=False)
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


MARKS = {
    "agrees": "[green]✓[/]",
    "known": "[yellow]k[/]",
    "unsupported": "[dim]·[/]",
    "not run": "[dim]·[/]",
}


def _cells(row: Row) -> list[str]:
    if row.record is None:
        return [row.port, "", "", "", "[red]could not be judged[/]"]
    found = row.record
    marks = "".join(MARKS.get(level["verdict"], "[red]✗[/]") for level in found["levels"])
    outcome = found["outcome"]
    words = VERDICTS.get(outcome, outcome)
    if outcome == "conforms" and found["agreement"] == "tolerance":
        words = "within tolerance"
    words = f"[{STYLES.get(outcome, 'red')}]{words}[/]" + (" [dim](unchanged)[/]" if row.cached else "")
    reached = f"{found['reached_level']}/{verbs.TOP}"
    return [row.port, marks, reached, f"{found['seconds']['total']:.1f} s", words]
