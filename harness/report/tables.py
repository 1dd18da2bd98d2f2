"""Tables in Markdown: results/matrix.md and results/speed.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from conformance.verbs import NAMES, TOP
from harness.report import terminal, words
from harness.report.escape import fenced
from harness.report.escape import markdown as safe
from harness.report.record import Record


def markdown(heads: Sequence[str], align: str, rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already. `align` has one letter for each column: l or r."""
    rule = "|".join("---:" if letter == "r" else "---" for letter in align)
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def matrix(records: Sequence[Record]) -> str:
    """The whole of results/matrix.md.

    Every line speaks of one port, so that two branches that add a port each can both be merged.
    """
    parts = [
        "# All ports\n",
        "Rendered by `make render` from the records in `published/`. Do not edit.\n",
        _levels(records),
        f"{words.LEGEND}.\n",
        *_failures(records),
        "## How they were run\n",
        _runs(records),
    ]
    return "\n".join(parts)


def marks(record: Record) -> dict[int, str]:
    """The sign of each level that was asked."""
    return {level.level: words.of_level(level).sign for level in record.levels}


def _levels(records: Sequence[Record]) -> str:
    levels = [f"{number} {name}" for number, name in enumerate(NAMES, start=1)]
    heads = ["port", "language", "family", *levels, "reached", "worst", "verdict"]
    rows = []
    for record in sorted(records, key=lambda record: (record.family or "", record.port)):
        signs = marks(record)
        worst = max((level.worst_ulps for level in record.levels), default=0)
        rows.append(
            (
                f"[{record.port}](../ports/{record.port}/)",
                safe(record.language),
                safe(record.family or ""),
                *(signs.get(n, "") for n in range(1, TOP + 1)),
                f"{record.reached_level}/{TOP}",
                words.distance(worst) if worst else "",
                f"![{words.verdict(record)}](badges/{record.port}.svg)",
            )
        )
    return markdown(heads, "l" * (3 + TOP) + "rrl", rows)


def _failures(records: Sequence[Record]) -> list[str]:
    """A section for every port that does not conform."""
    parts = []
    for record in records:
        if record.conforms:
            continue
        parts.append(f"## {record.port}\n")
        parts.append(f"{safe(terminal.sentence(record))}\n")
        failure = record.first_failure
        if failure is not None:
            where = f"level {failure[0].level}, case {failure[1].case}"
            parts.append(fenced(f"{where}\n{terminal.explain_case(failure[1])}"))
    return parts


def _runs(records: Sequence[Record]) -> str:
    heads = (
        "port",
        "toolchain",
        "engine",
        "lines",
        "image",
        "cases",
        "values",
        "seconds",
        "where",
        "finished",
    )
    rows = []
    for record in records:
        image = record.size.image_bytes
        rows.append(
            (
                record.port,
                safe(record.build.toolchain),
                safe(record.engine),
                f"{record.size.lines:,}",
                f"{image / 1e6:,.0f} MB" if image else "",
                f"{record.agreed}/{record.cases}",
                f"{record.values:,}",
                f"{record.seconds.total:.1f}",
                f"{'in a container' if record.runner == 'docker' else 'as a process'}, "
                f"{safe(record.machine.processor)}",
                safe(record.finished),
            )
        )
    return markdown(heads, "lllrrrrrll", rows)


_ABOUT_SIZES = """Lines are not blank. Tokens are Pygments', without comments. Compressed: all files as one,
by xz, in bytes. Start: from the start of a process to its end, with one `hello` in between. Build: of the run
that was published; packages that were there already cost nothing. How exact each port's own functions are is
in [accuracy.md](accuracy.md)."""


def speed(found: dict[str, Any], records: Sequence[Record]) -> str:
    """The whole of results/speed.md, from results/published/bench.json and the records beside it."""
    rows = []
    for measured in sorted(found["ports"], key=lambda measured: float(measured["step_microseconds"])):
        peak = measured["peak_mib"]
        rows.append(
            (
                safe(str(measured["port"])),
                f"{measured['step_microseconds']:,.0f}",
                f"{measured['ratio']:,.0f}",
                f"{measured['thousand_steps_seconds']:.2f} s",
                f"{peak:.0f} MiB" if peak is not None else "",
            )
        )
    heads = ("port", "µs a step", "ratio to the reference", "1,000 steps", "memory")
    where = (
        f"{found['processor']}, {'in containers' if found['runner'] == 'docker' else 'without containers'}"
    )
    return (
        "# Speed\n\nRendered by `make render` from what `make bench` measured. Do not edit.\n\n"
        "`classic` training on names, one core, medians of rounds in which the ports take turns; "
        f"{safe(where)}, "
        f"{safe(str(found['finished'])[:10])}.\n\n" + markdown(heads, "lrrrr", rows) + "\n"
        f"## Size and start\n\n{_ABOUT_SIZES}\n\n" + _sizes(found, records)
    )


def _sizes(found: dict[str, Any], records: Sequence[Record]) -> str:
    measured = {one["port"]: one for one in found["ports"]}
    rows = []
    for record in sorted(records, key=lambda record: record.size.lines):
        own = measured.get(record.port, {})
        image, start = record.size.image_bytes, own.get("start_milliseconds")
        tokens, compressed = own.get("tokens"), own.get("compressed_bytes")
        rows.append(
            (
                safe(record.port),
                f"{record.size.lines:,}",
                f"{tokens:,}" if tokens else "",
                f"{compressed:,}" if compressed else "",
                f"{start:,.0f} ms" if start else "",
                f"{record.seconds.build:,.0f} s",
                f"{image / 1e6:,.0f} MB" if image else "",
            )
        )
    heads = ("port", "lines", "tokens", "compressed", "start", "build", "image")
    return markdown(heads, "lrrrrrr", rows)
