"""Measure how far right programs may be off that compute in float64 or float32, with any library and any
order of
sums: python -m harness.measure.chances.bounds

As for ports (SPEC.md, section 14) a bound is 16 times a measured spread: the greatest distance from the
reference, relative to the greatest value of its matrix, over RUNS trainings by an engine that sums in
another order and uses its compiler's functions, each from initial parameters that are moved by one ulp of
the width, or not. Writes harness/judge/check/data/bounds.json.
"""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Sequence
from itertools import islice

from harness.files import write_whole
from harness.judge.check import goldens
from harness.judge.check.agreement import BUCKETS, FACTOR, bucket
from harness.judge.check.engine import fastest
from harness.judge.check.setup import Setup
from harness.measure.chances import engine
from reference import microgpt

RUNS = 16
LOOKED_AT = (*range(10), 19, 49, 99, 199, 499, 999)  # steps, from 0
WIDTHS = {"float64": "double", "float32": "float"}
KINDS = {"gradients": "grad", "m": "m", "v": "v", "parameters": "parameters"}


def main() -> None:
    spread = {
        width: {kind: dict.fromkeys(BUCKETS, 0.0) for kind in ("loss", *KINDS.values())} for width in WIDTHS
    }
    for name, preset in microgpt.PRESETS.items():
        setup = Setup(name, preset, goldens.of_garden())
        looked_at = [step for step in LOOKED_AT if step < setup.steps]
        with fastest() as exact:
            golden = goldens.train(exact, setup.begin(), setup.steps, looked_at)
        for width in WIDTHS:
            for number in range(RUNS):
                measure(setup, width, random.Random(f"{name} {width} {number}"), golden, spread[width])
    kept = {
        "factor": FACTOR,
        "runs": RUNS,
        "spread": {
            width: {
                kind: {str(end): float(f"{x:.2e}") for end, x in row.items()} for kind, row in rows.items()
            }
            for width, rows in spread.items()
        },
    }
    write_whole(goldens.FOLDER / "bounds.json", json.dumps(kept, indent=1) + "\n")


def measure(
    setup: Setup,
    width: str,
    source: random.Random,
    golden: Sequence[goldens.Step],
    spread: dict[str, dict[int, float]],
) -> None:
    """Widen the spread by one training."""
    run = setup.begin()
    characters, documents = (
        run.tokenizer.characters,
        engine.encoded(run.documents[: setup.steps], run.tokenizer.characters),
    )
    start = [moved(value.data, width, source) for value in microgpt.flatten(run.training.parameters)]
    chosen = engine.settings(setup.preset)
    with engine.Model(setup.name, chosen, len(characters) + 1, start, WIDTHS[width]) as model:
        for step, wanted in enumerate(golden):
            loss, end = model.train_step(documents[step % len(documents)]), bucket(step)
            widen(spread["loss"], end, [wanted.loss], [loss])
            for kind, tensors in wanted.tensors.items():
                came = iter(model.get(kind))
                for rows in tensors.values():
                    flat = [x for row in rows for x in row]
                    widen(spread[KINDS[kind]], end, flat, list(islice(came, len(flat))))


def widen(spread: dict[int, float], end: int, wanted: Sequence[float], came: Sequence[float]) -> None:
    scale = max(map(abs, wanted))
    if scale > 0.0:
        spread[end] = max(spread[end], max(abs(a - b) for a, b in zip(wanted, came, strict=True)) / scale)


def moved(x: float, width: str, source: random.Random) -> float:
    """x, or one of its neighbours in this width."""
    way = source.choice((-1, 0, 1))
    if width == "float64":
        return math.nextafter(x, math.inf * way) if way else x
    [pattern] = struct.unpack("<i", struct.pack("<f", x))
    [neighbour] = struct.unpack("<f", struct.pack("<i", pattern + (way if pattern else 0)))
    return float(neighbour)


if __name__ == "__main__":
    main()
