"""Measure the tolerance of every case of the ladder: tolerance.json, and the table of docs/JUDGING.md.

    python -m conformance.tolerance            measure what is new or has changed
    python -m conformance.tolerance --long     the long cases too (some minutes)
    python -m conformance.tolerance --force    measure everything again
    python -m conformance.tolerance --check    write nothing; exit with 1 if a case or the table is stale

What is measured stands in `spread.py`; how a port is judged by it, in `harness/tolerance.py`. Running it
twice gives the same bytes, on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from math import ulp
from pathlib import Path

from rich.console import Console
from rich.progress import track

from conformance import ladder
from conformance.bounds import BOUNDS, RUNS, SEED, Bounds, digest, load
from conformance.ladder import Case
from conformance.spread import FACTOR, Spread, needs_measuring, quantities, scales, spread_of

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "JUDGING.md"
TABLE = re.compile(r"<!-- tolerance -->\n.*?<!-- end of tolerance -->\n", re.DOTALL)
WHOLE_RUN_PART = 16  # of the runs: level 12 is slow, and its losses are judged to four decimals only


def judged_cases() -> list[Case]:
    """Every case with an answer that a function may have a part in."""
    levels = [level for level in ladder.levels() if needs_measuring(level.verb)]
    return [case for level in levels for case in level.cases if not case.large]


def runs_of(case: Case, runs: int) -> int:
    return max(1, runs // WHOLE_RUN_PART) if case.level.verb == "run" else runs


def measured(case: Case, runs: int, seed: int) -> tuple[Case, Spread]:
    """Raises ArithmeticError, with the case's name, if a move of one ulp changes the reply's text."""
    try:
        return case, spread_of(case.request, case.golden, runs_of(case, runs), seed)
    except ArithmeticError as problem:
        raise ArithmeticError(f"{case.id} cannot be judged within a tolerance: {problem}") from None


def measure_all(cases: Sequence[Case], runs: int, seed: int) -> Iterator[tuple[Case, Spread]]:
    """In parallel, the long ones first, with progress on a terminal."""
    ordered = sorted(cases, key=lambda case: (not case.long, case.level.verb != "run"))
    console = Console(stderr=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(measured, case, runs, seed) for case in ordered]
        for future in track(
            as_completed(futures),
            "measuring",
            len(futures),
            console=console,
            disable=not console.is_terminal,
        ):
            yield future.result()


# --- The file ---------------------------------------------------------------------------------------------


def text_of(bounds: Bounds) -> str:
    """The file: one case on a line, so that a change of one case changes one line."""
    head = {"factor": FACTOR, "runs": bounds.runs, "seed": bounds.seed}
    lines = [
        f"{json.dumps(name)}: {json.dumps({'digest': found, 'spread': bounds.spreads[found]})}"
        for name, found in sorted(bounds.digests.items())
    ]
    return f'{json.dumps(head)[:-1]}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n"


# --- The table --------------------------------------------------------------------------------------------


STEPS = {1: "step 1", 10: "steps 2 to 10", 100: "steps 11 to 100", 4096: "steps from 101"}


@dataclass(frozen=True)
class Row:
    """A quantity over all cases of a level; spreads in ulps of its greatest value, 0 where none is moved."""

    level: int
    quantity: str
    relative: list[float]

    def cells(self) -> tuple[str, ...]:
        moved = [spread for spread in self.relative if spread]
        still = str(len(self.relative) - len(moved) or "")
        start = (str(self.level), f"`{self.quantity}`", str(len(self.relative)), still)
        if not moved:
            return (*start, "", "", "bit-exact")
        typical = statistics.median(moved)
        return (*start, shown(typical), shown(max(moved)), shown(FACTOR * typical))


def shown(x: float) -> str:
    return f"{x:.1f}" if x < 100 else f"{x:,.0f}" if x < 1e6 else f"{x:.1e}"


def kind(verb: str, quantity: str) -> str:
    """A quantity's row of the table: no numbers of nodes and lines, no matrices, and steps in groups."""
    step, colon, rest = quantity.rpartition(": ")
    if not colon:
        return re.sub(r"\[\d+\]", "", rest)
    name = rest.partition(".")[0]
    number = int(step.split(" ")[1]) + 1
    return f"{name}, {next(words for end, words in STEPS.items() if number <= end)}"


def table_rows(bounds: Bounds, cases: Iterable[Case]) -> list[Row]:
    """One row for each quantity, levels in order, quantities in the order in which replies have them."""
    found: dict[tuple[int, str], list[float]] = {}
    for case in cases:
        spread = bounds.spreads[bounds.digests[case.id]]
        if case.level.verb == "run":
            scale_of = {name: 1.0 for name in spread}  # losses are near 1; the trace has four decimals
        else:
            lines = case.golden.lines
            scale_of = scales(quantities(case.level.verb, lines), lines)
        greatest: dict[str, float] = {}
        for name, scale in scale_of.items():
            row = kind(case.level.verb, name)
            relative = spread.get(name, 0.0) / ulp(scale) if scale else 0.0
            greatest[row] = max(greatest.get(row, 0.0), relative)
        for row, relative in greatest.items():
            found.setdefault((case.level.number, row), []).append(relative)
    names = [key for key in found if ", step" not in key[1]]
    by_steps = [key for words in STEPS.values() for key in found if key[1].endswith(f", {words}")]
    order = sorted([*names, *by_steps], key=lambda key: key[0])
    return [Row(level, quantity, found[level, quantity]) for level, quantity in order]


def table(bounds: Bounds, cases: Iterable[Case]) -> str:
    """The part of docs/JUDGING.md between its markers."""
    head = (
        "level",
        "quantity",
        "cases",
        "of these bit-exact",
        "typical spread",
        "greatest spread",
        "typical bound",
    )
    rows = table_rows(bounds, cases)
    lines = [
        "<!-- tolerance -->",
        "",
        f"Runs: {bounds.runs} of every case ({max(1, bounds.runs // WHOLE_RUN_PART)} on level 12), "
        f"seed {bounds.seed}, factor {FACTOR}.",
        "",
        "| " + " | ".join(head) + " |",
        "|---:|---|---:|---:|---:|---:|---:|",
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
        "<!-- end of tolerance -->",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the tolerance of every case of the ladder.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if anything is stale")
    parser.add_argument("--long", action="store_true", help="measure the long cases too")
    parser.add_argument("--force", action="store_true", help="measure everything again")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"runs of every case, usually {RUNS}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the moves, usually {SEED}")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")

    cases = judged_cases()
    known = load()
    if arguments.check:
        return check(known, cases)
    same = (known.runs, known.seed) == (arguments.runs, arguments.seed) and not arguments.force
    spreads = dict(known.spreads) if same else {}
    if not arguments.long:  # what takes minutes is kept as it is, as long as it is of the same case
        spreads |= {
            known.digests[c.id]: known.spreads[known.digests[c.id]]
            for c in cases
            if c.long and c.id in known.digests
        }
    stale = [case for case in cases if digest(case.request, case.golden) not in spreads]
    chosen = [case for case in stale if arguments.long or not case.long]
    problem = ""
    try:
        for case, spread in measure_all(chosen, arguments.runs, arguments.seed):
            spreads[digest(case.request, case.golden)] = spread
    except ArithmeticError as error:
        problem = f"error: {error}; take another input for it"
    except KeyboardInterrupt:
        problem = "interrupted: what was measured is kept, the same command goes on"
    bounds = save(cases, spreads, arguments.runs, arguments.seed)
    left = [case.id for case in cases if case.id not in bounds.digests]
    if left and not problem:
        problem = f"error: {', '.join(left)} must be measured too: add --long (make: LONG=1)"
    if problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{len(chosen)} of {len(cases)} cases measured, {sum(map(len, bounds.spreads.values())):,} bounds")
    return 0


def save(cases: Sequence[Case], spreads: dict[str, Spread], runs: int, seed: int) -> Bounds:
    """Write tolerance.json, as far as there is a spread for a case, and the table of docs/JUDGING.md."""
    digests = {case.id: digest(case.request, case.golden) for case in cases}
    kept = {name: found for name, found in digests.items() if found in spreads}
    bounds = Bounds(runs, seed, kept, {found: spreads[found] for found in kept.values()})
    page = PAGE.read_text(encoding="utf-8")
    BOUNDS.write_text(text_of(bounds), encoding="utf-8")
    new = TABLE.sub(lambda _: table(bounds, [case for case in cases if case.id in kept]), page)
    if new != page:
        PAGE.write_text(new, encoding="utf-8")
    return bounds


def check(known: Bounds, cases: Sequence[Case]) -> int:
    """Whether every case has its bounds, no other has, and docs/JUDGING.md shows them; without measuring."""
    wanted = {case.id: digest(case.request, case.golden) for case in cases}
    stale = sorted(
        name for name in wanted.keys() | known.digests.keys() if wanted.get(name) != known.digests.get(name)
    )
    if stale:
        print(f"conformance/tolerance.json is stale for {', '.join(stale)}; run make tolerance")
        return 1
    if table(known, cases) not in PAGE.read_text(encoding="utf-8"):
        print("the table of tolerances in docs/JUDGING.md is stale; run make tolerance")
        return 1
    print(f"the tolerances of {len(wanted)} cases are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
