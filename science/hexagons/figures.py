"""The figures of the page, from the outcomes of all trainings: results/science/hexagons.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import paths
from harness.errors import ConformError
from science.hexagons import documents, tables, training
from science.hexagons.plan import REGIMES, STEPS, Plan
from science.hexagons.training import Cell, Outcome
from science.statistics import Paired, mean, spread

Json = dict[str, Any]
LATTICES = ("hexagonal rows", "hexagonal spiral")


def summary(plan: Plan, done: Mapping[str, Outcome]) -> Json:
    rows = [row for regime in REGIMES for cell in plan.cells() for row in _rows(plan, regime, cell, done)]
    by_name = {
        (row["regime"], row["dataset"], row["block"], row["layers"], row["table"]): row["losses"]
        for row in rows
    }
    material = [documents.material(name, block) for name in plan.datasets for block in plan.blocks]
    reaches = [_reach(kind, block, plan) for block in plan.blocks for kind in tables.KINDS]
    sizes = [(name, block) for name in plan.datasets for block in plan.blocks]
    return {
        "preset": training.PRESET,
        "seeds": list(plan.seeds),
        "steps": [{"block": block, "steps": plan.steps[block]} for block in plan.blocks],
        "layers": list(plan.layers),
        "confirmed": plan.confirmed,
        "missing": [asdict(cell) for cell in plan.missing],
        "datasets": [
            {"name": name, "joined": documents.DATASETS[name], "block": block}
            | {"documents": len(one.training), "held_out": len(one.held_out)}
            for (name, block), one in zip(sizes, material, strict=True)
        ],
        "tables": [
            {
                "name": kind.name,
                "sentence": kind.sentence,
                "lattice": kind.is_lattice,
                "matched": kind.is_matched,
            }
            for kind in tables.KINDS
        ],
        "means": [one for block in plan.blocks for one in _means(rows, reaches, block)],
        "pictures": [
            _picture(kind, block) for block in plan.blocks for kind in tables.KINDS if kind.is_lattice
        ],
        "rows": rows,
        "comparisons": [
            comparison
            for base in LATTICES
            for regime in REGIMES
            for kind in tables.KINDS
            if kind.name != base
            for comparison in _compare(plan, by_name, base, regime, kind.name)
        ],
    }


def _rows(plan: Plan, regime: str, cell: Cell, done: Mapping[str, Outcome]) -> Iterable[Json]:
    """One for every table. In other regimes than the first only where the training is another one."""
    for kind in tables.KINDS:
        trials = [plan.trial(regime, cell, kind.name, seed) for seed in plan.seeds]
        if regime != STEPS and trials == [plan.trial(STEPS, cell, kind.name, seed) for seed in plan.seeds]:
            continue
        outcomes = [done[trial.key] for trial in trials]
        spent = [tuple(map(sum, zip(*training.work(trial), strict=True))) for trial in trials]
        losses = [one.loss for one in outcomes]
        yield {
            "regime": regime,
            **asdict(cell),
            "table": kind.name,
            "steps": mean([trial.steps for trial in trials]),
            "losses": losses,
            "loss": mean(losses),
            "spread": spread(losses),
            "right": sum(one.right for one in outcomes),
            "lines": sum(one.lines for one in outcomes),
            "pairs": mean([pairs for pairs, _ in spent]),
            "multiplications": mean([products for _, products in spent]),
            "seconds": mean([one.seconds for one in outcomes]),
        }


def _reach(kind: tables.Kind, block: int, plan: Plan) -> Json:
    """Of tables by lot: the mean over the seeds, and the greatest of all."""
    seeds = plan.seeds if kind.by_chance else plan.seeds[:1]
    found = [tables.reach(kind.table(block, seed)) for seed in seeds]
    deepest = max(len(one.within) for one in found)

    def within(hops: int) -> float:
        return mean([one.within[min(hops, len(one.within) - 1)] if one.within else 0.0 for one in found])

    return {
        "block": block,
        "table": kind.name,
        "keys": mean([tables.pairs_attended(kind.table(block, seed), block) / block for seed in seeds]),
        "mean": mean([one.mean for one in found]),
        "greatest": max(one.greatest for one in found),
        "reached": mean([one.reached for one in found]),
        "within": [within(hops) for hops in range(deepest)],
    }


def _means(rows: Sequence[Json], reaches: Sequence[Json], block: int) -> list[Json]:
    """Of every table at equal steps: its reach, and means over the cells of a block.

    `saved` is how much lower the loss is than with a table of nothing but itself, and `saved_per_key` that
    over the number of earlier positions attended to. None for that table itself.
    """
    made = []
    for reach in reaches:
        if reach["block"] != block:
            continue
        chosen = [row for row in rows if (row["regime"], row["block"]) == (STEPS, block)]
        own = [row for row in chosen if row["table"] == reach["table"]]
        loss = mean([row["loss"] for row in own])
        saved = mean([row["loss"] for row in chosen if row["table"] == tables.FLOOR]) - loss
        earlier = reach["keys"] - 1
        made.append(
            reach
            | {
                "loss": loss,
                "spread": spread(
                    [mean(list(column)) for column in zip(*(row["losses"] for row in own), strict=True)]
                ),
                "saved": saved,
                "saved_per_key": saved / earlier if earlier else None,
                "right": sum(row["right"] for row in own),
                "lines": sum(row["lines"] for row in own),
                "pairs": mean([row["pairs"] / row["steps"] for row in own]),
                "multiplications": mean([row["multiplications"] / row["steps"] for row in own]),
                "seconds": mean([row["seconds"] for row in own]),
            }
        )
    return made


def _picture(kind: tables.Kind, block: int) -> Json:
    """Where each position stands, and through how many layers the last one sees it: none if it never does."""
    places = [[round(x, 4), round(y, 4)] for x, y in tables.places(kind.name, block)]
    table = kind.table(block, 0)
    return {"table": kind.name, "block": block, "places": places, "hops": tables.hops(table)[-1]}


def _compare(
    plan: Plan, losses: dict[tuple[str, str, int, int, str], list[float]], base: str, regime: str, other: str
) -> Iterable[Json]:
    """How much lower (below zero) or higher the lattice's loss is, over all cells and over parts of them.

    Paired: for each seed the mean over the cells of the difference. The interval is over the seeds.
    """

    def of(table: str, cell: Cell) -> list[float]:
        place = (cell.dataset, cell.block, cell.layers, table)
        return losses[(regime, *place)] if (regime, *place) in losses else losses[(STEPS, *place)]

    cells = plan.cells()
    apart = {cell: [a - b for a, b in zip(of(base, cell), of(other, cell), strict=True)] for cell in cells}
    verdicts = {cell: Paired.of(found).verdict for cell, found in apart.items()}
    parts: list[tuple[str, Any, list[Cell]]] = [("all", "", cells)]
    for part, values in (("block", plan.blocks), ("layers", plan.layers), ("dataset", plan.datasets)):
        parts += [(part, value, [cell for cell in cells if getattr(cell, part) == value]) for value in values]
    for part, value, chosen in (one for one in parts if one[2]):
        found = Paired.of([mean(column) for column in zip(*(apart[cell] for cell in chosen), strict=True)])
        counted = [verdicts[cell] for cell in chosen]
        yield (
            {"base": base, "regime": regime, "other": other, "part": part, "value": value}
            | asdict(found)
            | {
                "cells": len(chosen),
                "lower": counted.count("lower"),
                "higher": counted.count("higher"),
            }
        )


# ---------------------------------------------------------------- kept


def file() -> Path:
    return paths.results_dir() / "science" / "hexagons.json"


def load() -> Json:
    """The figures that are kept. Raises ConformError if there are none."""
    try:
        found: Json = json.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConformError(f"{paths.shown(file())} is not there", hint="conform hexagons") from None
    return found


def text_of(found: Json) -> str:
    """One line an entry of a list, so that a changed figure is a changed line."""
    parts = []
    for key, value in found.items():
        if isinstance(value, list):
            body = ",\n".join(f"  {json.dumps(one, ensure_ascii=False)}" for one in value)
            parts.append(f"{json.dumps(key)}: [\n{body}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def save(found: Json) -> Path:
    file().parent.mkdir(parents=True, exist_ok=True)
    file().write_text(text_of(found), encoding="utf-8")
    return file()


def lasting(found: Json) -> Json:
    """The figures without times, which are others on every machine and in every hour."""
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in found["rows"]]
    return {key: value for key, value in found.items() if key not in ("times", "engine")} | {"rows": rows}
