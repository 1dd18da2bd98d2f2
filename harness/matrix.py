"""Judges every port at once, within the machine's cores and memory; unchanged ones come from results/.

A port that fails or hangs costs the others nothing: each has its own processes, limits and record.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from harness import ladder, manifest, record, runners
from harness.conform import Choice, Listener, conform, result_key
from harness.errors import ConformError, ManifestError
from harness.limits import Limits
from harness.report import STYLES, VERDICTS


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


def run_matrix(
    names: Sequence[str],
    limits: Limits,
    choice: Choice,
    listener_for: Callable[[str], Listener],
    force: bool = False,
) -> list[Row]:
    """Judge the ports in parallel, and save their records. The rows come in the order of the names."""

    def judge(name: str) -> Row:
        listener = listener_for(name)
        try:
            row = _judge(name, limits, choice, listener, force)
        except ConformError as fault:
            row = Row(name, None, fault=fault)
        listener.finished()
        return row

    with ThreadPoolExecutor(workers(limits, len(names))) as pool:
        futures = [pool.submit(judge, name) for name in names]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _judge(name: str, limits: Limits, choice: Choice, listener: Listener, force: bool) -> Row:
    loaded = manifest.load(name)
    own_limits = loaded.limits(limits)
    runner = runners.runner(choice.runner, own_limits, force)
    known = None if force else _known(loaded, result_key(loaded, runner.content_hash(loaded), choice))
    if known is not None:
        return Row(name, known, cached=True)
    found = conform(loaded, runner, own_limits, choice, listener)
    record.save(found)
    return Row(name, found)


def _known(loaded: manifest.Manifest, key: str) -> record.Record | None:
    """The saved record, if everything is as it was then."""
    try:
        saved = record.read(record.results_dir() / f"{loaded.name}.json")
    except ManifestError:
        return None
    return saved if saved["key"] == key else None


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
    shown.add_column("levels 1 to 12", min_width=len(ladder.VERBS))
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
    words = f"[{STYLES.get(outcome, 'red')}]{words}[/]" + (" [dim](unchanged)[/]" if row.cached else "")
    reached = f"{found['reached_level']}/{len(ladder.VERBS)}"
    return [row.port, marks, reached, f"{found['seconds']['total']:.1f} s", words]
