"""Shows a record on a terminal: the first divergence, then the ladder, then one sentence.

Everything shown comes from the record (`record.py`), so that an old result looks as it did when it was new.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from conformance.doubles import double_of
from conformance.verbs import verb_of
from harness.errors import ConformError
from harness.explain.causes import usual_cause
from harness.judge.attempt import side_by_side
from harness.judge.climb import CaseResult
from harness.judge.compare import Difference
from harness.report.record import Record, case_json

STYLES = {
    "agrees": "green",
    "conforms": "green",
    "unsupported": "yellow",
    "known": "yellow",
    "not run": "dim",
    "nothing checked": "red",
}
VERDICTS = {
    "disagrees": "disagrees",
    "unsupported": "not there yet",
    "protocol": "breaks the protocol",
    "crashed": "crashed",
    "limit": "exceeded a limit",
    "not run": "not asked",
    "known": "known shortcoming",
    "fixed": "a known shortcoming passes",
}


def show(record: Record, console: Console, repeat: str = "") -> None:
    """Print the whole report. `repeat` is the command that was given, without a choice of cases."""
    failure = first_failure(record)
    if failure is not None:
        console.print(failure_panel(record, *failure, repeat or make_command(record)))
    if record["levels"]:
        console.print(ladder(record))
    if record["next_step"] is not None:
        console.print(next_step(record))
    for note in record["notes"]:
        console.print(f"[dim]note: {escape(note)}[/dim]", soft_wrap=True)
    style = STYLES.get(record["outcome"], "red")
    console.print(f"[bold {style}]{escape(sentence(record))}[/]", soft_wrap=True)


def first_failure(record: Record) -> tuple[Record, Record] | None:
    """The first level with a failure that counts, and its first failure."""
    for level in record["levels"]:
        if level["failures"] and level["verdict"] not in ("unsupported", "fixed"):
            return level, level["failures"][0]
    return None


def sentence(record: Record) -> str:
    """What the run comes to."""
    port, levels = record["port"], record["levels"]
    cases = sum(level["agreed"] for level in levels)
    values = sum(level["values"] for level in levels)
    claimed, reached, outcome = record["claimed_level"], record["reached_level"], record["outcome"]
    is_within = record["agreement"] == "tolerance"
    if outcome == "build failed":
        return f"{port} could not be built: {record['fault']['message']}"
    if outcome == "nothing checked":
        return f"{port}: no case was asked, which counts as a failure"
    if record["only_level"] is not None:
        asked = sum(level["cases"] for level in levels)
        where = f"level {record['only_level']}, {levels[0]['verb']}"
        how = "agree within the tolerance" if is_within else "agree in every bit"
        return f"{port}: {cases} of {asked} cases {how} ({values:,} values; {where})"
    if outcome == "fixed":
        passed = next(
            case["case"] for level in levels for case in level["failures"] if case["verdict"] == "fixed"
        )
        return f"{port}: the known shortcoming {passed} passes now; take it out of port.yaml"
    if outcome == "conforms" and record["known"]:
        listed = "; ".join(f"{known['case']} ({known['reason']})" for known in record["known"])
        return f"{port} conforms to level {claimed} of 12, but for known shortcomings: {listed}"
    if outcome == "conforms" and claimed == len(levels):
        if is_within:
            how = f"within tolerance on all {claimed} levels ({cases} cases)"
            return f"{port} conforms: {how}; {tolerated(levels)}"
        return f"{port} conforms: bit-exact on all {claimed} levels ({cases} cases, {values:,} values)"
    if outcome == "conforms" and reached > claimed:
        return (
            f"{port} conforms, and better than it claims: level {reached} of 12 is reached, "
            f"port.yaml says 'level: {claimed}'. Raise it"
        )
    if outcome == "conforms":
        return f"{port} conforms: level {claimed} of 12, as it claims ({cases} cases, {values:,} values)"
    return f"{port} does not conform: it claims level {claimed} of 12 and reaches {reached}"


def tolerated(levels: Sequence[Record]) -> str:
    """How much of the tolerance was needed."""
    values = sum(level["values"] for level in levels)
    exact = values - sum(level.get("different", 0) for level in levels)
    share = max(level.get("worst_share", 0.0) for level in levels)
    return f"{exact:,} of {values:,} values are bit-exact, the others within {percent(share)} of their bound"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def level_words(level: Record) -> str:
    """What a level came to. One that agrees does so in every bit, or within the tolerance."""
    if level["verdict"] == "agrees":
        return "tolerance" if level.get("different") else "bit-exact"
    return VERDICTS[level["verdict"]]


def ladder(record: Record) -> Table:
    table = Table(title=heading(record), title_justify="left", title_style="bold")
    table.add_column("level", justify="right")
    table.add_column("verb")
    table.add_column("agree", justify="right")
    table.add_column("values", justify="right")
    is_within = record["agreement"] == "tolerance"
    for name in ("not exact", "of bound") if is_within else ("worst",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("time", justify="right")
    table.add_column("verdict")
    for level in record["levels"]:
        style = STYLES.get(level["verdict"], "red")
        cells = [level["verb"], f"{level['agreed']}/{level['cases']}", f"{level['values']:,}"]
        if is_within:
            different, share = level.get("different", 0), level.get("worst_share", 0.0)
            cells += [f"{different:,}" if different else "", percent(share) if share else ""]
        else:
            cells.append(distance(level["worst_ulps"]) if level["worst_ulps"] else "")
        cells += [f"{level['seconds']:.1f} s", f"[{style}]{level_words(level)}[/]"]
        table.add_row(str(level["level"]), *cells)
    return table


def heading(record: Record) -> str:
    build = record["build"]
    where = "in a container" if record["runner"] == "docker" else "on this machine"
    toolchain = f", {build['toolchain']}" if build["toolchain"] else ""
    functions = ", with its own functions" if record.get("math") == "native" else ""
    return escape(f"{record['language']} ({record['port']}) {where}{toolchain}{functions}")


def failure_panel(record: Record, level: Record, failure: Record, repeat: str) -> Panel:
    """The first divergence, or the first fault, with all that is needed to repeat and mend it."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(overflow="fold")
    name = failure["case"].partition("/")[2]
    rows.add_row("where", Text(f"level {level['level']}, {level['verb']}, case {name}"))
    if failure["difference"]:
        _add_difference(rows, failure["difference"], failure)
        finding = record.get("finding")
        shown, verb = failure["difference"], level["verb"]
        if finding:
            shown, verb = finding["difference"], finding["verb"]
            rows.add_row("", "")
            rows.add_row("traced to", Text(finding["sentence"]))
            _add_difference(rows, shown, None)
        cause = usual_cause(verb, Difference(**shown))
        known = record["diagnosis"]
        if cause and not known:
            rows.add_row("usual cause", Text(f"{cause.sentence} (SPEC.md, section {cause.section})"))
        for number, mistake in enumerate(known):
            rows.add_row("and" if number else "diagnosis", Text(diagnosis_text(mistake)))
    if failure["fault"]:
        _add_fault(rows, failure["fault"])
    option = "CASE=" if repeat.startswith("make") else "--case "
    rows.add_row("repeat", Text(f"{repeat} {option}{failure['case']}", style="bold"))
    title = "First divergence" if failure["difference"] else "First fault"
    return Panel(rows, title=title, title_align="left", border_style="red", expand=False)


def diagnosis_text(mistake: Record) -> str:
    """One entry of a record's diagnosis as a sentence."""
    names = ", ".join(mistake["variants"])
    return f"{mistake['sentence']} ({names})"


def _add_difference(rows: Table, difference: Record, failure: Record | None) -> None:
    rows.add_row("checkpoint", Text(difference["checkpoint"], style="bold"))
    if difference["asked"]:
        rows.add_row("asked", Text(readable_call(difference["asked"])))
    is_value = difference["kind"] == "value"
    rows.add_row(
        "expected", Text(with_decimal(difference["expected"]) if is_value else difference["expected"])
    )
    rows.add_row("got", Text(with_decimal(difference["got"]) if is_value else difference["got"]))
    if is_value:
        rows.add_row("distance", distance(difference["ulps"]))
    if difference.get("bound"):
        rows.add_row("bound", Text(difference["bound"]))
    if failure and failure["values"] > 1:
        rows.add_row("", f"{failure['different']:,} of {failure['values']:,} values of this case differ")


def _add_fault(rows: Table, fault: Record) -> None:
    rows.add_row("fault", Text(fault["message"]))
    if fault["hint"]:
        rows.add_row("hint", Text(fault["hint"]))
    if fault["log"]:
        rows.add_row("its log", Text("\n".join(fault["log"][-10:])))


def explain(result: CaseResult) -> str:
    """One case that does not agree, in plain text."""
    return explain_case(case_json(result))


def explain_case(case: Record) -> str:
    """A failure of a record, in plain text."""
    verb = case["case"].partition("/")[0]
    if fault := case["fault"]:
        return "\n".join(filter(None, [fault["message"], *fault["log"], fault["hint"]]))
    if case["difference"] is None:
        passes = "this known shortcoming passes now; take it out of port.yaml"
        return passes if case["verdict"] == "fixed" else f"the port does not answer '{verb}' yet"
    difference = Difference(**case["difference"])
    is_value = difference.kind == "value"
    lines = [f"first difference: {difference.checkpoint} (line {difference.line} of the reply)"]
    if difference.asked:
        lines.append(f"asked     {readable_call(difference.asked)}")
    lines.append(f"expected  {with_decimal(difference.expected) if is_value else difference.expected}")
    lines.append(f"got       {with_decimal(difference.got) if is_value else difference.got}")
    if is_value:
        lines.append(f"distance  {distance(difference.ulps)}")
    if difference.bound:
        lines.append(f"bound     {difference.bound}")
    cause = usual_cause(verb, difference)
    if cause:
        lines.append(f"usual cause: {cause.sentence} (SPEC.md, section {cause.section})")
    return "\n".join(lines)


def distance(ulps: int | None) -> str:
    if ulps is None:
        return "one of them is NaN"
    if ulps >= 10**9:
        return f"{ulps:.1e} ulps"
    return "1 ulp" if ulps == 1 else f"{ulps:,} ulps"


def with_decimal(word: str) -> str:
    """A double as bits and as a decimal number."""
    return f"{word}  {double_of(word)!r}"


def readable_call(line: str) -> str:
    """A line of a request with decimal numbers beside its doubles."""
    if len(line) > 200:
        return f"{line[:200]}..."
    return re.sub(r"\b[0-9a-f]{16}\b", lambda match: f"{match[0]} ({double_of(match[0])!r})", line)


def next_step(record: Record) -> Panel:
    """What to do for the next level: one request, the golden reply and the port's."""
    height = record["reached_level"]
    verb = record["levels"][height]["verb"]
    parts = (
        Text(f"Level {height} is reached. Level {height + 1} is {verb}: {verb_of(verb).lesson}.\n"),
        side_by_side(record["next_step"]),
        Text(f"\nTry it alone: make try PORT={record['port']} CASE={record['next_step']['case']}"),
    )
    return Panel(Group(*parts), title="Next", title_align="left", border_style="yellow", expand=False)


def make_command(record: Record) -> str:
    runner = "" if record["runner"] == "docker" else " RUNNER=local"
    functions = " MATH=native" if record.get("math") == "native" else ""
    return f"make conform PORT={record['port']}{runner}{functions}"


def repeat_line(record: Record, case: str) -> str:
    """How to ask one case again, for a port of this repository and for one elsewhere."""
    return f"repeat    {make_command(record)} CASE={case}   (elsewhere: conform run --path ... --case {case})"


def error_text(error: ConformError) -> RenderableType:
    """A fault that ended the run, for standard error."""
    parts: list[Any] = [Text.assemble(("error: ", "bold red"), error.message)]
    if error.log:
        parts.append(Text("\n".join(f"    {line}" for line in error.log), style="dim"))
    if error.hint:
        parts.append(Text(f"hint: {error.hint}"))
    return Group(*parts)
