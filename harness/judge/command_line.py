"""The mark `command line`: `microgpt run [seed|classic] < names.txt`, as people start it.

Each run has a process of its own, in circumstances that must not matter: see harness/run/circumstances.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, zip_longest

from conformance.cases.command_line import FOLDER, Run
from conformance.ladder import Case, levels
from harness.errors import ConformError
from harness.judge.climb import FAULTS, CaseResult
from harness.judge.compare import Difference
from harness.judge.marks import Tally, tally
from harness.run import program
from harness.run.circumstances import OTHERS, Circumstances
from harness.run.limits import Limits
from harness.run.process import Process
from harness.threads import side_by_side

Launch = Callable[[Sequence[str], Circumstances], Process]


@dataclass(frozen=True)
class RunCase(Case):
    """A run in the place of a case."""

    @property
    def id(self) -> str:
        return f"command-line/{self.name}"


def command_line(launch: Launch, runs: Sequence[Run], limits: Limits) -> Tally:
    """Start the port for each run, two at a time: starting a container is mostly waiting."""
    with side_by_side(2) as pool:
        return tally(runs, pool.map(partial(_judge, launch, limits), runs, cycle(OTHERS)))


def _judge(launch: Launch, limits: Limits, run: Run, surrounding: Circumstances) -> CaseResult:
    case = RunCase(levels()[-1], run.name, FOLDER / f"{run.name}.input")
    typed = f"with {surrounding.words()}: microgpt {' '.join(run.arguments)} < {run.name}.input"
    try:
        ended = program.run(launch(run.arguments, surrounding), run.input, limits)
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        fault.message = f"{fault.message}, started with {typed}"
        return CaseResult(case, "limit" if fault.outcome == "limit" else "crashed", fault=fault)
    found = difference(run, ended)
    if found is None:
        return CaseResult(case, "agrees", values=1)
    checkpoint, expected, got, line = found
    shown = Difference("text", checkpoint, expected, got, line=line, asked=typed)
    return CaseResult(case, "disagrees", values=1, different=1, difference=shown)


def difference(run: Run, ended: program.Ended) -> tuple[str, str, str, int] | None:
    """What is wrong, what was expected, what came, and the line of the output; None if nothing is."""
    wanted = (0,) if run.output else (1, 2) if run.is_misuse else (1,)
    how = f"it {ended.exit.words()}" + (f", saying {ended.log[-1]!r}" if ended.log else "")
    if ended.output != run.output:
        expected, got = run.output.split(b"\n"), ended.output.split(b"\n")
        line = next(i for i, (a, b) in enumerate(zip_longest(expected, got)) if a != b)
        if not run.output:
            return "standard output", "nothing, for this is an error", _shown(got, 0), 1
        came = _shown(got, line) if ended.exit.code in wanted else f"{_shown(got, line)}; {how}"
        return f"line {line + 1} of standard output", _shown(expected, line), came, line + 1
    if ended.exit.code not in wanted:
        return "exit status", " or ".join(map(str, wanted)), how, 1
    if not run.output and not ended.log:
        return "standard error", "a sentence that says what is wrong", "nothing", 1
    return None


def _shown(lines: Sequence[bytes], number: int) -> str:
    """A line as Python writes it, and whether it is the end of the output."""
    if number == len(lines):
        return "the end, without an LF"
    if number == len(lines) - 1 and not lines[number]:
        return "the end"
    return repr(lines[number].decode("utf-8", errors="backslashreplace"))
