"""What each difference of the two presets does to loss and samples: switched one at a time, from both ends.

Paired: a seed shuffles and draws the same for both sides of a difference (but for the block, which changes
how many numbers are drawn). The runs are asked of the fastest engine at hand, whose bits are the reference's,
and the intervals are bootstrapped over all resamples of the seeds, which takes no random numbers: every
figure comes out the same again, to the last bit.

A loss is the mean over the positions of a document that the block has room for. So with another block it is
another quantity: that difference says what is measured, not which model is better. Samples end with the
block, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from conformance.messages import Reply, Request
from harness.errors import ConformError
from harness.judge.check import goldens
from harness.judge.check.engine import Engine, fastest, train_request
from harness.judge.check.setup import Setup, override
from reference import microgpt
from science.statistics import Paired, mean

SEEDS = (42, 43, 44, 45, 46)
STEPS, END = 500, 100
SAMPLES, SHOWN = 200, 8  # drawn of every run at the presets' temperature; kept of the first seed's
OF_SAMPLES = ("new", "different", "length")
"""Of a run's samples: the share that is no name of the training, that of different texts, mean length."""
CONFIRMED = 10  # steps of each end's first run that the reference computes too
ENDS = ("classic", "seed")
SWITCHES: Mapping[str, tuple[str, ...]] = {
    "activation": ("activation",),
    "initial sigma": ("sigma",),
    "sigma of output projections": ("output_sigma",),
    "schedule": ("schedule",),
    "betas": ("beta1", "beta2"),
    "block": ("block",),
}
"""The differences of the presets, each with the numbers that are switched together."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """The preset `start` with one difference, or with `all` or none of them, taken from the other one."""

    start: str
    switched: str = ""

    @property
    def preset(self) -> microgpt.Preset:
        """With the same number of steps for both, along which the schedule falls."""
        other = values_of(next(name for name in ENDS if name != self.start))
        chosen = sum(SWITCHES.values(), ()) if self.switched == "all" else SWITCHES.get(self.switched, ())
        return override(
            self.start, {name: other[name] for name in chosen} | {"steps": STEPS, "samples": SAMPLES}
        )


def values_of(name: str) -> Json:
    """The numbers of a preset that the switches speak of."""
    preset = microgpt.PRESETS[name]
    flat = {**vars(preset), **vars(preset.config), **vars(preset.optimizer)}
    return {key: flat[key] for keys in SWITCHES.values() for key in keys}


@dataclass(frozen=True)
class Harvest:
    """One run: the loss of every step, and its samples."""

    losses: tuple[float, ...]
    samples: tuple[str, ...]


def begin(preset: microgpt.Preset, seed: int) -> microgpt.Run:
    """A run on the names of the garden, before its first step."""
    return Setup("classic", preset, goldens.of_garden(), seed).begin()


def run(engine: Engine, preset: microgpt.Preset, seed: int) -> Harvest:
    """Train, then draw the preset's samples. Raises ConformError if either is refused."""
    begun = begin(preset, seed)
    steps = goldens.train(engine, begun, STEPS, [STEPS - 1])
    samples = goldens.sample(engine, begun, steps[-1].tensors["parameters"])
    return Harvest(tuple(step.loss for step in steps), samples)


def of_samples(samples: Sequence[str]) -> dict[str, float]:
    """The figures of OF_SAMPLES."""
    names = set(microgpt.documents_of(goldens.of_garden().lines))
    values = (
        sum(text not in names for text in samples) / len(samples),
        len(set(samples)) / len(samples),
        sum(map(len, samples)) / len(samples),
    )
    return dict(zip(OF_SAMPLES, values, strict=True))


def confirm(engine: Engine) -> None:
    """Hold the first steps of both presets against the reference, with every checksum.

    Raises ConformError where the engine differs.
    """
    for name in ENDS:
        request = train_request(begin(Trial(name).preset, SEEDS[0]), CONFIRMED)
        got, expected = (answer(one, request) for one in (engine, Engine("reference")))
        if got.lines != expected.lines:
            raise ConformError(
                f"{engine.name} does not train {name} as the reference does: its figures would mean nothing",
                hint=f"conform run {engine.name}",
            )


def answer(engine: Engine, request: Request) -> Reply:
    reply = engine.ask(request)
    if not reply.ok:
        raise ConformError(f"{engine.name} refuses to train: {reply.reason}")
    return reply


def measure(told: Callable[[str], None]) -> Json:
    """Loss at the end and samples of every trial and seed, and the paired differences."""
    with fastest() as engine:
        told(f"confirming {engine.name} by the reference")
        confirm(engine)
        found: dict[Trial, list[Harvest]] = {}
        for trial in trials():
            told(f"training {trial.start}, switched: {trial.switched or 'nothing'}")
            found[trial] = [run(engine, trial.preset, seed) for seed in SEEDS]
    return {
        "seeds": list(SEEDS),
        "steps": STEPS,
        "end": END,
        "drawn": SAMPLES,
        "confirmed": CONFIRMED,
        "values": {name: values_of(name) for name in ENDS},
        "switches": {name: list(keys) for name, keys in SWITCHES.items()},
        "trials": [row(trial, harvests, found[Trial(trial.start)]) for trial, harvests in found.items()],
    }


def row(trial: Trial, harvests: Sequence[Harvest], plain: Sequence[Harvest]) -> Json:
    """A trial's figures, and how they differ, seed by seed, from `plain`: the same end, nothing switched."""
    losses = [end_of(one.losses) for one in harvests]
    mine, others = ([of_samples(one.samples) for one in runs] for runs in (harvests, plain))
    return {
        "start": trial.start,
        "switched": trial.switched,
        "losses": losses,
        **compared(losses, [end_of(one.losses) for one in plain]),
        "samples": list(harvests[0].samples[:SHOWN]),
        "of_samples": {
            name: compared([one[name] for one in mine], [one[name] for one in others]) for name in OF_SAMPLES
        },
    }


def compared(values: Sequence[float], plain: Sequence[float]) -> Json:
    """The mean of `values`, and their differences from `plain`, paired: mean, interval, and what to claim."""
    paired = asdict(Paired.of([a - b for a, b in zip(values, plain, strict=True)]))
    return {"mean": mean(values), "difference": paired.pop("mean"), **paired}


def trials() -> Iterator[Trial]:
    for start in ENDS:
        yield from (Trial(start, switched) for switched in ("", *SWITCHES, "all"))


def end_of(losses: Sequence[float]) -> float:
    """The mean loss of the last steps."""
    return mean(losses[-END:])
