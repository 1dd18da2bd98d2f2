"""The marks beside the levels (robust, fresh, steady and others), in lines of plain text."""

from __future__ import annotations

from harness.report.escape import plain
from harness.report.record import Mark, Record


def mark_lines(record: Record, only_failed: bool = False) -> list[str]:
    """The marks beside the levels, a line each: all, or those that are not full."""
    named = {
        "robust": (record.marks.robust, "bad requests answered well"),
        "fresh": (record.marks.fresh, "unseen requests answered rightly"),
        "steady": (record.marks.steady, "cases answered the same elsewhere"),
        "command line": (record.marks.command_line, "runs from the command line right"),
        "memory": (record.marks.memory, "process that keeps within its memory"),
        "contracted": (record.marks.contracted, "cases answered the same by the build for x86-64-v3"),
    }
    asked = (
        (name, mark, what)
        for name, (mark, what) in named.items()
        if mark is not None and not (only_failed and mark.full)
    )
    return [f"{name:12} {_mark(mark)} {what}{_first(mark)}" for name, mark, what in asked]


def _mark(mark: Mark) -> str:
    share = f"{mark.agreed}/{mark.asked}"
    seed = f" (seed {mark.seed})" if mark.seed is not None else ""
    return f"{share}{seed}"


def _first(mark: Mark) -> str:
    """The first failure of a mark, and what was wrong with it."""
    if not mark.failures:
        return ""
    failure = mark.failures[0]
    what = failure.fault.message if failure.fault else ""
    if failure.difference is not None:
        found = failure.difference
        what = f"{found.checkpoint}: expected {found.expected}, got {found.got}"
        what += f" ({found.asked})" if found.asked else ""
    return plain(f"; the first that is not: {failure.case}" + (f", {what}" if what else ""))
