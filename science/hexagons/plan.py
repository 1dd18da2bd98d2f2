"""Which trainings there are: every table in every cell with every seed, at equal steps and at equal work."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

from science.hexagons import tables, training
from science.hexagons.training import Cell, Trial

STEPS = "equal steps"
PAIRS = "equal attention work"
PRODUCTS = "equal multiplications"
REGIMES = (STEPS, PAIRS, PRODUCTS)
NEARLY = 0.05
"""A table whose work at equal steps is within so much of the hexagonal rows' is not trained again."""


@dataclass(frozen=True)
class Plan:
    """steps: of the hexagonal rows, by block. confirmed: of the first steps of some, by the reference too.

    missing: cells that are left out.
    """

    datasets: tuple[str, ...]
    steps: Mapping[int, int]
    layers: tuple[int, ...]
    seeds: tuple[int, ...]
    confirmed: int
    missing: tuple[Cell, ...] = ()

    def cells(self) -> list[Cell]:
        found = (
            Cell(dataset, block, layers)
            for block in self.steps
            for dataset in self.datasets
            for layers in self.layers
        )
        return [cell for cell in found if cell not in self.missing]

    @property
    def blocks(self) -> list[int]:
        """Those of the cells that are not left out."""
        return sorted({cell.block for cell in self.cells()})

    def finished(self, done: Container[str]) -> Plan:
        """Without the cells of which a training is not done yet; `done` has keys of trials."""
        missing = [cell for cell in self.cells() if any(one.key not in done for one in self.trials_of(cell))]
        return replace(self, missing=(*self.missing, *missing))

    def trial(self, regime: str, cell: Cell, table: str, seed: int) -> Trial:
        """The training that stands for a table in this regime."""
        equal = Trial(cell, table, seed, self.steps[cell.block])
        if regime == STEPS or table in (tables.BASE, tables.FLOOR):
            return equal
        base = Trial(cell, tables.BASE, seed, equal.steps)
        budget, own = _spent(base, regime), _spent(equal, regime)
        if abs(own / budget - 1) <= NEARLY:
            return equal
        return Trial(cell, table, seed, _affordable(equal, regime, budget))

    def trials_of(self, cell: Cell) -> list[Trial]:
        """Each once, those of a seed together."""
        found = {
            self.trial(regime, cell, kind.name, seed): None
            for seed in self.seeds
            for kind in tables.KINDS
            for regime in REGIMES
        }
        return list(found)

    def trials(self) -> list[Trial]:
        return [trial for cell in self.cells() for trial in self.trials_of(cell)]

    def confirmations(self) -> Iterator[Trial]:
        """One of every table in the smallest cells, datasets taking turns, and a larger one of the rows."""
        block, layers = self.blocks[0], min(self.layers)
        for number, kind in enumerate(tables.KINDS):
            dataset = self.datasets[number % len(self.datasets)]
            yield self.trial(STEPS, Cell(dataset, block, layers), kind.name, self.seeds[0])
        for block, layers in zip(self.blocks[1:2], sorted(self.layers)[1:2], strict=False):
            yield self.trial(STEPS, Cell(self.datasets[0], block, layers), tables.BASE, self.seeds[0])


FULL = Plan(
    ("parens", "smiles", "mime", "commits"), {16: 1000, 64: 600, 128: 150}, (1, 2, 4), (42, 43, 44, 45, 46), 2
)
QUICK = Plan(("parens", "mime"), {16: 12}, (1,), (42, 43), 1)


@cache
def _spent(trial: Trial, regime: str) -> int:
    return sum(one[REGIMES.index(regime) - 1] for one in training.work(trial))


def _affordable(trial: Trial, regime: str, budget: int) -> int:
    """The steps until the budget is spent."""
    column = REGIMES.index(regime) - 1
    longer = Trial(trial.cell, trial.table, trial.seed, 8 * trial.steps)
    for step, spent in enumerate(accumulate(one[column] for one in training.work(longer)), 1):
        if spent >= budget:
            return step
    return longer.steps
