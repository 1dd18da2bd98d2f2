"""What `bench` measured, kept and shown: results/bench.json and the table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from harness import files
from harness.measure.bench import Measured
from harness.report import store
from harness.report.history import trend
from harness.run.machine import processor

SHOWN = ("exp", "log", "sin", "pow")


def save(found: Sequence[Measured], runner: str) -> Path:
    """Write results/bench.json. What it says of other ports stays, if it was measured here and likewise."""
    path = store.mine() / "bench.json"
    measured = {entry.port: asdict(entry) for entry in found}
    head = {"schema": 1, "processor": processor(), "runner": runner}
    before = _saved(path)
    if head.items() <= before.items():
        measured = {entry["port"]: entry for entry in before["ports"]} | measured
    for entry in found:
        trend.note_speed(entry.port, entry.build, entry.step_microseconds, path.parent)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    content = {**head, "finished": finished, "ports": list(measured.values())}
    return files.write_whole(path, json.dumps(content, indent=1) + "\n")


def _saved(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def show(found: Sequence[Measured], console: Console) -> None:
    table = Table(title="port beside port", title_justify="left", title_style="bold")
    table.add_column("port", no_wrap=True)
    for name in ("step µs", "ratio", *SHOWN, "1,000 s", "MiB"):
        table.add_column(name, justify="right", no_wrap=True)
    for measured in sorted(found, key=lambda m: m.step_microseconds):
        functions = [f"{measured.nanoseconds[key]:,.0f}" for key in SHOWN]
        whole = f"{measured.thousand_steps_seconds:.2f}"
        peak = f"{measured.peak_mib:.0f}" if measured.peak_mib else ""
        cells = (f"{measured.step_microseconds:,.0f}", f"{measured.ratio:,.0f}", *functions, whole, peak)
        table.add_row(measured.port, *cells)
    console.print(table)
    console.print(
        "step: one of `classic` training; ratio: the reference's step to it; exp to pow: ns for a call; "
        "1,000 s: a whole run",
        style="dim",
    )
