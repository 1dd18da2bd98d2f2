"""One request with the golden reply and the port's reply side by side, for somebody who is writing a port."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from conformance.ladder import Case
from harness.errors import ConformError
from harness.judge.climb import FAULTS
from harness.judge.compare import Compare, compare
from harness.run.process import printable
from harness.run.session import Session

LINES = 24  # shown of each block
WIDTH = 60  # characters shown of each line


@dataclass(frozen=True)
class Attempt:
    """One request with the golden reply and the port's, as lines cut for showing."""

    case: str
    agrees: bool
    request: tuple[str, ...]
    golden: tuple[str, ...]
    reply: tuple[str, ...]


def attempt(session: Session, case: Case, port_name: str, compare: Compare = compare) -> Attempt:
    """Ask one case: the lines of request, golden and reply, cut for showing, and whether they agree.

    Raises MachineFault; another fault stands in place of the reply.
    """
    try:
        reply = (session.ask_last if case.request.ends_input else session.ask)(case.request)
        lines = reply.text().splitlines()
        agrees = compare(case.request, case.golden, reply, port_name).agrees
    except ConformError as fault:
        if fault.outcome not in FAULTS:
            raise
        lines, agrees = [f"({fault.message})", *fault.log[-5:]], False
    return Attempt(
        case=case.id,
        agrees=agrees,
        request=_cut(case.request.data().decode("latin-1").splitlines()),
        golden=_cut(case.golden.text().splitlines()),
        reply=_cut(lines),
    )


def _cut(lines: Sequence[str]) -> tuple[str, ...]:
    """At most LINES lines, none of them long: the first ones, and how many are left out."""
    kept = [printable(line) for line in lines[:LINES]]
    if len(lines) <= LINES:
        return tuple(kept)
    return (*kept[: LINES - 1], f"... and {len(lines) - LINES + 1:,} lines more")


def side_by_side(shown: Attempt) -> RenderableType:
    """The request, then golden trace and reply in two columns, lines that differ marked."""
    request = Text("\n".join(map(_narrow, shown.request)), style="dim")
    columns = Table(show_edge=False, box=None, padding=(0, 2))
    columns.add_column("golden trace", min_width=24, no_wrap=True)
    columns.add_column("", width=1)
    columns.add_column("the port's reply", min_width=24, no_wrap=True)
    for golden, reply in zip_longest(shown.golden, shown.reply, fillvalue=""):
        same = golden == reply
        mark = Text("" if same else "≠", style="red")
        columns.add_row(Text(_narrow(golden)), mark, Text(_narrow(reply), style="" if same else "red"))
    return Group(Text("request", style="bold"), request, Text(""), columns)


def _narrow(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
