"""Keeps what was measured: results/accuracy.json (its form: accuracy.schema.json), and the same as a table.

One entry a port; a new measurement of a port replaces its entry and leaves the others alone.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from rich.markup import escape
from rich.table import Table

from harness import paths
from harness.errors import ManifestError
from harness.files import write_whole
from harness.measure.accuracy import FUNCTIONS, INPUTS, SEED, Accuracy
from harness.report.escape import code, plain
from harness.report.escape import markdown as safe

Entry = dict[str, Any]
REFERENCE = "reference"


@cache
def schema() -> dict[str, Any]:
    text = (Path(__file__).parent / "accuracy.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@dataclass(frozen=True)
class Subject:
    """Whose functions were measured, and where they ran: docker or local."""

    port: str
    language: str
    toolchain: str
    runner: str


def entry(
    subject: Subject, functions: dict[str, Accuracy] | None, inputs: int = INPUTS, seed: int = SEED
) -> Entry:
    """One port's entry. `functions` is None for a port without functions of its own."""
    return {
        **asdict(subject),
        "architecture": platform.machine(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "inputs": inputs,
        "functions": None
        if functions is None
        else json.loads(json.dumps({name: asdict(found) for name, found in functions.items()})),
    }


def results_path() -> Path:
    return paths.results_dir() / "published" / "accuracy.json"


def load(path: Path | None = None) -> list[Entry]:
    """All entries, none if nothing was measured yet. Raises ManifestError if the file is of another form."""
    path = path or results_path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema()).validate(content)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from None
    except jsonschema.ValidationError as error:
        place = ".".join(map(str, error.absolute_path)) or "the top"
        raise _unreadable(path, f"at {place}, {error.message}") from None
    entries: list[Entry] = content["ports"]
    return entries


def _unreadable(path: Path, why: str) -> ManifestError:
    return ManifestError(
        f"{paths.shown(path)} is not what accuracy.schema.json describes: {why}",
        hint="remove the file and run make accuracy",
    )


def save(measured: Sequence[Entry], path: Path | None = None) -> list[Entry]:
    """Replace the entries of the measured ports, write accuracy.json and accuracy.md, return all entries."""
    path = path or results_path()
    kept = {known["port"]: known for known in load(path)} | {new["port"]: new for new in measured}
    entries = [kept[name] for name in sorted(kept)]
    content = {"schema": 1, "ports": entries}
    jsonschema.Draft202012Validator(schema()).validate(content)
    write_whole(path, json.dumps(content, indent=1) + "\n")
    write_whole(path.parent.parent / "accuracy.md", markdown(entries))
    return entries


def of_port(port: str) -> Entry | None:
    """The entry of a port; None if it was never measured."""
    return next((known for known in load() if known["port"] == port), None)


HEADINGS = ("port", "function", "max", "mean", "wrong", "broken", "worst call")


def rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The table's cells, those of HEADINGS, a line for each function of each port."""
    return [
        (
            known["port"],
            function,
            ulps(found["max_ulps"]),
            ulps(found["mean_ulps"]),
            f"{100 * found['wrong'] / found['inputs']:.2f} %",
            f"{found['broken']:,}" if found["broken"] else "",
            found["worst"]["call"],
        )
        for known in entries
        if known["functions"] is not None
        for function, found in known["functions"].items()
    ]


def ulps(error: float) -> str:
    return f"{error:.3f}" if error < 100 else f"{error:,.0f}" if error < 1e6 else f"{error:.1e}"


def table(entries: Sequence[Entry]) -> Table:
    shown = Table(title="own functions, errors in ulps", title_justify="left", title_style="bold")
    for name in HEADINGS[:-1]:
        shown.add_column(name, justify="left" if name in HEADINGS[:2] else "right", no_wrap=True)
    before = ""
    for port, *cells, _ in rows(entries):
        if before and port != before:
            shown.add_section()
        shown.add_row("" if port == before else escape(plain(port)), *map(escape, map(plain, cells)))
        before = port
    return shown


def markdown(entries: Sequence[Entry]) -> str:
    """The whole of results/accuracy.md."""
    lines = [
        "# Own functions",
        "",
        "How far each port's own `exp log sin cos pow` (`math native`) are from the true value, in ulps of",
        "the right double, on random inputs that are the same for all. A correctly rounded function has an",
        "error of 0.5 at the most. *wrong*: results that are not the right double. *broken*: a NaN or an",
        "infinity where a number is right, or the other way round; not in max and mean. `reference` is",
        "the C library of the Python that measured. Written by `make accuracy`; bits and histograms are in",
        "[published/accuracy.json](published/accuracy.json).",
        "",
        "| port | " + " | ".join(HEADINGS[1:]) + " |",
        "|---|---|---:|---:|---:|---:|---|",
        *(
            "| " + " | ".join((safe(cells[0]), *cells[1:-1], code(cells[-1]))) + " |"
            for cells in rows(entries)
        ),
        "",
        "| port | language | toolchain | inputs of each function | seed |",
        "|---|---|---|---:|---:|",
        *(
            f"| {safe(known['port'])} | {safe(known['language'])} | {safe(known['toolchain'] or 'unknown')} "
            f"| {known['inputs']:,} | {known['seed']} |"
            for known in entries
            if known["functions"]
        ),
    ]
    return "\n".join(lines) + "\n"


def line(known: Entry) -> str:
    """One port in one sentence, for the report of a run."""
    functions = known["functions"]
    if functions is None:
        return f"{known['port']} offers no functions of its own"
    listed = ", ".join(f"{name} {ulps(functions[name]['max_ulps'])}" for name in FUNCTIONS)
    wrong = sum(functions[name]["wrong"] for name in FUNCTIONS)
    asked = sum(functions[name]["inputs"] for name in FUNCTIONS)
    return (
        f"for comparison, the language's own functions: up to {listed} ulps off; "
        f"{wrong:,} of {asked:,} answers are not the right double"
    )
