"""Runs a plan: trains what is not finished yet, and keeps each outcome as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import paths
from harness.errors import ConformError
from harness.judge.check.engine import Engine, fastest
from science.hexagons import documents, figures, tables, training
from science.hexagons.plan import Plan
from science.hexagons.training import Cell, Outcome, Trial

Json = dict[str, Any]
Told = Callable[[int, int, str], None]
"""Is told how many trainings of how many are done, and what is under way."""
GRAPH = "c"  # the port whose graph holds attended pairs only; the fast engine computes and masks the others
LEAST_SECONDS = 0.15  # a processor's time is counted in hundredths


def journal() -> Path:
    return paths.cache_dir() / "hexagons.jsonl"


def finished(where: Path) -> dict[str, Outcome]:
    """The outcomes in a journal by key. A last line that was cut off is not one."""
    found: dict[str, Outcome] = {}
    if where.exists():
        for line in where.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            key = row.pop("key")
            found[key] = Outcome(**row)
    return found


def run(plan: Plan, told: Told, where: Path, so_far: bool = False) -> Json:
    """Train what is not in the journal yet, and give all figures; `so_far`: of what is finished, and no more.

    Raises ConformError where the engine differs from the reference, or if nothing is finished.
    """
    done = finished(where)
    if so_far and not (plan := plan.finished(done)).cells():
        raise ConformError("no cell is finished yet", hint="conform hexagons")
    trials = plan.trials()
    with fastest() as engine:
        where.parent.mkdir(parents=True, exist_ok=True)
        with where.open("a", encoding="utf-8") as kept:
            kept.write("\n")  # after a line that was cut off
            for number, trial in enumerate(trials):
                told(number, len(trials), words(trial))
                if trial.key not in done:
                    done[trial.key] = training.train(engine, trial)
                    kept.write(json.dumps({"key": trial.key} | asdict(done[trial.key])) + "\n")
                    kept.flush()
        told(len(trials), len(trials), f"the reference confirms {engine.name}")
        confirm(engine, plan)
        name = engine.name
    told(len(trials), len(trials), f"timing {GRAPH}")
    return figures.summary(plan, done) | {"engine": name, "times": times(plan)}


def words(trial: Trial) -> str:
    cell = trial.cell
    return f"{cell.dataset}, block {cell.block}, {cell.layers} layers, {trial.table}, seed {trial.seed}"


def confirm(engine: Engine, plan: Plan) -> None:
    """Hold the first steps of one training of every table against the reference: losses, every checksum, and
    the final tensors. Of the first one also the held-out loss of two documents, and the samples.
    """
    reference = Engine("reference")
    for number, trial in enumerate(plan.confirmations()):
        request = trial.request(plan.confirmed)
        replies = [training.ask(one, request) for one in (engine, reference)]
        agree = replies[0].lines == replies[1].lines
        if agree and number == 0:
            parameters = training.parameters_of(replies[0])
            agree = (
                len({training.held_out_loss(one, trial, parameters, 2) for one in (engine, reference)}) == 1
            )
            drawn = [training.samples(one, trial, parameters) for one in (engine, reference)]
            agree = agree and drawn[0] == drawn[1]
        if not agree:
            raise ConformError(
                f"{engine.name} does not train as the reference does ({words(trial)}): "
                "figures of it would mean nothing",
                hint=f"conform run {engine.name}",
            )


def times(plan: Plan) -> list[Json]:
    """A processor's milliseconds for a step of one layer, with a port whose graph holds the attended pairs
    alone. Empty if that port does not start here.
    """
    with fastest((GRAPH,)) as engine:
        if engine.name != GRAPH:
            return []
        dataset = next(name for name in plan.datasets if documents.DATASETS[name])
        return [
            {"block": block, "table": kind.name, "milliseconds": _timed(engine, trial)}
            for block in plan.blocks
            for kind in tables.KINDS
            for trial in [Trial(Cell(dataset, block, 1), kind.name, plan.seeds[0], plan.steps[block])]
        ]


def _timed(engine: Engine, trial: Trial) -> float:
    """Twice as many steps, until they take long enough."""
    count = 1
    while True:
        request = trial.request(count)
        start = training.processor_seconds()
        training.ask(engine, request)
        if (seconds := training.processor_seconds() - start) >= LEAST_SECONDS or count == trial.steps:
            return 1000 * seconds / count
        count = min(2 * count, trial.steps)
