"""What each mutant prints on the usual runs: its first losses and, if those are right, its samples.

Precomputed (by `python -m harness.measure.chances.replays`), so that a printed log is diagnosed in a
second. What a mutant does on any other run, `first_losses` computes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.explain.mutants import hunt
from harness.explain.mutants.mutant import load_modules
from harness.judge.check.setup import Setup
from reference import microgpt

STEPS = 4
SECONDS = 60.0  # a mutant that is slower gets fewer steps
FOLDER = Path(__file__).parent / "replays"
Replay = dict[str, Any]
"""`what` it is; `losses` by step, where the losses are other ones than the reference's; else `samples`."""


def first_losses(name: str, setup: Setup, steps: int = STEPS, seconds: float = SECONDS) -> list[float]:
    """The first losses of the mutant `name` on this run; fewer if it is slow, none if it crashes."""
    losses: list[float] = []
    deadline = time.monotonic() + seconds
    try:
        for loss in run_of(name, setup).losses():
            losses.append(loss)
            if len(losses) >= steps or time.monotonic() > deadline:
                break
    except Exception:  # whatever it is, such a program prints no more
        pass
    return losses


def run_of(name: str, setup: Setup) -> Any:
    """The mutant's own `Run`. Raises EditFails, and whatever the mutant raises."""
    mutant = load_modules(hunt.find(name).changes)["microgpt"]
    mine: Any = setup.preset
    own = mutant.PRESETS[setup.name]
    if mine != microgpt.PRESETS[setup.name]:
        config = mutant.Config(**vars(mine.config))
        optimizer = mutant.Optimizer(**vars(mine.optimizer))
        own = mutant.Preset(config, optimizer, mine.sigma, mine.output_sigma, mine.temperature, mine.samples)
    return mutant.Run(own, setup.dataset.lines, setup.seed)


def samples(name: str, setup: Setup, parameters: Sequence[float]) -> list[str]:
    """The samples of the mutant `name` after a right training, which left these parameters."""
    run = run_of(name, setup)
    values = [v for rows in run.training.parameters.values() for row in rows for v in row]
    for value, data in zip(values, parameters, strict=True):
        value.data = data
    try:
        return [run.sample() for _ in range(run.preset.samples)]
    except Exception:  # as above
        return []


@cache
def stored(preset: str, documents: int) -> dict[str, Replay]:
    """What is kept of a stored run, by mutant; nothing if there is no such file."""
    try:
        kept: dict[str, Replay] = json.loads(
            (FOLDER / f"{preset}-{documents}.json").read_text(encoding="utf-8")
        )
    except OSError:
        return {}
    return kept
