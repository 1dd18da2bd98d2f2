"""Tables in Markdown: results/matrix.md, and those that README.md shows between markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from conformance.verbs import NAMES, TOP
from harness.report import badges, terminal
from harness.report.record import Record

MARKS = {"agrees": "✓", "known": "k", "unsupported": "·", "not run": "·"}
NEARLY, WRONG = "≈", "✗"


def mark(level: Record) -> str:
    """One character. A level can agree without every bit being right, if the port claims a tolerance."""
    if level["verdict"] == "agrees" and level["worst_ulps"]:
        return NEARLY
    return MARKS.get(level["verdict"], WRONG)


def markdown(heads: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """A table. `align` has one letter for each column: l or r."""
    rule = "|".join("---:" if letter == "r" else "---" for letter in align)
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def matrix(records: Sequence[Record]) -> str:
    """The whole of results/matrix.md."""
    whole = badges.of_all(records)
    parts = [
        "# What the last runs found\n",
        "Made by `make render` from the records beside it. Do not edit.\n",
        f"![{whole.label}: {whole.message}](badges/all.svg)\n",
        _levels(records),
        "✓ agrees in every bit, ≈ within the level's tolerance, ✗ does not agree, "
        "k fails as declared in port.yaml, · not there yet\n",
        *_failures(records),
        "## How they were run\n",
        _runs(records),
    ]
    return "\n".join(parts)


def _levels(records: Sequence[Record]) -> str:
    heads = [
        "port",
        *(f"{n} {verb}" for n, verb in enumerate(NAMES, start=1)),
        "reached",
        "worst",
        "verdict",
    ]
    rows = []
    for record in records:
        marks = {level["level"]: mark(level) for level in record["levels"]}
        worst = max((level["worst_ulps"] for level in record["levels"]), default=0)
        rows.append(
            (
                record["port"],
                *(marks.get(n, "") for n in range(1, TOP + 1)),
                f"{record['reached_level']}/{TOP}",
                terminal.distance(worst) if worst else "",
                badges.of_port(record).message,
            )
        )
    return markdown(heads, "l" * (1 + TOP) + "rrl", rows)


def _failures(records: Sequence[Record]) -> list[str]:
    """A section for every port that does not conform."""
    parts = []
    for record in records:
        if record["outcome"] == "conforms":
            continue
        parts.append(f"## {record['port']}\n")
        parts.append(f"{terminal.sentence(record)}\n")
        failure = terminal.first_failure(record)
        if failure is not None:
            where = f"level {failure[0]['level']}, case {failure[1]['case']}"
            parts.append(f"```text\n{where}\n{terminal.explain_case(failure[1])}\n```\n")
    return parts


def _runs(records: Sequence[Record]) -> str:
    heads = ("port", "toolchain", "cases", "values", "seconds", "where", "finished")
    rows = []
    for record in records:
        levels = record["levels"]
        rows.append(
            (
                record["port"],
                record["build"]["toolchain"],
                f"{sum(level['agreed'] for level in levels)}/{sum(level['cases'] for level in levels)}",
                f"{sum(level['values'] for level in levels):,}",
                f"{record['seconds']['total']:.1f}",
                "in a container" if record["runner"] == "docker" else "as a process",
                record["finished"],
            )
        )
    return markdown(heads, "llrrrll", rows)


def ports(records: Sequence[Record]) -> str:
    """README's table of ports."""
    rows = []
    for record in records:
        badge = badges.of_port(record)
        size = record["size"]
        image = f"{size['image_bytes'] / 1e6:,.0f} MB" if size["image_bytes"] else ""
        rows.append(
            (
                f"[{record['port']}](ports/{record['port']}/)",
                f"![{badge.message}](results/badges/{record['port']}.svg)",
                record["build"]["toolchain"],
                f"{size['lines']:,}",
                image,
            )
        )
    return markdown(("port", "result", "toolchain", "lines", "image"), "lllrr", rows)


def bench(found: dict[str, Any]) -> str:
    """README's table of speeds, from results/bench.json."""
    rows = []
    for measured in sorted(found["ports"], key=lambda measured: float(measured["step_microseconds"])):
        peak = measured["peak_mib"]
        rows.append(
            (
                measured["port"],
                f"{measured['step_microseconds']:,.0f}",
                f"{measured['ratio']:,.0f}",
                f"{measured['thousand_steps_seconds']:.2f} s",
                f"{peak:.0f} MiB" if peak is not None else "",
            )
        )
    heads = ("port", "µs a step", "ratio to the reference", "1,000 steps", "memory")
    return markdown(heads, "lrrrr", rows)
