"""Measure the chances that `conform check` judges by: python -m harness.measure.chances.store [DATASET ...]

For both presets, on each dataset: right programs and mistaken ones are run from thousands of seeds, their
statistics are summed up, and the error rates of the judgement are measured on seeds that were held out. The
same seeds, the same file. Writes harness/judge/check/data/chances-<preset>-<documents>.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import isfinite, log, sqrt
from pathlib import Path
from typing import Any

from harness.files import write_whole
from harness.judge.check import chances, statistics
from harness.judge.check.statistics import Curve, Letters
from harness.measure.chances import engine
from harness.measure.chances.mistakes import mistakes
from reference import microgpt
from reference.app import dataset as datasets

FIT, HELD_OUT = 2000, 4000  # seeds of right programs
MISTAKEN, MISTAKEN_HELD_OUT = 80, 40  # seeds of each mistake
MARGIN = 1.1  # for thresholds, beyond what any seed of the fit needs
GREATEST = 1000.0  # a loss that is greater, or no number, counts as this
THREADS = 2
Losses = dict[int, float]
Log = tuple[Losses, list[str]]
FORMS: dict[
    str, Callable[[int], bool]
] = {  # which steps a log may show; the names are those of chances.form_of
    "every step": lambda step: True,
    "every tenth": lambda step: step % 10 == 0,
    "every hundredth": lambda step: step == 1 or step % 100 == 0,
    "the first steps": lambda step: step <= 30,
}


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or [datasets.GARDEN]
    for path in paths:
        documents = microgpt.documents_of(datasets.read_file(path).lines)
        for preset in microgpt.PRESETS:
            print(write(preset, documents), flush=True)


def write(preset: str, documents: Sequence[str]) -> Path:
    simulate = Simulation(preset, documents)
    right = simulate.logs(0, FIT)
    total, block = simulate.total, simulate.block
    knots = [
        round(
            sum(losses[step] for losses, _ in right for step in range(a, b + 1)) / (len(right) * (b - a + 1)),
            4,
        )
        for a, b in statistics.windows(total)
    ]
    simulate.curve = Curve(total, knots)
    fitted = simulate.fit(right)
    names = statistics.names(total)
    hypotheses: list[dict[str, Any]] = [
        {"name": "right", "what": "the program is right", **fitted["hypothesis"]}
    ]
    least = {name: x / 10 for name, x in zip(names, fitted["hypothesis"]["between"], strict=True)}
    for number, mistake in enumerate(mistakes(preset), start=1):
        found = simulate.fit(simulate.logs(number * 100_000, MISTAKEN, mistake.changes), least)
        hypotheses.append({"name": mistake.name, "what": mistake.what, **found["hypothesis"]})
    kept: dict[str, Any] = {
        "preset": preset,
        "documents": len(documents),
        "total": total,
        "block": block,
        "seeds": FIT,
        "knots": knots,
        "characters": simulate.letters.characters,
        "letters": simulate.letters.rows,
        "statistics": names,
        "hypotheses": hypotheses,
        "correlation": fitted["correlation"],
        "thresholds": dict.fromkeys(FORMS, (1.0, 0.0)),
        "rates": None,
    }
    kept["thresholds"] = thresholds(chances.table_of(kept), right, simulate.known)
    kept["rates"] = rates(chances.table_of(kept), simulate, preset)
    target = chances.FOLDER / f"chances-{preset}-{len(documents)}.json"
    return write_whole(target, text_of(kept))


def text_of(kept: dict[str, Any]) -> str:
    """JSON with one hypothesis on a line."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in kept.items() if key != "hypotheses"]
    rows = ",\n".join(map(json.dumps, kept["hypotheses"]))
    return "{" + ",\n".join([*lines, f'"hypotheses": [\n{rows}\n]']) + "}\n"


class Simulation:
    """Runs of one preset on one dataset."""

    def __init__(self, preset: str, documents: Sequence[str]) -> None:
        self.preset, whole = preset, microgpt.PRESETS[preset]
        self.total, self.block = whole.optimizer.steps, whole.config.block
        self.corpus = engine.Corpus.of(documents)
        self.characters = "".join(microgpt.Tokenizer.of(documents).characters)
        self.letters = Letters.of(documents, self.characters)
        self.known = frozenset(documents)
        self.curve: Curve | None = None

    def logs(self, first: int, count: int, changes: dict[str, float] | None = None) -> list[Log]:
        """What `count` programs print, from the seed `first` on."""
        chosen = engine.settings(microgpt.PRESETS[self.preset], **(changes or {}))

        def one(seed: int) -> Log:
            losses, texts = engine.run(self.preset, chosen, self.corpus, seed)
            shown = {
                step: round(loss, 4) if isfinite(loss) and loss < GREATEST else GREATEST
                for step, loss in enumerate(losses, start=1)
            }
            return shown, ["".join(self.characters[token] for token in text) for text in texts]

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(first, first + count)))

    def fit(self, logs: Sequence[Log], least: dict[str, float] | None = None) -> dict[str, Any]:
        """The mean, the deviation between runs and the variance within of each statistic; their correlation.

        The variance of a statistic over whole runs is that between them and that within, over its count.
        `least` are the least deviations to be taken, for a mistake, whose correlation is not used.
        """
        assert self.curve is not None
        names = statistics.names(self.total)
        seen = [self.vector(log) for log in logs]
        means = {name: _mean([one[name].value for one in seen]) for name in names}
        whole = {
            (a, b): _mean([(one[a].value - means[a]) * (one[b].value - means[b]) for one in seen])
            for i, a in enumerate(names)
            for b in names[: i + 1]
        }
        within = self.within(logs)
        counts = {name: seen[0][name].count for name in names}
        share = 1.0
        while least is None and not _is_covariance(
            names,
            whole,
            {name: share * min(within[name] / counts[name], 0.999 * whole[name, name]) for name in names},
        ):
            share *= 0.9
        taken = {name: share * min(within[name], 0.999 * whole[name, name] * counts[name]) for name in names}
        between = {name: sqrt(max(0.0, whole[name, name] - taken[name] / counts[name])) for name in names}
        if least is not None:
            between = {name: max(between[name], least[name]) for name in names}
        correlation = [
            [
                round(whole[a, b] / max(1e-12, between[a] * between[b]), 3) if a != b else 1.0
                for b in names[: i + 1]
            ]
            for i, a in enumerate(names)
        ]
        parts = {"mean": means, "between": between, "within": taken}
        shown = {part: [float(f"{numbers[name]:.4g}") for name in names] for part, numbers in parts.items()}
        return {"hypothesis": shown, "correlation": correlation}

    def vector(self, log: Log) -> dict[str, statistics.Observed]:
        assert self.curve is not None
        found = statistics.of_losses(log[0], self.total, self.curve)
        found |= statistics.of_samples(log[1], self.block, self.letters, self.known)
        nothing = statistics.Observed(-10.0, len(log[1]))  # for samples that are all empty
        return {name: found.get(name, nothing) for name in statistics.names(self.total)}

    def within(self, logs: Sequence[Log]) -> dict[str, float]:
        """The variance of one observation within a run, averaged over runs."""
        assert self.curve is not None
        found: dict[str, list[float]] = {name: [] for name in statistics.names(self.total)}
        for losses, texts in logs:
            residuals = {step: loss - self.curve.at(step) for step, loss in losses.items()}
            for a, b in statistics.windows(self.total):
                if b > a:
                    chosen = [residuals[step] for step in range(a, b + 1)]
                    found[f"mean {a} {b}"].append(statistics.deviation(chosen) ** 2)
            for a, b in statistics.groups(self.total):
                chosen = [residuals[step] for step in range(a, b + 1)]
                mean, variance = _mean(chosen), statistics.deviation(chosen) ** 2
                kurtosis = _mean([(x - mean) ** 4 for x in chosen]) / max(variance**2, 1e-12)
                found[f"spread {a} {b}"].append(max(0.1, (kurtosis - 1) / 4))
            for name, values in statistics.sample_values(texts, self.block, self.letters, self.known).items():
                if len(values) > 1:
                    found[name].append(statistics.deviation(values) ** 2)
        return {name: _mean(values) if values else 0.0 for name, values in found.items()}


def _is_covariance(names: Sequence[str], whole: dict[tuple[str, str], float], less: dict[str, float]) -> bool:
    rows = [
        [whole[(a, b) if (a, b) in whole else (b, a)] + (1e-9 - less[a] if a == b else 0.0) for b in names]
        for a in names
    ]
    return statistics.cholesky(rows) is not None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def shown_by(log: Log, form: str, samples: bool = True) -> Log:
    shows = FORMS[form]
    return {step: loss for step, loss in log[0].items() if shows(step)}, log[1] if samples else []


def thresholds(
    table: chances.Table, right: Sequence[Log], known: frozenset[str]
) -> dict[str, tuple[float, float]]:
    """What right programs call for that are not quite normal, for each form of log: two numbers that none
    of these reaches, with a margin.

    First by how much squared distances exceed those of normal numbers, where 1 in 2,000 should be beyond;
    then how much likelier than a right program the best mistake seems.
    """
    found = {}
    for form in FORMS:
        vectors = [chances.vector(table, *shown_by(shown, form), known) for shown in right]
        verdicts = [chances.judge(table, [seen]) for seen in vectors]
        beyond = min(verdict.share for verdict in verdicts)
        gain = max(verdict.candidates[0].gain if verdict.candidates else 0.0 for verdict in verdicts)
        degrees = len(vectors[0])
        stretch = _quantile(beyond, degrees) / _quantile(chances.ALARM, degrees)
        least = log(len(table.hypotheses) / chances.ALARM)
        found[form] = round(max(1.0, MARGIN * stretch), 3), round(max(least, MARGIN * gain), 3)
    return found


def _quantile(share: float, degrees: int) -> float:
    """The chi-squared number that `share` of all exceed, by bisection."""
    low, high = 0.0, 10_000.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if statistics.chi_squared_tail(middle, degrees) > share else (low, middle)
    return low


def rates(table: chances.Table, simulate: Simulation, preset: str) -> dict[str, int]:
    """On seeds that no fit has seen: false alarms, and mistakes that are caught by one log and by ten."""
    alarms = dict.fromkeys(FORMS, 0)
    for shown in simulate.logs(10_000, HELD_OUT):
        for form in FORMS:
            vector = chances.vector(table, *shown_by(shown, form), simulate.known)
            alarms[form] += not chances.judge(table, [vector]).consistent
    print(preset, "false alarms of", HELD_OUT, alarms, table.thresholds, flush=True)
    caught = caught_by_ten = 0
    for number, mistake in enumerate(mistakes(preset), start=1):
        logs = simulate.logs(number * 100_000 + 50_000, MISTAKEN_HELD_OUT, mistake.changes)
        seen = [chances.vector(table, *shown, simulate.known) for shown in logs]
        one = [chances.judge(table, [single]) for single in seen]
        ten = [chances.judge(table, seen[i : i + 10]) for i in range(0, len(seen), 10)]
        found = _mean([not verdict.consistent for verdict in one])
        found_by_ten = _mean([not verdict.consistent for verdict in ten])
        named = _mean([bool(v.candidates) and v.candidates[0].name == mistake.name for v in one])
        named_by_ten = _mean([bool(v.candidates) and v.candidates[0].name == mistake.name for v in ten])
        caught += found >= 0.5
        caught_by_ten += found_by_ten >= 0.5
        print(
            f"{preset} {mistake.name:35} caught {found:4.0%} ten {found_by_ten:4.0%} "
            f"named first {named:4.0%} ten {named_by_ten:4.0%}",
            flush=True,
        )
    return {
        "right": HELD_OUT * len(FORMS),
        "alarms": sum(alarms.values()),
        "mistakes": len(mistakes(preset)),
        "caught": caught,
        "caught_by_ten": caught_by_ten,
    }


if __name__ == "__main__":
    main()
