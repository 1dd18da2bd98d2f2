"""The numbers that an output is compared with: stored for the usual runs, computed for all others.

Stored are the runs of both presets with seed 42 on the public list of 32,033 names and on the names that come
with the project: every loss, the samples, and checksums (SPEC.md, section 13) of gradients, m, v and
parameters at some steps. `store_goldens.py` writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from conformance.doubles import double_of
from conformance.messages import Reply
from harness.errors import ManifestError
from harness.judge.check.engine import Engine, Progress, sample_request, silent, train_request
from harness.judge.check.setup import SEED, Setup
from reference import microgpt
from reference.app import dataset as datasets
from reference.app.dataset import Dataset
from reference.app.refusal import Refusal

LABELS = {  # by hash: datasets that have a name
    "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d": "the public list of 32,033 names",
    "6bc520fdbc90016ee5d9c425e37dd34b3f6240f23589aae8d33f1a8e8712cc71": "the project's own 7,347 names",
}
FOLDER = Path(__file__).parent / "data"
KINDS = ("gradients", "m", "v", "parameters")
Tensors = dict[str, list[list[float]]]


@dataclass
class Step:
    """What a training reply says of one step: `tensors` only where they were asked for."""

    loss: float
    checksums: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, Tensors] = field(default_factory=dict)


@dataclass(frozen=True)
class Golden:
    """The losses of a run from step 0 on, its samples (None if they were not computed), and whose they
    are.
    """

    losses: tuple[float, ...]
    samples: tuple[str, ...] | None
    source: str
    checksums: dict[int, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidates:
    """The runs that an output may be of, and what computes them: `engine` starts when one is not stored, and
    `progress` hears of its steps.
    """

    setups: Sequence[Setup]
    engine: Callable[[], Engine]
    progress: Progress = silent


@dataclass(frozen=True)
class Stored:
    """A run whose results come with the project."""

    preset: str
    dataset: Dataset  # without its lines
    vocabulary: str
    parameters: int
    golden: Golden


@cache
def stored() -> tuple[Stored, ...]:
    """All of them, in the order in which an unknown log is tried with them."""
    found = [_read(path) for path in sorted(FOLDER.glob("golden-*.json"))]
    return tuple(sorted(found, key=lambda one: (one.preset, -one.dataset.documents)))


def _read(path: Path) -> Stored:
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    about = kept["dataset"]
    golden = Golden(
        tuple(map(double_of, kept["losses"].split(" "))),
        tuple(kept["samples"]),
        "stored",
        {int(step): sums for step, sums in kept["checksums"].items()},
    )
    dataset = Dataset(
        LABELS.get(about["sha256"], about["name"]),
        about["sha256"],
        about["documents"],
        about["characters"],
        (),
    )
    return Stored(kept["preset"], dataset, kept["vocabulary"], kept["parameters"], golden)


def find(preset: str, sha256: str) -> Stored | None:
    return next((one for one in stored() if one.preset == preset and one.dataset.sha256 == sha256), None)


def of_garden() -> Dataset:
    """The names that come with the project."""
    return read_dataset(datasets.GARDEN)


def read_dataset(path: Path) -> Dataset:
    """A dataset from its file; one that is known has its name. Raises ManifestError."""
    try:
        found = datasets.read_file(path)
    except Refusal as problem:
        raise ManifestError(str(problem)) from None
    return replace(found, name=LABELS.get(found.sha256, found.name))


def golden(setup: Setup, engine: Engine | None, samples: bool = True, progress: Progress = silent) -> Golden:
    """The losses and samples of a run: stored, or computed by `engine` if it is given.

    Raises ManifestError if they would have to be computed and cannot be.
    """
    kept = find(setup.name, setup.dataset.sha256) if setup.is_stock else None
    if kept is not None:
        return kept.golden
    if engine is None:
        raise ManifestError(f"the results of {setup.words} are not stored")
    run = setup.begin()
    last = setup.steps - 1
    steps = train(engine, run, setup.steps, [last] if samples else [], progress)
    drawn = sample(engine, run, steps[last].tensors["parameters"]) if samples else None
    return Golden(tuple(step.loss for step in steps), drawn, engine.name)


def train(
    engine: Engine, run: microgpt.Run, count: int, full: Sequence[int] = (), progress: Progress = silent
) -> list[Step]:
    """The first `count` steps of a run."""
    return steps_of(engine.ask(train_request(run, count, full), progress))


def sample(engine: Engine, run: microgpt.Run, parameters: Tensors) -> tuple[str, ...]:
    """The samples of a run with these final parameters; the generator is where the parameters left it."""
    reply = engine.ask(sample_request(run, parameters, run.generator))
    texts: list[list[int]] = []
    for text in reply.lines:
        key, _, rest = text.partition(" ")
        if key == "sample":
            texts.append([])
        elif key == "token" and int(rest) != run.tokenizer.bos:
            texts[-1].append(int(rest))
    return tuple(map(run.tokenizer.decode, texts))


def steps_of(reply: Reply) -> list[Step]:
    """A reply to `train`, step by step. Raises ManifestError for an error reply."""
    if not reply.ok:
        raise ManifestError(f"this run cannot be computed: {reply.reason}")
    steps: list[Step] = []
    rows: list[list[float]] = []
    for text in reply.lines:
        key, _, rest = text.partition(" ")
        if key == "row":
            rows.append([double_of(word) for word in rest.split(" ")])
        elif key == "tensor":
            rows = []
            kind, _, name = rest.partition(" ")[0].partition(".")
            steps[-1].tensors.setdefault(kind, {})[name] = rows
        elif key == "loss":
            steps.append(Step(double_of(rest)))
        elif key in KINDS:
            steps[-1].checksums[key] = rest
    return steps


def flat(tensors: Tensors) -> list[float]:
    return [x for rows in tensors.values() for row in rows for x in row]


def usual(names: Iterable[str] = microgpt.PRESETS) -> list[Setup]:
    """The stored runs as setups."""
    return [
        Setup(one.preset, microgpt.PRESETS[one.preset], one.dataset, SEED)
        for one in stored()
        if one.preset in names
    ]
