"""Which trials there are. Each is one dictionary key and one line of the store, and stands for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

from reference.app.engine import Engine
from science.seed_quality import sets, trial
from science.seed_quality.spoiling import CLEAN, Spoiling, all_spoilings
from science.seed_quality.trial import Json, Size

GPT = "GPT"
ORDERS = (3, 6)
RIVALS = tuple(f"{order}-gram" for order in ORDERS)
LEARNERS = (GPT, *RIVALS)
USUAL = Size()
STOCK = Size(block=16)
"""The preset as it comes, which cuts longer lines."""
LONGER = Size(rounds=4)
WIDER = Size(embedding=32, rounds=4)
WIDEST = (Size(embedding=64, rounds=4), Size(embedding=64, rounds=8))
DEEPER = (Size(layers=2, embedding=64, rounds=4), Size(layers=2, embedding=64, rounds=8))


@dataclass(frozen=True)
class Trial:
    """A set, how it is spoiled, who learns from it and with which seed."""

    set: str
    spoiling: Spoiling
    seed: int
    learner: str
    size: Size = USUAL

    def run(self, plan: Plan, engine: Engine) -> Json:
        """The figures. They depend on nothing but the trial and the plan's steps and samples."""
        corpus = trial.Corpus(sets.load(self.set), self.spoiling, self.seed)
        if self.learner == GPT:
            return trial.of_gpt(corpus, self.size, plan.steps, plan.samples, engine)
        return trial.of_ngram(corpus, ORDERS[RIVALS.index(self.learner)], plan.samples)

    def key(self) -> Json:
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """What is tried. `sizes`: the sets that the usual size does not learn in these steps, and what may."""

    sets: tuple[str, ...]
    spoilings: tuple[Spoiling, ...]
    seeds: tuple[int, ...]
    steps: int
    samples: int
    sizes: Mapping[str, tuple[Size, ...]]

    def trials(self) -> Iterator[Trial]:
        for name in self.sets:
            for spoiling in self.spoilings:
                for seed in self.seeds:
                    yield from (Trial(name, spoiling, seed, learner) for learner in LEARNERS)
        for name, sizes in self.sizes.items():
            for size in sizes:
                yield from (Trial(name, CLEAN, seed, GPT, size) for seed in self.seeds)

    def starting_at(self, seed: int) -> Plan:
        return replace(self, seeds=tuple(range(seed, seed + len(self.seeds))))


WHOLE = Plan(
    sets=sets.NAMES,
    spoilings=tuple(all_spoilings()),
    seeds=(42, 43, 44),
    steps=4000,
    samples=500,
    sizes={
        "roman": (STOCK, USUAL, LONGER),
        "sums": (USUAL, LONGER, WIDER, *WIDEST),
        "chords": (STOCK, USUAL, WIDEST[0], *DEEPER),
    },
)
QUICK = Plan(
    sets=("hexcolors", "sums"),
    spoilings=(CLEAN, Spoiling("swapped", 0.5), Spoiling("mixed", 0.25), Spoiling("sorted", 1.0)),
    seeds=(42, 43, 44),
    steps=200,
    samples=50,
    sizes={"sums": (Size(embedding=32, rounds=2),)},
)
