"""Write what mutants print on the usual runs: python -m harness.measure.chances.replays [DATASET ...]

The engine runs the mistakes that it has a switch for, all steps of them; the mutated reference the rest of
the catalogue, a few steps. Of a mutant whose losses are right, its samples are kept if they are other ones.
Writes harness/explain/mutants/replays/<preset>-<documents>.json.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from harness.explain.mutants import hunt, replays
from harness.explain.mutants.catalogue import MUTANTS
from harness.explain.mutants.printed import LEARNING
from harness.explain.mutants.replays import FOLDER, Replay
from harness.files import write_whole
from harness.judge.check import goldens
from harness.judge.check.engine import fastest
from harness.judge.check.setup import Setup
from harness.measure.chances import engine
from harness.measure.chances.mistakes import mistakes
from reference import microgpt
from reference.app import dataset as datasets

FULL = 30  # first losses that are kept of what the engine runs; after that, those that print other digits
LATE = 10  # how many of those
TINY = 1e-9  # what the engine may be off
DRAWN_OTHERWISE = (  # mistakes whose first numbers the engine cannot draw from the reference's stream
    *("uniform-parameters", "documents-not-shuffled", "one-document", "temperature-unused", "greedy"),
)
BEGINNINGS = ("tokenizer", "random numbers", "a whole run")
"""Areas of mistakes that only change what a run begins with: the engine trains from there."""
SAMPLING = ("sampling-starts-the-stream-again", "temperature-of-one")


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or [datasets.GARDEN]
    for name in microgpt.PRESETS:
        for path in paths:
            print(write(Setup(name, microgpt.PRESETS[name], datasets.read_file(path))), flush=True)


def write(setup: Setup) -> Path:
    with fastest() as exact:
        run = setup.begin()
        steps = goldens.train(exact, run, setup.steps, [setup.steps - 1])
        parameters = goldens.flat(steps[-1].tensors["parameters"])
        drawn = goldens.sample(exact, run, steps[-1].tensors["parameters"])
    right = [step.loss for step in steps]
    rows: dict[str, Replay] = dict(by_engine(setup, right))
    covered = {mistake.mutant for mistake in mistakes(setup.name) if mistake.name in rows}
    names = [
        mutant.name
        for mutant in MUTANTS
        if not mutant.rounding and mutant.area in (*LEARNING, "sampling") and mutant.name not in covered
    ]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for name, row in zip(
            names, pool.map(partial(by_mutant, setup, right, drawn, parameters), names), strict=True
        ):
            if row:
                rows[name] = {"what": hunt.find(name).what, **row}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    return write_whole(FOLDER / f"{setup.name}-{setup.dataset.documents}.json", f"{{\n{lines}\n}}\n")


def by_engine(setup: Setup, right: Sequence[float]) -> Iterator[tuple[str, Replay]]:
    """The mistakes that leave the reference's random numbers as they are, all steps of them."""
    run = setup.begin()
    characters = run.tokenizer.characters
    documents = engine.encoded(run.documents[: setup.steps], characters)
    flat = [
        (name, value.data) for name, rows in run.training.parameters.items() for row in rows for value in row
    ]
    for mistake in mistakes(setup.name):
        if mistake.name in DRAWN_OTHERWISE:
            continue
        chosen = engine.settings(setup.preset, **mistake.changes)
        scales = (
            chosen.sigma / setup.preset.sigma,
            chosen.output_sigma / (setup.preset.output_sigma or math.inf),
        )
        if setup.preset.output_sigma == 0.0 and chosen.output_sigma:
            continue
        start = [x * scales[name.endswith(("attn_wo", "mlp_fc2"))] for name, x in flat]
        with engine.Model(setup.name, chosen, len(characters) + 1, start, "double") as model:
            losses = [model.train_step(documents[i % len(documents)]) for i in range(setup.steps)]
        shown, mean = [], losses[0]
        for loss in losses:
            mean = chosen.average * mean + (1 - chosen.average) * loss
            shown.append(mean)
        late = [step for step in range(FULL, len(right)) if f"{shown[step]:.4f}" != f"{right[step]:.4f}"][
            :LATE
        ]
        kept = {
            step: float(f"{shown[step]:.10g}") for step in (*range(FULL), *late) if math.isfinite(shown[step])
        }
        yield mistake.name, {"what": mistake.what, "losses": kept}


def by_mutant(
    setup: Setup, right: Sequence[float], drawn: Sequence[str], parameters: Sequence[float], name: str
) -> Replay:
    """In a process of its own: what the mutant `name` does; empty if it does as the reference."""
    area = hunt.find(name).area
    try:
        losses = list(right[:1])
        if area in BEGINNINGS:
            losses = from_beginning(setup, name)
        elif area in LEARNING:
            losses = replays.first_losses(name, setup)
        if not is_right(losses, right):
            return {"losses": {step: float(f"{loss:.10g}") for step, loss in enumerate(losses)}}
        if area == "sampling" or name in SAMPLING or name.startswith("choices-"):
            texts = replays.samples(name, setup, parameters)
            return {"samples": texts} if texts != list(drawn) else {}
    except Exception:  # whatever it is, such a program prints nothing
        pass
    return {}


def is_right(losses: Sequence[float], right: Sequence[float]) -> bool:
    return bool(losses) and all(abs(a - b) <= TINY * abs(b) for a, b in zip(losses, right, strict=False))


def from_beginning(setup: Setup, name: str) -> list[float]:
    """The first losses of a mutant: of the engine, if its first two are right from there."""
    firsts = replays.first_losses(name, setup, 2)
    run = replays.run_of(name, setup)
    tokenizer, used = run.tokenizer, [run.documents[i % len(run.documents)] for i in range(FULL)]
    start = [v.data for rows in run.training.parameters.values() for row in rows for v in row]
    chosen = engine.settings(setup.preset)
    with engine.Model(setup.name, chosen, tokenizer.vocabulary, start, "double") as model:
        losses = [model.train_step(document) for document in engine.encoded(used, tokenizer.characters)]
    return losses if is_right(firsts, losses) else replays.first_losses(name, setup)


if __name__ == "__main__":
    main()
