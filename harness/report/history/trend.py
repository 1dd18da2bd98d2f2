"""results/history/<port>.jsonl: one short line for each state that a port has been in.

A state is what was built (its hash), the suite, where it ran, and what that came to. A run that finds the
state of the run before adds no line: it is counted in that line, which keeps the shortest time and the newest
date. So the file grows with changes and not with runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from harness import files, paths
from harness.errors import ResultsError
from harness.report.escape import plain
from harness.report.record import Record

Line = dict[str, Any]
MEASURED = ("first", "last", "runs", "seconds", "step_us")
"""Keys that do not make another state: dates, the number of runs, times."""
WHERE = ("runner", "long")


def line_of(record: Record, step_us: float | None) -> Line:
    """`levels` has one letter for each level, the first of its verdict: a agrees, d disagrees, and so on."""
    return {
        "first": record.finished,
        "last": record.finished,
        "runs": 1,
        "build": record.build.hash[:12],
        "toolchain": record.build.toolchain,
        "suite": record.suite[:12],
        "runner": record.runner,
        "long": record.long_cases,
        "agreement": record.agreement,
        "claimed": record.claimed_level,
        "outcome": record.outcome,
        "reached": record.reached_level,
        "levels": "".join(level.verdict[0] for level in record.levels),
        "worst_ulps": max((level.worst_ulps for level in record.levels), default=0),
        "seconds": record.seconds.total,
        "step_us": step_us,
    }


def note(record: Record, results: Path) -> None:
    """Count this run. `results` is the folder that holds the records."""
    speeds = _speeds(results / "bench.json")
    new = line_of(record, speeds.get((record.port, record.build.hash)))
    path = _path(results, record.port)
    lines = _texts(path)
    for index in reversed(range(len(lines))):
        before = _parsed(lines[index])
        if before is None or any(before[key] != new[key] for key in WHERE):
            continue
        if _state(before) == _state(new):
            lines[index] = _text(_counted(before, new))
            files.write_whole(path, "\n".join(lines) + "\n")
            return
        break
    files.write_whole(path, "\n".join([*lines, _text(new)]) + "\n")


def note_speed(port: str, build: str, step_us: float, results: Path) -> None:
    """Enter a measured speed where the newest state with this build is; nothing if there is none."""
    path = _path(results, port)
    lines = _texts(path)
    for index in reversed(range(len(lines))):
        line = _parsed(lines[index])
        if line is not None and line["build"] == build[:12]:
            lines[index] = _text({**line, "step_us": step_us})
            files.write_whole(path, "\n".join(lines) + "\n")
            return


def read(port: str, results: Path) -> list[Line]:
    """A port's history, the oldest state first. Raises ResultsError."""
    path = _path(results, port)
    found = []
    for number, text in enumerate(_texts(path), start=1):
        line = _parsed(text)
        if line is None:
            raise ResultsError(
                f"{paths.shown(path)}, line {number}, is no line of a history: {text[:60]!r}",
                hint="mend or remove the line; the newest state is always in results/<port>.json, too",
            )
        found.append(line)
    if not found:
        raise ResultsError(f"{port} has no history yet", hint=f"make conform PORT={port}")
    return found


def table(port: str, lines: Sequence[Line]) -> Table:
    """One row for each state, in 80 columns; `worst` is in ulps."""
    shown = Table(title=f"{port}, state by state", title_justify="left", title_style="bold", box=None)
    for name in ("since", "build", "suite", "levels"):
        shown.add_column(name, no_wrap=True)
    for name in ("worst", "seconds", "step µs"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("outcome")
    for line in lines:
        worst = f"{line['worst_ulps']:,}" if line["worst_ulps"] < 10**6 else f"{line['worst_ulps']:.1e}"
        step = f"{line['step_us']:,.0f}" if line["step_us"] is not None else ""
        named = (line["first"][:10], line["build"][:6], line["suite"][:6], _marks(line["levels"]))
        cells = (*named, worst, f"{line['seconds']:.1f}", step, line["outcome"])
        shown.add_row(*(escape(plain(str(cell))) for cell in cells))
    return shown


def _marks(levels: str) -> str:
    marks = {"a": "✓", "k": "k", "u": "·", "n": "·"}
    return "".join(marks.get(letter, "✗") for letter in levels)


def _path(results: Path, port: str) -> Path:
    return results / "history" / f"{port}.jsonl"


def _texts(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _parsed(text: str) -> Line | None:
    """The line, None if it is damaged: a run leaves it as it is, and `conform history` names it."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    keys = {*MEASURED, *WHERE, "build", "suite", "toolchain", "levels", "outcome", "reached", "worst_ulps"}
    return line if isinstance(line, dict) and keys <= line.keys() else None


def _text(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False)


def _state(line: Line) -> Line:
    return {key: value for key, value in line.items() if key not in MEASURED}


def _counted(before: Line, new: Line) -> Line:
    return {
        **before,
        "last": new["last"],
        "runs": before["runs"] + 1,
        "seconds": min(before["seconds"], new["seconds"]),
        "step_us": before["step_us"] if new["step_us"] is None else new["step_us"],
    }


def _speeds(path: Path) -> dict[tuple[str, str], float]:
    """Microseconds for a step, by port and by the hash of what was built."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["ports"]
        return {(entry["port"], entry["build"]): entry["step_microseconds"] for entry in entries}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
