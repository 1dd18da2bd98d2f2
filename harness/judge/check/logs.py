"""The verdict on a printed log: which run it is, how far it agrees with it, and what explains the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.errors import ManifestError
from harness.judge.check import agreement, chances, goldens
from harness.judge.check.agreement import LogAgreement, Wrong
from harness.judge.check.goldens import Candidates, Golden
from harness.judge.check.log import Log
from harness.judge.check.setup import Setup
from harness.judge.check.verdict import Cause, Verdict
from harness.judge.compare import Difference

FIRST = 10  # losses that tell whose random numbers these are
FLOAT32 = "what that is worth: a float32 program prints 997 of the 1,000 losses of classic right"
DENSITY = {"classic": 5.0, "seed": 15.0}  # of differences of neighbouring losses, near 0, in the first steps
SMOOTH = 3.5  # digits of the probability that a right program is taken for an average; 0 of 600 were
NEAR = 3.0  # natural logarithm from which on a likelier mistake is mentioned
SMOOTHED = ("loss-averaged", "loss-averaged-slowly", "one-document")
Explain = Callable[[Log, Setup, Golden, LogAgreement], Sequence[Cause]]
"""Names what gives these wrong losses, or these wrong samples."""


@dataclass(frozen=True)
class Tried:
    """A run that the log was compared with."""

    setup: Setup
    golden: Golden
    found: LogAgreement
    begins_right: bool  # its first losses are those of this run: then the random numbers are the same

    @property
    def right(self) -> int:
        return self.found.compared - len(self.found.wrong)


def judge(
    name: str, log: Log, candidates: Candidates, explain: Explain, asked: Setup | None = None
) -> Verdict:
    """The verdict on one log. `asked`: the run that was named, if one was.

    Raises ManifestError if none of the candidates can be computed.
    """
    tried = [_try(log, setup, candidates) for setup in candidates.setups]
    best = max(tried, key=lambda one: _likeness(log, one))
    if not best.begins_right:
        stored = (one for one in tried if one.golden.source == "stored")
        best = next((one for one in stored if _causes(log, one, explain)), best)
    if best.found.compared == 0:
        raise ManifestError(
            f"{name} has no step that {best.setup.words} has: it ends with step {best.setup.steps}"
        )
    if asked is not None and best.setup != asked and not best.begins_right:
        best = next(one for one in tried if one.setup == asked)
    verdict = _verdict(name, log, best, explain)
    if asked is not None and best.setup != asked and verdict.agrees:
        words = (
            f"another run than was asked for: it is {best.setup.words}, not {asked.words}; {verdict.sentence}"
        )
        return replace(verdict, agreement="wrong", sentence=words)
    if asked is not None and verdict.agrees and (other := _other_shape(log, asked)):
        return replace(verdict, agreement="wrong", sentence=f"another run than was asked for: {other}")
    return verdict


def _likeness(log: Log, one: Tried) -> tuple[bool, bool, float]:
    """What tells the run that a log is of: the same random numbers, else the number of steps, else chance."""
    share = one.right / max(1, one.found.compared)
    return one.begins_right, log.total in (None, one.setup.steps) or share > 0.5, share


def _verdict(name: str, log: Log, best: Tried, explain: Explain) -> Verdict:
    seen = _seen(log, best)
    notes = [*log.notes, *_header_notes(log, best.setup), *_sample_notes(log, best.setup)]
    notes += _nan_notes(log)
    verdict = Verdict(
        name, "log", "wrong", "", best.setup.words, seen, best.right, best.found.compared, notes=tuple(notes)
    )
    if best.found.is_bit or not best.found.wrong:
        return _right(verdict, log, best, explain)
    if best.begins_right and best.found.inside["float32"] and not log.is_exact and _is_small(best.found):
        return _within(verdict, log, best, "float32", explain)
    if log.is_exact and best.begins_right:
        for width in ("float64", "float32"):
            if best.found.inside[width]:
                return _within(verdict, log, best, width, explain)
    causes = tuple(_causes(log, best, explain))
    if best.begins_right or causes:
        return _wrong(verdict, log, best, causes)
    return _own_numbers(verdict, [log], best)


def _try(log: Log, setup: Setup, candidates: Candidates) -> Tried:
    is_stored = setup.is_stock and goldens.find(setup.name, setup.dataset.sha256) is not None
    engine = None if is_stored else candidates.engine()
    golden = goldens.golden(setup, engine, bool(log.samples), candidates.progress)
    found = agreement.compare_log(log, golden.losses)
    wrong = {one.step for one in found.wrong}
    firsts = [step for step in log.losses if step < FIRST and step < len(golden.losses)]
    begins_right = firsts[0] not in wrong if firsts else len(wrong) * 2 < found.compared
    return Tried(setup, golden, found, begins_right)


def _is_small(found: LogAgreement) -> bool:
    """Whether only few losses are off, by few units: not where a mistake sets in."""
    return len(found.wrong) * 20 <= found.compared


def _right(verdict: Verdict, log: Log, best: Tried, explain: Explain) -> Verdict:
    """All losses agree: then the samples decide."""
    bad = wrong_samples(log, best.golden)
    count = f"{best.found.compared:,} losses"
    if bad:
        number, expected, got = bad[0]
        causes = explain(log, best.setup, best.golden, best.found)
        difference = Difference("text", f"sample {number + 1}", repr(expected), repr(got))
        words = f"all {count} agree, but {len(bad)} of {len(log.samples)} samples do not: sampling is wrong"
        return replace(verdict, sentence=words, difference=difference, causes=tuple(causes))
    samples = f" and {len(log.samples)} samples" if log.samples and best.golden.samples is not None else ""
    if best.found.is_bit:
        return replace(
            verdict, agreement="bit", sentence=f"bit-exact: all {count}{samples} are the reference's"
        )
    places = f"{log.style[0]} decimals" if log.style[0] else f"{log.style[1]} digits"
    words = f"right as far as it is printed: all {count}{samples} agree in all {places} ({FLOAT32})"
    return replace(verdict, agreement="printed", sentence=words)


def _within(verdict: Verdict, log: Log, best: Tried, width: str, explain: Explain) -> Verdict:
    wrong = best.found.wrong
    bad = wrong_samples(log, best.golden)
    if bad and width == "float64":
        return _right(verdict, log, best, explain)
    most = max(one.units for one in wrong)
    off = f"{len(wrong):,} of {best.found.compared:,} losses differ, by up to {most:,.0f} in the last place"
    if width == "float32" and not log.is_exact:
        words = f"right within float32: {off}, and each is within the measured bound of a float32 program"
    else:
        words = f"right within {width}: {off}, and each is within the measured bound of {width}"
    if bad:
        words += f"; {len(bad)} of {len(log.samples)} samples differ, which such a program may"
    return replace(
        verdict, agreement="tolerance", width=width, sentence=words, difference=_difference(log, wrong[0])
    )


def _wrong(verdict: Verdict, log: Log, best: Tried, causes: Sequence[Cause]) -> Verdict:
    first = best.found.wrong[0]
    before = sum(step < first.step for step in log.losses)
    agreed = "the first loss agrees" if before == 1 else f"the first {before:,} losses agree"
    if before == 0:
        agreed = "its first loss is another one already"
    words = (
        f"wrong from step {first.step + log.first} on: {agreed}, "
        f"and {len(best.found.wrong):,} of {best.found.compared:,} do not"
    )
    return replace(verdict, sentence=words, difference=_difference(log, first), causes=tuple(causes))


def _difference(log: Log, wrong: Wrong) -> Difference:
    decimals = log.style[0]
    expected = f"{wrong.expected:.{decimals}f}" if decimals and not log.is_exact else f"{wrong.expected:.17g}"
    if not decimals and not log.is_exact:
        expected = f"{wrong.expected:.{log.style[1]}g}"
    units = "no finite number" if math.isinf(wrong.units) else f"{wrong.units:,.0f} in the last printed place"
    return Difference(
        "text",
        f"step {wrong.step + log.first}: loss",
        expected,
        wrong.printed.text,
        line=wrong.printed.line,
        bound=units,
    )


def _causes(log: Log, one: Tried, explain: Explain) -> list[Cause]:
    """What gives these losses instead of those of this run."""
    return [*_shifted(log, one), *explain(log, one.setup, one.golden, one.found)]


def _shifted(log: Log, best: Tried) -> list[Cause]:
    """Whether these are the right losses of other steps."""
    for shift, words in (
        (1, "each loss is that of the next step: it is printed under the number of the step before"),
        (-1, "each loss is that of the step before: it is printed under the number of the next step"),
    ):
        found = agreement.compare_log(log, best.golden.losses, shift)
        if found.compared > 2 and len(found.wrong) * 10 < found.compared:
            right = found.compared - len(found.wrong)
            sentence = f"{words} ({right:,} of {found.compared:,} agree when moved by one)"
            return [Cause((), sentence)]
    return []


def wrong_samples(log: Log, golden: Golden) -> list[tuple[int, str, str]]:
    """Number (from 0), expected and got of each sample that differs."""
    if golden.samples is None:
        return []
    return [
        (number, golden.samples[number], text)
        for number, text in sorted(log.samples.items())
        if number < len(golden.samples) and text != golden.samples[number]
    ]


def _own_numbers(verdict: Verdict, logs: Sequence[Log], best: Tried) -> Verdict:
    """Nothing of this run is in the log: it draws random numbers of its own, or it is another program."""
    table = chances.stored(best.setup.name, best.setup.dataset.documents) if best.setup.is_stock else None
    return by_chances(verdict, logs, best.setup, table)


def by_chances(verdict: Verdict, logs: Sequence[Log], setup: Setup, table: chances.Table | None) -> Verdict:
    """The verdict on logs (runs of one program) whose random numbers are their own."""
    numbers = "its random numbers are its own"
    firsts = [log.losses[min(log.losses)].value for log in logs]
    if table is None:
        words = f"{numbers}, and no chances are stored for {setup.words}: only that bits differ can be said"
        return replace(verdict, agreement="unknown", sentence=words)
    known = frozenset(setup.dataset.lines) or None
    vectors = [
        chances.vector(
            table,
            {
                step + 1: min(loss.value, 1000.0)
                for step, loss in log.losses.items()
                if math.isfinite(loss.value)
            },
            [text for _, text in sorted(log.samples.items())],
            known,
        )
        for log in logs
    ]
    found = chances.judge(table, vectors)
    verdict = replace(
        verdict, chances=found, notes=(*verdict.notes, *_near_notes(found), *_rate_notes(found))
    )
    longest = max((len(text) for log in logs for text in log.samples.values()), default=0)
    runs = "" if len(logs) == 1 else f" over {len(logs)} runs"
    if longest > table.block:
        words = f"another model: a sample has {longest} letters, and this one has room for {table.block}" + (
            f"; its first loss is {firsts[0]:.4g}" if len(firsts) == 1 else ""
        )
        return replace(verdict, sentence=words)
    if any(is_smooth(log, setup.name) for log in logs):
        words = (
            "no single losses: from step to step they hardly change, "
            "as an average does, or one document again and again"
        )
        return replace(verdict, sentence=words, causes=_smooth_causes(found))
    if found.consistent:
        share = (
            f"{100 * found.share:.0f} of 100" if found.share >= 0.01 else f"{1000 * found.share:.1f} of 1,000"
        )
        words = (
            f"consistent with a right program: {numbers}, "
            f"and {share} right programs are further from the usual{runs} "
            "(float32 and other roundings cannot be seen so)"
        )
        return replace(verdict, agreement="consistent", sentence=words)
    causes = tuple(
        Cause(
            (one.name,),
            f"this is what you get when {one.what}: {likelier(one.gain)} than a right program",
        )
        for one in found.candidates[:3]
    )
    odd = _oddity_words(found) if found.oddities else "all taken together it is too far from the usual"
    if not causes:
        words = f"not a right program, nor any known mistake: {odd}; another model or another program?"
        return replace(verdict, sentence=words)
    averaged = causes[0].names[0].startswith("loss-averaged")
    words = "no single losses: what it prints is an average" if averaged else f"not a right program: {odd}"
    return replace(verdict, sentence=words, causes=causes)


def is_smooth(log: Log, preset: str) -> bool:
    """Whether losses of neighbouring steps are nearer together than different documents make them: no
    difference is greater than some d, and at most DENSITY * d of those of right programs are no greater.
    """
    steps = [step for step in log.losses if step + 1 in log.losses]
    changes = [abs(log.losses[step + 1].value - log.losses[step].value) for step in steps]
    share = DENSITY[preset] * max(changes, default=1.0)
    return len(changes) >= 4 and 0.0 <= share < 1.0 and len(changes) * math.log10(max(share, 1e-9)) < -SMOOTH


def _smooth_causes(found: chances.Chances) -> tuple[Cause, ...]:
    chosen = [one for one in found.candidates if one.name in SMOOTHED]
    return tuple(Cause((one.name,), f"this is what you get when {one.what}") for one in chosen[:1])


def _oddity_words(found: chances.Chances) -> str:
    """The statistic that is furthest out, in words."""
    odd = found.oddities[0]
    kind, *steps = odd.name.split(" ")
    places = 2 if abs(odd.high) < 100 else 0
    low, high, value = (f"{x:,.{places}f}" for x in (odd.low, odd.high, odd.value))
    if kind == "spread":
        low, high, value = (f"{math.exp(min(x, 50)):.2f}" for x in (odd.low, odd.high, odd.value))
    what = {
        "mean": "mean loss of steps {} to {}",
        "spread": "standard deviation of the losses of steps {} to {}",
        "length": "mean length of its samples",
        "full": "share of its samples that fill the block",
        "letters": "mean logarithm of how its letters follow each other",
        "known": "share of its samples that are in the dataset",
    }[kind].format(*(f"{int(step):,}" for step in steps))
    if kind == "mean" and steps[0] == steps[1]:
        what = "loss of the first step"
    return f"{what} is {value}; right programs stay between {low} and {high} in 999 of 1,000 runs"


def _near_notes(found: chances.Chances) -> tuple[str, ...]:
    """The mistake that fits better than a right program, though not by enough to say so."""
    if not found.consistent or not found.candidates or found.candidates[0].gain < NEAR:
        return ()
    near = found.candidates[0]
    more = "more logs of it tell more" if found.runs == 1 else "that is not enough to say so"
    return (f"it would be {likelier(near.gain)} if {near.what} ({near.name}): {more}",)


def _rate_notes(found: chances.Chances) -> tuple[str, ...]:
    if found.rates is None:
        return ()
    r = found.rates
    return (
        f"error rates on held-out seeds: {r.alarms} false alarms in {r.right:,} right logs; "
        f"of {r.mistakes} mistakes one log catches {r.caught}, ten logs {r.caught_by_ten}, "
        "in half of the tries or more",
    )


def _seen(log: Log, best: Tried) -> str:
    steps = f"{best.found.compared:,} of {best.setup.steps:,} losses"
    total = best.setup.preset.samples
    samples = f", {len(log.samples)} of {total} samples" if log.samples else ", no samples"
    return f"seen: {steps}{samples}; not seen: gradients, moments, parameters"


def _nan_notes(log: Log) -> list[str]:
    steps = [step for step, loss in log.losses.items() if not math.isfinite(loss.value)]
    if not steps:
        return []
    text = log.losses[steps[0]].text
    return [f"from step {steps[0] + log.first} on its loss is {text}: {len(steps):,} losses are no numbers"]


def _header_notes(log: Log, setup: Setup) -> list[str]:
    """What the first lines say that is not so in this run."""
    notes = []
    documents = log.headers.get("documents")
    if documents is not None and documents != setup.dataset.documents:
        notes.append(
            f"wrong dataset? It says {documents:,} documents; "
            f"{setup.dataset.name} has {setup.dataset.documents:,}"
        )
    if other := _other_shape(log, setup):
        notes.append(other)
    if log.total is not None and log.total != setup.steps:
        notes.append(
            f"its steps count to {log.total:,}, those of {setup.words} to {setup.steps:,}: give --steps"
        )
    return notes


def _other_shape(log: Log, setup: Setup) -> str:
    """What the log says of its vocabulary or parameters that this run does not have; '' if it fits."""
    kept = goldens.find(setup.name, setup.dataset.sha256)
    if kept is None or not setup.is_stock:
        return ""
    for name, wanted in (("vocabulary", len(kept.vocabulary) + 1), ("parameters", kept.parameters)):
        came = log.headers.get(name)
        if came is not None and came != wanted:
            what = "a vocabulary of" if name == "vocabulary" else "a number of parameters of"
            return f"it says {what} {came:,}; {setup.words} has {wanted:,}"
    return ""


def _sample_notes(log: Log, setup: Setup) -> list[str]:
    if not log.samples:
        return []
    missing = [number for number in range(max(log.samples)) if number not in log.samples]
    notes = [f"sample {missing[0] + 1} is missing"] if missing else []
    if len(log.samples) + len(missing) < setup.preset.samples:
        notes.append(f"{len(log.samples)} samples of {setup.preset.samples} are printed")
    return notes


def together(verdicts: Sequence[Verdict], read: Sequence[Log], candidates: Sequence[Setup]) -> list[Verdict]:
    """The verdict on several logs whose random numbers are their own, taken as runs of one program."""
    setup = next(one for one in candidates if one.words == verdicts[0].setup)
    if any(verdict.setup != verdicts[0].setup for verdict in verdicts):
        raise ManifestError(
            "these outputs are not of one program: name --preset and --dataset, or check one at a time"
        )
    table = chances.stored(setup.name, setup.dataset.documents)
    name = f"{len(read)} logs"
    notes = tuple(
        dict.fromkeys(note for one in verdicts for note in one.notes if not note.startswith("error rates"))
    )
    start = replace(verdicts[0], output=name, notes=notes)
    return [by_chances(start, read, setup, table)]


def likelier(gain: float) -> str:
    """How much likelier, from a natural logarithm, as far as the number means anything."""
    return (
        f"{math.exp(gain):,.0f} times likelier" if gain < math.log(1e6) else "over a million times likelier"
    )
