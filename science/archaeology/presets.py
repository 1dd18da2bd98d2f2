"""What each difference of the two presets does to the loss: one is switched at a time, from both ends.

Paired: a seed shuffles and draws the same for both sides of a difference (but for the block, which changes
how many numbers are drawn). The runs are asked of the fastest engine at hand, whose bits are the reference's,
and the intervals are bootstrapped over all resamples of the seeds, which takes no random numbers: every
figure comes out the same again, to the last bit.

A loss is the mean over the positions of a document that the block has room for. So with another block it is
another quantity: that difference says what is measured, not which model is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.doubles import double_of
from conformance.messages import Reply
from harness.errors import ConformError
from harness.judge.check import goldens
from harness.judge.check.engine import FASTEST, Engine, fastest, train_request
from harness.judge.check.setup import Setup, override
from reference import microgpt
from science.statistics import claim, interval, mean

SEEDS = (42, 43, 44, 45, 46)
STEPS, END = 500, 100
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
        return override(self.start, {name: other[name] for name in chosen} | {"steps": STEPS})


def values_of(name: str) -> Json:
    """The numbers of a preset that the switches speak of."""
    preset = microgpt.PRESETS[name]
    flat = {**vars(preset), **vars(preset.config), **vars(preset.optimizer)}
    return {key: flat[key] for keys in SWITCHES.values() for key in keys}


def losses_of(reply: Reply) -> list[float]:
    return [double_of(line.split()[1]) for line in reply.lines if line.startswith("loss ")]


def run(engine: Engine, preset: microgpt.Preset, seed: int, steps: int = STEPS) -> Reply:
    """Ask for a training on the names of the garden, from the start. Raises ConformError if it is refused."""
    begun = Setup("classic", preset, goldens.of_garden(), seed).begin()
    reply = engine.ask(train_request(begun, steps))
    if not reply.ok:
        raise ConformError(f"{engine.name} refuses to train: {reply.reason}")
    return reply


def confirm(engine: Engine) -> None:
    """Hold the first steps of both presets against the reference, with every checksum.

    Raises ConformError where the engine differs.
    """
    for name in ENDS:
        preset = Trial(name).preset
        got, expected = (run(one, preset, SEEDS[0], CONFIRMED) for one in (engine, Engine("reference")))
        if got.lines != expected.lines:
            raise ConformError(
                f"{engine.name} does not train {name} as the reference does: its figures would mean nothing",
                hint=f"conform run {engine.name}",
            )


def measure(told: Callable[[str], None]) -> Json:
    """The loss at the end of every trial and seed, and the paired differences with their intervals."""
    with fastest(("c-fast", *FASTEST)) as engine:
        told(f"confirming {engine.name} by the reference")
        confirm(engine)
        ends: dict[Trial, list[float]] = {}
        for trial in trials():
            told(f"training {trial.start}, switched: {trial.switched or 'nothing'}")
            ends[trial] = [end_of(losses_of(run(engine, trial.preset, seed))) for seed in SEEDS]
    rows = []
    for trial, values in ends.items():
        differences = [a - b for a, b in zip(values, ends[Trial(trial.start)], strict=True)]
        low, high = interval(differences)
        row = {
            "start": trial.start,
            "switched": trial.switched,
            "losses": values,
            "mean": mean(values),
            "difference": mean(differences),
            "low": low,
            "high": high,
            "above": sum(one > 0 for one in differences),
        }
        rows.append(row | {"verdict": verdict(row)})
    return {
        "seeds": list(SEEDS),
        "steps": STEPS,
        "end": END,
        "confirmed": CONFIRMED,
        "values": {name: values_of(name) for name in ENDS},
        "switches": {name: list(keys) for name, keys in SWITCHES.items()},
        "trials": rows,
    }


def trials() -> Iterator[Trial]:
    for start in ENDS:
        yield from (Trial(start, switched) for switched in ("", *SWITCHES, "all"))


def end_of(losses: list[float]) -> float:
    """The mean loss of the last steps."""
    return mean(losses[-END:])


def verdict(row: Json) -> str:
    """What may be said of a trial."""
    return claim(row["low"], row["high"], row["above"], len(row["losses"]))
