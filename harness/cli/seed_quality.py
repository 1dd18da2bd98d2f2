"""The command `conform seed-quality`: does good seed give good harvest? The answer in figures."""

from __future__ import annotations

import os
import time

import click
from rich.table import Table

from harness import paths
from harness.cli.progress import counting
from harness.cli.shared import ERR, OUT, note
from harness.errors import ManifestError
from science.seed_quality import study
from science.seed_quality.plan import QUICK, WHOLE, Trial
from science.seed_quality.store import Store
from science.seed_quality.trial import Json

SHOWN = {"bits": "bits", **{name: f"{name} at 0.5" for name in ("validity", "distinctness", "harvest")}}
CORES = os.cpu_count() or 1


@click.command("seed-quality")
@click.option("--quick", is_flag=True, help="A small part, in seconds; shown and not kept.")
@click.option("--fresh", is_flag=True, help="Forget the trials that an earlier run finished.")
@click.option("--check", is_flag=True, help="Compute afresh, write nothing; fail if a figure is another.")
@click.option("--seed", default=42, show_default=True, help="The first seed; the others follow it.")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=CORES, help="Trials at once.  [usually a core each]"
)
def seed_quality(quick: bool, fresh: bool, check: bool, seed: int, jobs: int) -> None:
    """Train GPTs and n-grams on clean and on spoiled sets of the garden, and compare their harvest.

    Letters swapped, lines copied, foreign lines mixed in, fewer lines, lines in order: what does each do to
    held-out loss, to valid, new and different samples? Three seeds each, all differences paired. The figures
    are kept in results/science/seed_quality.json and are the same again, bit for bit. What was finished when
    a run is stopped is not done again.
    """
    plan = (QUICK if quick else WHOLE).starting_at(seed)
    if check and quick:
        raise click.UsageError("--check is of the whole study: leave out --quick")
    store = Store(plan)
    if fresh or check:
        store.forget()
    began = time.monotonic()
    try:
        with counting(ERR) as told:

            def done(one: Trial, number: int, total: int) -> None:
                where = f"{one.set}, {one.spoiling.way}, {one.learner}"
                told(number, total, f"{where:<30}" if ERR.is_terminal else where)

            found = study.carry_out(plan, jobs, store, done)
    except KeyboardInterrupt:
        note(f"{len(store.rows):,} finished trials are kept, and the same command goes on from there")
        raise
    _show(found)
    note(f"{time.monotonic() - began:,.0f} s for what was not there yet")
    if quick:
        return
    if check:
        kept = study.load()
        if kept is None or study.text_of(found) != study.text_of(kept):
            raise ManifestError(
                f"the figures in {paths.shown(study.file())} are others", hint="conform seed-quality"
            )
        note(f"the same figures as in {paths.shown(study.file())}")
        return
    note(f"kept in {paths.shown(study.save(found))}")


def _table(title: str, words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    table = Table(title=title, box=None, padding=(0, 2), title_justify="left")
    for head in words:
        table.add_column(head)
    for head in numbers:
        table.add_column(head, justify="right")
    return table


def _show(found: Json) -> None:
    sets = len(found["sets"])
    title = "Clean sets, mean of the seeds; samples at temperature 0.5"
    clean = _table(title, ("set", "learner"), tuple(SHOWN))
    for row in found["cells"]:
        if row["way"] == "clean":
            values = {name: sum(row[key]) / len(row[key]) for name, key in SHOWN.items()}
            shares = (f"{value:.1%}" for name, value in values.items() if name != "bits")
            clean.add_row(row["set"], row["learner"], f"{values['bits']:.3f}", *shares)
    OUT.print(clean)
    title = f"\nSpoiled minus clean, over {sets} sets, with 95 % intervals; nothing is claimed of what is dim"
    spoiled = _table(title, ("learner", "spoiled", "amount"), tuple(SHOWN))
    for row in found["overall"]:
        differences = (_difference(row[key], name == "bits") for name, key in SHOWN.items())
        spoiled.add_row(row["learner"], row["way"], f"{row['amount']:g}", *differences)
    OUT.print(spoiled)
    sizes = _table("\nLarger models", ("set", "layers", "embedding", "rounds"), ("parameters", *SHOWN))
    for row in found["sizes"]:
        values = {name: sum(row[key]) / len(row[key]) for name, key in SHOWN.items()}
        shares = (f"{value:.1%}" for name, value in values.items() if name != "bits")
        shape = (f"{row[key]}" for key in ("layers", "embedding", "rounds"))
        sizes.add_row(row["set"], *shape, f"{row['parameters']:,}", f"{values['bits']:.3f}", *shares)
    OUT.print(sizes)


def _difference(found: list[float], is_bits: bool) -> str:
    middle, low, high = found[:3]
    reach = (high - low) / 2
    text = f"{middle:+.3f} ± {reach:.3f}" if is_bits else f"{100 * middle:+.1f} ± {100 * reach:.1f}"
    return f"[dim]{text}[/]" if low <= 0 <= high else text
