"""What each mutant prints on the usual runs: its first losses and, if those are right, its samples.

Precomputed, so that a printed log is diagnosed in a second: `python -m harness.mutants.replays [DATASET ...]`
writes `replays/<preset>-<documents>.json`. What a mutant does on any other run, `first_losses` computes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness.check import goldens
from harness.check.engine import fastest
from harness.check.setup import Setup
from harness.files import write_whole
from harness.mutants import hunt
from harness.mutants.catalogue import MUTANTS
from harness.mutants.mutant import EditFails, load_modules
from reference import dataset as datasets
from reference import microgpt

STEPS = 30
BARELY = 4  # steps for what only moves results by rounding, and those after which the rest is taken to be right
SECONDS = 60.0  # a mutant that is slower gets fewer steps
FOLDER = Path(__file__).parent / "replays"
Replay = dict[str, Any]
"""`losses`: the first ones, as float.hex has them; `samples`, where the losses are those of the reference."""


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
    """The mutant's own `Run`."""
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


def replay(setup: Setup, right: Sequence[float], drawn: Sequence[str], parameters: Sequence[float], name: str) -> Replay:
    """In a process of its own: what the mutant `name` does; empty if it does as the reference."""
    late = hunt.find(name).area in ("Adam and schedule", "a whole run", "arithmetic", "autograd")
    try:
        losses = first_losses(name, setup, STEPS if late and not hunt.find(name).rounding else BARELY)
        if losses != list(right[: len(losses)]) or not losses:
            if len(losses) == BARELY and not hunt.find(name).rounding:
                losses = first_losses(name, setup)
            return {"losses": [loss.hex() for loss in losses]}
        texts = samples(name, setup, parameters)
    except (EditFails, SyntaxError):
        return {}
    return {"losses": [], "samples": texts} if texts != list(drawn) else {}


def write(setup: Setup) -> Path:
    """Replay all mutants on a stored run."""
    with fastest() as engine:
        run = setup.begin()
        steps = goldens.train(engine, run, setup.steps, [setup.steps - 1])
        parameters = goldens.flat(steps[-1].tensors["parameters"])
        drawn = goldens.sample(engine, run, steps[-1].tensors["parameters"])
    right = [step.loss for step in steps]
    names = [mutant.name for mutant in MUTANTS]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(replay, setup, right, drawn, parameters), names))
    rows = {name: one for name, one in zip(names, found, strict=True) if one}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in rows.items())
    return write_whole(FOLDER / f"{setup.name}-{setup.dataset.documents}.json", f"{{\n{lines}\n}}\n")


@cache
def stored(preset: str, documents: int) -> dict[str, Replay]:
    """What is kept of a stored run, by mutant; nothing if there is no such file."""
    try:
        kept: dict[str, Replay] = json.loads((FOLDER / f"{preset}-{documents}.json").read_text())
    except OSError:
        return {}
    return kept


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or [datasets.GARDEN]
    for path in paths:
        for name in microgpt.PRESETS:
            print(write(Setup(name, microgpt.PRESETS[name], datasets.read_file(path))), flush=True)


if __name__ == "__main__":
    main()
