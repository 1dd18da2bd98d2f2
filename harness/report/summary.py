"""What GitHub shows below a workflow's run: one table, then each port's first divergence."""

from __future__ import annotations

from collections.abc import Sequence

from conformance import verbs
from harness.report import badges, tables, terminal
from harness.report.record import Record


def summary(records: Sequence[Record]) -> str:
    rows = []
    for record in records:
        marks = "".join(tables.mark(level) for level in record["levels"])
        reached = f"{record['reached_level']}/{verbs.TOP}"
        message = badges.of_port(record).message
        rows.append((record["port"], f"`{marks}`", reached, f"{record['seconds']['total']:.1f} s", message))
    parts = [
        f"### microgpt conformance: {badges.of_all(records).message}\n",
        tables.markdown(("port", "levels 1 to 12", "reached", "time", "verdict"), "llrrl", rows),
        *(_details(record) for record in records if record["outcome"] != "conforms"),
    ]
    return "\n".join(parts)


def _details(record: Record) -> str:
    failure = terminal.first_failure(record)
    lines = [f"**{terminal.sentence(record)}**\n"]
    if failure is not None:
        level, case = failure
        name = case["case"]
        where = f"level {level['level']}, case {name}"
        told = f"{where}\n{terminal.explain_case(case)}\n{terminal.repeat_line(record, name)}"
        lines.append(f"```text\n{told}\n```\n")
    lines += [f"Known to give just these wrong bits: {entry['sentence']}\n" for entry in record["diagnosis"]]
    return "\n".join(lines)
