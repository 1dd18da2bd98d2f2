"""Verdicts of `conform check`: on a terminal, as JUnit XML, as badges."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from harness.judge.check.verdict import Verdict
from harness.judge.compare import Difference
from harness.report.badges import BLUE, GREEN, RED, YELLOW, Badge
from harness.report.escape import xml
from harness.report.terminal import safe
from harness.report.words import distance

COLOURS = {
    "bit": GREEN,
    "tolerance": YELLOW,
    "printed": GREEN,
    "consistent": BLUE,
    "unknown": YELLOW,
    "wrong": RED,
}


def show(verdict: Verdict, console: Console) -> None:
    """The panel of the first divergence if there is one, then what was seen, then one sentence."""
    if verdict.difference is not None or verdict.causes:
        console.print(_panel(verdict))
    console.print(safe(f"compared with {verdict.setup}; {verdict.seen}", "dim"), soft_wrap=True)
    for note in verdict.notes:
        console.print(safe(f"note: {note}", "dim"), soft_wrap=True)
    style = "bold green" if verdict.agrees else "bold red"
    console.print(safe(f"{verdict.output}: {verdict.sentence}", style), soft_wrap=True)


def _panel(verdict: Verdict) -> Panel:
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(overflow="fold")
    if verdict.difference is not None:
        _add_difference(rows, verdict.difference)
        if verdict.compared > 1:
            wrong = verdict.compared - verdict.agreed
            rows.add_row("", f"{wrong:,} of {verdict.compared:,} values differ")
    for number, cause in enumerate(verdict.causes):
        names = f" ({', '.join(cause.names)})" if cause.names else ""
        rows.add_row("or" if number else "diagnosis", safe(cause.sentence + names))
    title = "First divergence" if verdict.difference is not None else "Likely mistakes"
    return Panel(
        rows, title=title, title_align="left", border_style="green" if verdict.agrees else "red", expand=False
    )


def _add_difference(rows: Table, difference: Difference) -> None:
    where = f", line {difference.line}" if difference.line else ""
    rows.add_row("where", safe(difference.checkpoint + where, "bold"))
    rows.add_row("expected", safe(difference.expected))
    rows.add_row("got", safe(difference.got))
    if difference.ulps is not None:
        rows.add_row("distance", distance(difference.ulps))
    if difference.bound:
        rows.add_row("distance" if difference.ulps is None else "bound", safe(difference.bound))


def badge_of(verdicts: Sequence[Verdict]) -> Badge:
    """One for all outputs: the first that does not agree, else the first."""
    chosen = next((verdict for verdict in verdicts if not verdict.agrees), verdicts[0])
    return Badge("microgpt", chosen.badge, COLOURS[chosen.agreement])


def badge(verdicts: Sequence[Verdict], suffix: str) -> str:
    """The text of a badge's file: SVG, or for .json what a shields.io endpoint takes."""
    made = badge_of(verdicts)
    return made.endpoint() if suffix == ".json" else made.svg()


def junit(verdicts: Sequence[Verdict]) -> str:
    """A suite of one test case for each output."""
    root = ET.Element("testsuites", name="microgpt conformance")
    failures = sum(not verdict.agrees for verdict in verdicts)
    suite = ET.SubElement(
        root,
        "testsuite",
        name="conform check",
        tests=str(len(verdicts)),
        failures=str(failures),
        errors="0",
        skipped="0",
        time="0.000",
    )
    for verdict in verdicts:
        case = ET.SubElement(suite, "testcase", classname=f"check.{verdict.kind}", name=xml(verdict.output))
        if not verdict.agrees:
            failure = ET.SubElement(case, "failure", message=xml(verdict.sentence))
            said = [verdict.sentence, *(cause.sentence for cause in verdict.causes), *verdict.notes]
            failure.text = xml("\n".join(said))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
