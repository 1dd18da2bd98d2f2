"""Shows what a campaign came to: each finding as the ladder shows it, how much was asked, one sentence."""

from __future__ import annotations

import shlex

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from harness.fuzz.found import Entry
from harness.report import terminal
from harness.report.escape import plain
from harness.report.record import CaseRecord, FindingRecord


def show(result: Entry, console: Console) -> None:
    for entry in result["found"]:
        console.print(finding(result, entry))
    console.print(asked(result))
    for line in sentences(result):
        console.print(
            plain(line), soft_wrap=True, markup=False, style="bold red" if result["found"] else "bold green"
        )


def finding(result: Entry, entry: Entry) -> Panel:
    """The panel of the ladder for a case, in the suite or in the cache; what came of a conversation."""
    title = f"{entry['port']} fails at a {entry['kind']} request: {entry['path']}"
    failure = msgspec.convert(entry["failure"], CaseRecord)
    if entry["path"].endswith(".request"):
        runner = "" if result["runner"] == "docker" else " RUNNER=local"
        traced = entry["finding"] and msgspec.convert(entry["finding"], FindingRecord)
        asked = "conform" if entry["saved"] else "try"
        case = failure.case if entry["saved"] else entry["path"]
        repeat = f"make {asked} PORT={entry['port']}{runner} CASE={shlex.quote(case)}"
        where = f"level {entry['level']}, {entry['verb']}, case {failure.name}"
        return terminal.panel(escape(plain(title)), where, failure, repeat, terminal.Told(traced or None))
    fault, difference = failure.fault, failure.difference
    came = fault.message if fault else ""
    if difference:
        came = f"expected {difference.expected}, got {difference.got}"
    how = "whenever the input ends there" if entry["repeats"] else "but not when asked the last request alone"
    text = f"{came}\n\nIt fails {how}. The file holds all that it was sent."
    return Panel(
        terminal.safe(text), title=escape(plain(title)), title_align="left", border_style="red", expand=False
    )


def kept(result: Entry) -> list[str]:
    """What became of the findings that can be cases of the suite."""
    cases = [entry for entry in result["found"] if entry["path"].endswith(".request")]
    added = [entry["path"] for entry in cases if entry["saved"]]
    seen = [f"{entry['port']} fails {entry['seen']}, too" for entry in cases if entry.get("seen")]
    lines = [f"added to the suite: {', '.join(added)}; make golden enters their sums"] if added else []
    if seen:
        lines.append(f"not added, as the suite sees it already: {'; '.join(seen)}")
    if cases and not added and not seen:
        lines.append("--keep adds to the suite what the suite does not see yet")
    return lines


def asked(result: Entry) -> Table:
    table = Table()
    table.add_column("verb")
    for kind in result["kinds"]:
        table.add_column(f"{kind} requests", justify="right")
    table.add_column("found", justify="right")
    for verb, numbers in result["verbs"].items():
        found = sum(entry["verb"] == verb for entry in result["found"])
        cells = (f"{numbers.get(kind, 0):,}" for kind in result["kinds"])
        table.add_row(verb, *cells, f"[red]{found}[/]" if found else "")
    return table


def sentences(result: Entry) -> list[str]:
    """What it came to, and how to have the same requests again."""
    rate = result["requests"] / max(result["seconds"], 0.1)
    ports, found = " ".join(result["ports"]), len(result["found"])
    findings = {0: "nothing found", 1: "1 finding"}.get(found, f"{found} findings")
    ended = {"time": "", "count": ""}.get(result["ended"], f", ended early: {result['ended']}")
    again = f", {result['tried_again']} that failed before" if result["tried_again"] else ""
    shards = len(result.get("shards", ()))
    same = (
        f"in {shards} shards, whose seeds and counts --json shows"
        if shards
        else f"the same again: {command(result)}"
    )
    return [
        f"{ports}: {result['requests']:,} requests in {result['seconds']:.0f} s, {rate:.0f} a second"
        f"{again}{ended}: {findings}",
        *kept(result),
        same,
    ]


def command(result: Entry) -> str:
    words = ["conform", "fuzz", *result["ports"], "--seed", str(result["seed"])]
    words += ["--count", str(result["requests"])]
    if len(result["kinds"]) == 1:
        words += ["--kind", result["kinds"][0]]
    for verb in result["only_verbs"]:
        words += ["--verb", verb]
    if result["runner"] != "docker":
        words += ["--runner", result["runner"]]
    return shlex.join(words)
