"""The command `conform laws`: what holds for any right GPT, asked of a port, with no golden value."""

from __future__ import annotations

import sys

import click
from rich.markup import escape
from rich.table import Table

from conformance.messages import golden_of
from harness.build import manifest, runners
from harness.cli.progress import counting, progress
from harness.cli.shared import ERR, OUT, runner_option
from harness.run.limits import Limits
from harness.run.session import Session
from science.laws import flows, hunt
from science.laws.asking import Asker
from science.laws.ledger import LAWS, Outcome

SHOWN = 3  # broken assertions of a law


@click.command()
@click.argument("port", default="reference")
@runner_option
@click.option("--flow", "chosen", type=click.Choice(flows.FLOWS), multiple=True, help="Only this flow.")
@click.option("--math", type=click.Choice(["exact", "native"]), default="exact", help="Which functions.")
@click.option("--mutants", is_flag=True, help="See which known mistakes break which laws, and keep that.")
def laws(port: str, runner: str, chosen: tuple[str, ...], math: str, mutants: bool) -> None:
    """Judge PORT, or the reference, by laws alone: statements that hold for any right GPT.

    No golden value is used: softmax sums to one, the gradient is the derivative, a later token changes no
    earlier logit. Exits with 1 if a law is broken. With --mutants, which takes about 40 minutes of one core,
    the ledger in results/science/laws.json is made again.
    """
    if mutants:
        _hunt()
        return
    if port == "reference":
        found = _judged(Asker(golden_of, math), chosen)
    else:
        loaded = manifest.load(port)
        limits = loaded.limits(Limits())
        where = runners.runner(runner, limits)
        with progress(ERR, 1) as listener_for:
            where.prepare(loaded, listener_for(port).building)
        with Session(where.launch, limits) as session:
            found = _judged(Asker(session.ask, math), chosen)
    _show(port, found)
    sys.exit(1 if any(outcome.broken for outcome in found) else 0)


def _judged(asker: Asker, chosen: tuple[str, ...]) -> list[Outcome]:
    total = sum(one.flow in (chosen or flows.FLOWS) for one in LAWS)
    found = []
    with counting(ERR) as told:
        for outcome in hunt.judge_all(asker, chosen):
            found.append(outcome)
            told(len(found), total, f"laws judged, {outcome.law.flow}")
    return found


def _show(port: str, found: list[Outcome]) -> None:
    table = Table(title=f"Laws that {escape(port)} keeps", box=None, padding=(0, 2), title_justify="left")
    table.add_column("flow")
    for head in ("laws", "kept", "assertions", "broken"):
        table.add_column(head, justify="right")
    for flow in flows.FLOWS:
        outcomes = [outcome for outcome in found if outcome.law.flow == flow]
        if outcomes:
            kept = sum(not outcome.broken for outcome in outcomes)
            broken = sum(len(outcome.broken) for outcome in outcomes)
            held = sum(outcome.held for outcome in outcomes)
            style = "red" if broken else ""
            table.add_row(
                flow, f"{len(outcomes)}", f"{kept}", f"{held + broken:,}", f"{broken:,}", style=style
            )
    OUT.print(table)
    for outcome in found:
        if outcome.broken:
            OUT.print(f"\n[bold red]broken[/]: {escape(outcome.law.sentence)} ({outcome.law.name})")
            OUT.print(f"  microgpt.py, line {outcome.law.line_number}: {escape(outcome.law.code)}")
            for assertion in outcome.broken[:SHOWN]:
                OUT.print(f"  {escape(assertion.name)}: {escape(assertion.wrong)}")
            if len(outcome.broken) > SHOWN:
                OUT.print(f"  and {len(outcome.broken) - SHOWN:,} more")
    total = sum(outcome.held + len(outcome.broken) for outcome in found)
    kept = sum(not outcome.broken for outcome in found)
    OUT.print(f"\n{kept} of {len(found)} laws kept, {total:,} assertions.")


def _hunt() -> None:
    with counting(ERR) as told:
        found = hunt.hunt(lambda done, total: told(done, total, "mistakes planted"))
    hunt.save(found)
    caught, asked = hunt.share_caught(found)
    OUT.print(f"{caught} of {asked} mistakes that are not about rounding break a law")
    if idle := hunt.unbroken(found):
        OUT.print(f"laws that no mistake breaks: {', '.join(idle)}")
