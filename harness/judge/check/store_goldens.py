"""Write the stored goldens: python -m harness.judge.check.store_goldens [DATASET ...]

The reference computes every run in its exact mode (some minutes each), and two ports must agree with it: in
the `train` protocol on every loss and every checksum, in `run` on every printed line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from conformance.messages import Request
from harness.files import write_whole
from harness.judge.check import goldens
from harness.judge.check.engine import Engine, fastest
from harness.judge.check.setup import Setup
from reference import microgpt
from reference.app import dataset as datasets
from reference.app.dataset import Dataset
from reference.protocol.replies import words_line
from reference.protocol.wire import checksum, hexadecimal

CONFIRMING = ("c", "javascript")
KEPT = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)  # steps, from 1, whose checksums are kept


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or [datasets.GARDEN]
    for path in paths:
        for name in microgpt.PRESETS:
            write(name, datasets.read_file(path))


def write(name: str, data: Dataset) -> None:
    setup = Setup(name, microgpt.PRESETS[name], data)
    run = setup.begin()
    training, steps = run.training, []
    parameters = len(microgpt.flatten(training.parameters))
    while training.step < setup.steps:
        document = run.documents[training.step % len(run.documents)]
        loss, gradients = training.advance(run.tokenizer.encode(document))
        numbers = [value.data for value in microgpt.flatten(training.parameters)]
        lists = {"gradients": gradients, "m": training.m, "v": training.v, "parameters": numbers}
        steps.append(goldens.Step(loss, {kind: checksum(values) for kind, values in lists.items()}))
    samples = [run.sample() for _ in range(run.preset.samples)]
    for port in CONFIRMING:
        with fastest([port]) as engine:
            confirm(setup, steps, samples, engine, port)
    kept = {
        "preset": name,
        "dataset": {
            "name": data.name,
            "sha256": data.sha256,
            "documents": data.documents,
            "characters": data.characters,
        },
        "vocabulary": "".join(run.tokenizer.characters),
        "parameters": parameters,
        "confirmed by": CONFIRMING,
        "losses": " ".join(hexadecimal(step.loss) for step in steps),
        "samples": samples,
        "checksums": {number: steps[number - 1].checksums for number in KEPT if number <= len(steps)},
    }
    target = goldens.FOLDER / f"golden-{name}-{data.documents}.json"
    write_whole(target, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    print(f"{target.name}: computed by the reference, confirmed by {' and '.join(CONFIRMING)}", flush=True)


def confirm(setup: Setup, steps: list[goldens.Step], samples: list[str], engine: Engine, port: str) -> None:
    """Exits with a sentence if the port is not at hand or comes to other numbers."""
    if engine.name != port:
        sys.exit(f"the port {port} cannot be started here, and it has to confirm the reference's numbers")
    if goldens.train(engine, setup.begin(), setup.steps) != steps:
        sys.exit(f"{port} does not agree with the reference about the training of {setup.words}")
    lines = (
        *("math exact", f"preset {setup.name}", f"steps {setup.steps}", f"samples {setup.preset.samples}"),
        *(words_line("line", map(ord, document)) for document in setup.dataset.lines),
    )
    reply = engine.ask(Request("run", "check", lines))
    printed = [
        "".join(map(chr, map(int, row.split(" ")[1:]))) for row in reply.lines if row.startswith("print ")
    ]
    wanted = [f"sample {number:2d}: {text}" for number, text in enumerate(samples, start=1)]
    if printed[-len(wanted) :] != wanted:
        sys.exit(f"{port} does not agree with the reference about the samples of {setup.words}")


if __name__ == "__main__":
    main()
