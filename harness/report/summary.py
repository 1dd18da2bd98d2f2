"""What GitHub shows below a workflow's run: one table, then each port's first divergence."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.verbs import TOP
from harness.report import badges, tables, terminal, words
from harness.report.escape import fenced
from harness.report.escape import markdown as safe
from harness.report.record import Record


def summary(records: Sequence[Record]) -> str:
    rows = [
        (
            record.port,
            f"`{''.join(tables.marks(record).values())}`",
            f"{record.reached_level}/{TOP}",
            f"{record.seconds.total:.1f} s",
            words.verdict(record),
        )
        for record in records
    ]
    parts = [
        f"### microgpt conformance: {badges.of_all(records).message}\n",
        tables.markdown(("port", f"levels 1 to {TOP}", "reached", "time", "verdict"), "llrrl", rows),
        *(_details(record) for record in records if not record.conforms),
    ]
    return "\n".join(parts)


def _details(record: Record) -> str:
    lines = [f"**{safe(terminal.sentence(record))}**\n"]
    failure = record.first_failure
    if failure is not None:
        level, case = failure
        repeat = terminal.repeat_line(record, case.case)
        lines.append(
            fenced(f"level {level.level}, case {case.case}\n{terminal.explain_case(case)}\n{repeat}")
        )
    lines += [f"Known to give just these wrong bits: {safe(entry.sentence)}\n" for entry in record.diagnosis]
    lines += [f"Clue: {safe(clue)}\n" for clue in record.clues]
    if record.smallest is not None:
        lines.append(f"The smallest request that still fails: {safe(record.smallest.words)}\n")
    return "\n".join(lines)
