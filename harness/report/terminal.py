"""Shows a record on a terminal: the ladder, one sentence, and last of all the first divergence.

Everything shown comes from the record (`record.py`), so that an old result looks as it did when it was new.
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from conformance.doubles import double_of
from conformance.verbs import TOP, verb_of
from harness import paths
from harness.build.architecture import debian_name
from harness.errors import ConformError
from harness.explain.causes import likely_cause, other_zero
from harness.judge.attempt import side_by_side
from harness.judge.climb import CaseResult
from harness.judge.compare import Difference
from harness.report import store, words
from harness.report.escape import plain
from harness.report.making import case_of
from harness.report.marks import mark_lines
from harness.report.record import (
    CaseRecord,
    DiagnosisRecord,
    Fault,
    FindingRecord,
    LevelRecord,
    Mark,
    Record,
    SmallestRecord,
)
from harness.report.words import distance


def safe(text: str, style: str = "") -> Text:
    """A text as it may stand on a terminal, whoever wrote it; line feeds stay."""
    return Text(plain(text, lines=True), style=style)


def show(record: Record, console: Console, repeat: str = "") -> None:
    """Print the whole report. `repeat` is the command that was given, without a choice of cases."""
    if record.levels:
        console.print(ladder(record))
    if record.next_step is not None:
        console.print(next_step(record, repeat or make_command(record)))
    for note in record.notes:
        console.print(f"[dim]note: {escape(plain(note))}[/dim]", soft_wrap=True)
    for line in mark_lines(record):
        console.print(line, markup=False, soft_wrap=True)
    _show_end(record, console, repeat)


def show_failure(record: Record, console: Console) -> None:
    """What went wrong, of a port among others: its marks that are not full, and the first divergence."""
    for line in mark_lines(record, only_failed=True):
        console.print(f"{plain(record.port)}: {line}", markup=False, soft_wrap=True)
    _show_end(record, console)


def _show_end(record: Record, console: Console, repeat: str = "") -> None:
    """The sentence that a run comes to, and, if it failed, where it first went wrong."""
    console.print(safe(sentence(record), f"bold {words.of_record(record).style}"), soft_wrap=True)
    failure = record.first_failure
    if failure is not None:
        console.print(failure_panel(record, *failure, repeat or make_command(record)))
    elif record.fault is not None:
        console.print(safe("\n".join(record.fault.log), "dim"))
        console.print(safe(record.fault.hint), soft_wrap=True)


def picture(record: Record) -> str:
    """The report as an SVG image."""
    console = Console(record=True, width=74, file=io.StringIO(), highlight=False)
    show(record, console)
    return console.export_svg(title=make_command(record), unique_id="run")


def sentence(record: Record) -> str:
    """What the run comes to."""
    return plain(_sentence(record))


def _sentence(record: Record) -> str:
    port, claimed, reached = record.port, record.claimed_level, record.reached_level
    cases, values = record.agreed, record.values
    is_within = record.agreement == "tolerance"
    if record.fault is not None:
        return f"{port} could not be built: {record.fault.message}"
    if record.outcome == "nothing checked":
        return f"{port}: no case was asked, which counts as a failure"
    if record.only_level is not None:
        how = "agree within the tolerance" if is_within else "agree in every bit"
        where = f"level {record.only_level}, {record.levels[0].verb}"
        return f"{port}: {cases} of {record.cases} cases {how} ({values:,} values; {where})"
    if record.outcome == "fixed":
        passed = next(
            case.case for level in record.levels for case in level.failures if case.verdict == "fixed"
        )
        return f"{port}: unexpected pass of {passed}; remove it from port.yaml"
    if record.outcome == "fails fresh questions":
        return (
            f"{port} does not conform: it gives the golden replies, but not the right ones to requests that "
            "it has not seen before"
        )
    if record.outcome == "disagrees with itself":
        where = _where(record.marks.steady)
        return f"{port} does not conform: asked twice, it does not answer the same{where}"
    if record.outcome == "not robust":
        return f"{port} does not conform: it claims 'robust: true', and answers some bad requests wrongly"
    if record.outcome == "wrong on the command line":
        return f"{port} does not conform: it claims 'command_line: true', and some runs come out wrong"
    if record.outcome == "wrong when contracted":
        return (
            f"{port} does not conform: built for a processor that fuses x*y + z, it rounds once where "
            "SPEC.md rounds twice"
        )
    if record.outcome == "leaks memory":
        return f"{port} does not conform: its memory grows from run to run (SPEC.md, section 11)"
    if not record.conforms:
        return f"{port} does not conform: it claims level {claimed} of {TOP} and reaches {reached}"
    if record.known:
        listed = "; ".join(f"{known.case} ({known.reason})" for known in record.known)
        return f"{port} conforms to level {claimed} of {TOP}, with expected failures: {listed}"
    if claimed == len(record.levels):
        if is_within:
            how = f"within tolerance on all {claimed} levels ({cases} cases)"
            return f"{port} conforms: {how}; {tolerated(record.levels)}"
        return f"{port} conforms: bit-exact on all {claimed} levels ({cases} cases, {values:,} values)"
    if reached > claimed:
        return (
            f"{port} conforms, and reaches more than it claims: level {reached} of {TOP}. "
            f"Raise 'level: {claimed}' in port.yaml"
        )
    return f"{port} conforms: level {claimed} of {TOP}, as it claims ({cases} cases, {values:,} values)"


def _where(mark: Mark | None) -> str:
    """In which circumstances the first answer changed."""
    difference = mark.failures[0].difference if mark and mark.failures else None
    return f" ({difference.asked})" if difference and difference.asked else ""


def tolerated(levels: Sequence[LevelRecord]) -> str:
    """How much of the tolerance was needed."""
    values = sum(level.values for level in levels)
    exact = values - sum(level.different for level in levels)
    share = max(level.worst_share for level in levels)
    return f"{exact:,} of {values:,} values are bit-exact, the others within {percent(share)} of their bound"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def ladder(record: Record) -> Table:
    table = Table(title=heading(record), title_justify="left", title_style="bold")
    table.add_column("level", justify="right")
    table.add_column("verb")
    table.add_column("agree", justify="right")
    table.add_column("values", justify="right")
    is_within = record.agreement == "tolerance"
    for name in ("not exact", "of bound") if is_within else ("worst",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("time", justify="right")
    table.add_column("verdict")
    for level in record.levels:
        look = words.of_level(level)
        cells = [escape(plain(level.verb)), f"{level.agreed}/{level.cases}", f"{level.values:,}"]
        if is_within:
            cells += [f"{level.different:,}" if level.different else ""]
            cells += [percent(level.worst_share) if level.worst_share else ""]
        else:
            cells.append(distance(level.worst_ulps) if level.worst_ulps else "")
        cells += [f"{level.seconds:.1f} s", f"[{look.style}]{look.words}[/]"]
        table.add_row(str(level.level), *cells)
    return table


def heading(record: Record) -> str:
    where = "in a container" if record.runner == "docker" else "on this machine"
    if record.machine.emulated:
        where += f" for {record.machine.architecture}, emulated"
    toolchain = f", {record.build.toolchain}" if record.build.toolchain else ""
    functions = ", with its own functions" if record.math == "native" else ""
    engine = ", fused engine" if record.engine == "fused" else ""
    return escape(plain(f"{record.language} ({record.port}) {where}{toolchain}{engine}{functions}"))


def failure_panel(record: Record, level: LevelRecord, failure: CaseRecord, repeat: str) -> Panel:
    """The first divergence, or the first fault, with all that is needed to repeat and mend it."""
    title = "First divergence" if failure.difference else "First fault"
    where = f"level {level.level}, {level.verb}, case {failure.name}"
    command = repeat_command(record, repeat, failure.case)
    told = Told(
        record.finding, record.diagnosis, record.repeat, record.clues, record.smallest, again(repeat, record)
    )
    return panel(title, where, failure, command, told)


@dataclass(frozen=True)
class Told:
    """What was found about a failure; `after` names the requests that it needs before it, `again` is the
    command that asks the smallest request.
    """

    finding: FindingRecord | None = None
    diagnosis: Sequence[DiagnosisRecord] = ()
    after: Sequence[str] = ()
    clues: Sequence[str] = ()
    smallest: SmallestRecord | None = None
    again: str = ""


def panel(title: str, where: str, failure: CaseRecord, repeat: str, told: Told) -> Panel:
    """A failure in a frame; `repeat` is the command that asks just that again."""
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column(overflow="fold")
    rows.add_row("where", safe(where))
    if failure.difference:
        _add_difference(rows, failure.difference, failure)
        shown, verb = failure.difference, failure.case.partition("/")[0]
        if told.finding:
            shown, verb = told.finding.difference, told.finding.verb
            rows.add_row("", "")
            rows.add_row("traced to", safe(told.finding.sentence))
            _add_difference(rows, shown, None)
        cause = likely_cause(verb, shown)
        is_told = told.finding is not None and verb == "run"
        if cause and not told.diagnosis and not is_told:
            rows.add_row("likely cause", safe(f"{cause.sentence} (SPEC.md, section {cause.section})"))
        for number, mistake in enumerate(told.diagnosis):
            elsewhere = "" if mistake.case.partition("/")[0] == verb else f" (seen in {mistake.case})"
            rows.add_row("and" if number else "diagnosis", safe(diagnosis_text(mistake) + elsewhere))
        for number, clue in enumerate(told.clues):
            rows.add_row("" if number else "clue", safe(clue))
    if failure.fault:
        _add_fault(rows, failure.fault)
    if told.after:
        rows.add_row("state", safe(f"alone it passes; it fails after {', '.join(told.after)}"))
    rows.add_row("repeat", safe(repeat, "bold"))
    if told.smallest is not None:
        _add_smallest(rows, told.smallest, told)
    return Panel(rows, title=title, title_align="left", border_style="red", expand=False)


def _add_smallest(rows: Table, smallest: SmallestRecord, told: Told) -> None:
    """The smallest request that fails the same way; its clues where they say more than those before."""
    difference = smallest.difference
    rows.add_row("", "")
    rows.add_row("smallest", safe(f"the smallest request that still fails: {smallest.words}"))
    _add_difference(rows, difference, None)
    for clue in smallest.clues:
        if clue not in told.clues:
            rows.add_row("clue", safe(clue))
    if told.again:
        rows.add_row("repeat", safe(told.again, "bold"))


def again(repeat: str, record: Record) -> str:
    """The command that asks the smallest request, which a run keeps in results/mine/."""
    return try_command(repeat, record, shlex.quote(paths.shown(store.smallest_file(record.port))))


def try_command(repeat: str, record: Record, case: str) -> str:
    """The command that asks one case, a quoted word, and shows both replies; `repeat` is that of the run."""
    if repeat.startswith("make conform"):
        runner = " RUNNER=local" if record.runner == "local" else ""
        return f"make try PORT={record.port}{runner} CASE={case}"
    return f"{repeat.replace('conform run', 'conform try', 1)} {case}"


def repeat_command(record: Record, command: str, case: str) -> str:
    """How to ask a case again, with the requests before it where it does not fail alone."""
    option = "CASE=" if command.startswith("make") else "--case "
    before = ",".join(record.repeat)
    after = f" AFTER={before}" if option == "CASE=" else f" --after {before}"
    return f"{command} {option}{shlex.quote(case)}{after if before else ''}"


def diagnosis_text(mistake: DiagnosisRecord) -> str:
    """One entry of a record's diagnosis as a sentence."""
    return f"{mistake.sentence} ({', '.join(mistake.variants)})"


def _add_difference(rows: Table, difference: Difference, failure: CaseRecord | None) -> None:
    rows.add_row("checkpoint", safe(difference.checkpoint, "bold"))
    if difference.asked:
        rows.add_row("asked", safe(readable_call(difference.asked)))
    is_value = difference.kind == "value"
    for name, text in (("expected", difference.expected), ("got", difference.got)):
        rows.add_row(name, safe(with_decimal(text) if is_value else text))
    if is_value:
        rows.add_row("distance", gap(difference))
    if difference.bound:
        rows.add_row("bound", safe(difference.bound))
    if failure and failure.values > 1:
        rows.add_row("", f"{failure.different:,} of {failure.values:,} values of this case differ")


def _add_fault(rows: Table, fault: Fault) -> None:
    rows.add_row("fault", safe(fault.message))
    if fault.hint:
        rows.add_row("hint", safe(fault.hint))
    if fault.log:
        rows.add_row("its log", safe("\n".join(fault.log[-10:])))


def explain(result: CaseResult) -> str:
    """One case that does not agree, in plain text."""
    return explain_case(case_of(result))


def explain_case(case: CaseRecord) -> str:
    """A failure of a record, in plain text."""
    verb = case.case.partition("/")[0]
    if case.fault:
        return "\n".join(filter(None, [case.fault.message, *case.fault.log, case.fault.hint]))
    if case.difference is None:
        passes = "unexpected pass; remove it from port.yaml"
        return passes if case.verdict == "fixed" else f"the port does not answer '{verb}' yet"
    difference = case.difference
    is_value = difference.kind == "value"
    lines = [f"first difference: {difference.checkpoint} (line {difference.line} of the reply)"]
    if difference.asked:
        lines.append(f"asked     {readable_call(difference.asked)}")
    lines.append(f"expected  {with_decimal(difference.expected) if is_value else difference.expected}")
    lines.append(f"got       {with_decimal(difference.got) if is_value else difference.got}")
    if is_value:
        lines.append(f"distance  {gap(difference)}")
    if difference.bound:
        lines.append(f"bound     {difference.bound}")
    cause = likely_cause(verb, difference)
    if cause:
        lines.append(f"likely cause: {cause.sentence} (SPEC.md, section {cause.section})")
    return "\n".join(lines)


def gap(difference: Difference) -> str:
    """How far two doubles are apart; for two zeros no distance says it."""
    return "the sign of zero" if other_zero(difference) else distance(difference.ulps)


def with_decimal(word: str) -> str:
    """A double as bits and as a decimal number."""
    return f"{word}  {double_of(word)!r}"


def readable_call(line: str) -> str:
    """A line of a request with decimal numbers beside its doubles."""
    if len(line) > 200:
        return f"{line[:200]}..."
    return re.sub(r"\b[0-9a-f]{16}\b", lambda match: f"{match[0]} ({double_of(match[0])!r})", line)


def next_step(record: Record, repeat: str) -> Panel:
    """What to do for the next level: one request, the golden reply and the port's. `repeat`: as for show."""
    assert record.next_step is not None
    verb = record.levels[record.reached_level].verb
    height = record.reached_level
    parts = (
        Text(f"Level {height} is reached. Level {height + 1} is {verb}: {verb_of(verb).lesson}.\n"),
        side_by_side(record.next_step),
        safe(f"\nTry it alone: {try_command(repeat, record, record.next_step.case)}"),
    )
    return Panel(Group(*parts), title="Next", title_align="left", border_style="yellow", expand=False)


def make_command(record: Record) -> str:
    runner = "" if record.runner == "docker" else " RUNNER=local"
    functions = " MATH=native" if record.math == "native" else ""
    other = f" ARCH={debian_name(record.machine.architecture)}" if record.machine.emulated else ""
    return f"make conform PORT={record.port}{runner}{functions}{other}"


def repeat_line(record: Record, case: str) -> str:
    """How to ask one case again, for a port of this repository and for one elsewhere."""
    return f"repeat    {make_command(record)} CASE={case}   (elsewhere: conform run --path ... --case {case})"


def error_text(error: ConformError) -> RenderableType:
    """A fault that ended the run, for standard error."""
    parts: list[Any] = [Text.assemble(("error: ", "bold red"), plain(error.message, lines=True))]
    if error.log:
        parts.append(safe("\n".join(f"    {line}" for line in error.log), "dim"))
    if error.hint:
        parts.append(safe(f"hint: {error.hint}"))
    return Group(*parts)
