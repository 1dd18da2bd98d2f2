"""What is measured of a log whose random numbers are its own: a vector of statistics, and how sure each one
is.

For windows of steps, the mean loss; for groups of windows, the logarithm of the losses' standard deviation;
of the samples, mean length, share that fills the block, how likely their letters are to follow each other in
the dataset, and the share of names that it knows. A log may show some steps only: each statistic comes with
the number of observations behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt

STARTS = (1, 5, 10, 20, 50, 100)  # last steps of the first windows; then every hundred
GROUPS = ((2, 20), (21, 100), (101, 4096))
SAMPLES = ("length", "full", "letters", "known")
LEAST = 4  # observations for a standard deviation


@dataclass(frozen=True)
class Observed:
    """One statistic of a log: its value and how many numbers it was made of."""

    value: float
    count: int


def windows(total: int) -> list[tuple[int, int]]:
    """First and last step, from 1, of each window of a run of `total` steps."""
    ends = [end for end in (*STARTS, *range(200, total + 100, 100)) if end < total] + [total]
    return [(a + 1, b) for a, b in zip([0, *ends], ends, strict=False)]


def groups(total: int) -> list[tuple[int, int]]:
    return [(a, min(b, total)) for a, b in GROUPS if a + LEAST <= total]


def names(total: int) -> list[str]:
    """The names of all statistics of a run of `total` steps, in order."""
    means = [f"mean {a} {b}" for a, b in windows(total)]
    return [*means, *(f"spread {a} {b}" for a, b in groups(total)), *SAMPLES]


class Curve:
    """The expected loss of a right program at each step, from that of each window, by straight lines."""

    def __init__(self, total: int, knots: Sequence[float]) -> None:
        centres = [(a + b) / 2 for a, b in windows(total)]
        self._values = [0.0]
        i = 0
        for step in range(1, total + 1):
            while i + 2 < len(centres) and step > centres[i + 1]:
                i += 1
            if len(centres) == 1 or step >= centres[-1] or step <= centres[0]:
                self._values.append(knots[-1] if step >= centres[-1] else knots[0])
            else:
                share = (step - centres[i]) / (centres[i + 1] - centres[i])
                self._values.append(knots[i] + share * (knots[i + 1] - knots[i]))

    def at(self, step: int) -> float:
        return self._values[step]


class Letters:
    """How likely letters follow each other in a dataset: each pair counted, one more than it occurs."""

    def __init__(self, characters: str, rows: Sequence[Sequence[float]]) -> None:
        self.rows = rows  # logarithms; the last row and column are the beginning and the end
        self._index = {character: i for i, character in enumerate(characters)}
        self.characters = characters

    @staticmethod
    def of(documents: Sequence[str], characters: str) -> Letters:
        size = len(characters) + 1
        index = {character: i for i, character in enumerate(characters)}
        counts = [[1.0] * size for _ in range(size)]
        for document in documents:
            tokens = [size - 1, *(index[c] for c in document), size - 1]
            for a, b in zip(tokens, tokens[1:], strict=False):
                counts[a][b] += 1.0
        return Letters(characters, [[round(log(x / sum(row)), 2) for x in row] for row in counts])

    def score(self, text: str, block: int) -> float | None:
        """The mean logarithm over a text; None if it is empty or has letters that the dataset has not."""
        end = len(self.rows) - 1
        tokens = [self._index.get(c, -1) for c in text]
        if not tokens or -1 in tokens:
            return None
        tokens = [end, *tokens] + ([end] if len(text) < block else [])
        pairs = list(zip(tokens, tokens[1:], strict=False))
        return sum(self.rows[a][b] for a, b in pairs) / len(pairs)


def of_losses(losses: Mapping[int, float], total: int, curve: Curve) -> dict[str, Observed]:
    """The statistics of losses by step, counted from 1. Losses are taken relative to the curve."""
    found = {}
    residuals = {step: loss - curve.at(step) for step, loss in losses.items() if 1 <= step <= total}
    for a, b in windows(total):
        chosen = _between(residuals, a, b)
        if chosen:
            found[f"mean {a} {b}"] = Observed(sum(chosen) / len(chosen), len(chosen))
    for a, b in groups(total):
        chosen = _between(residuals, a, b)
        if len(chosen) >= LEAST:
            found[f"spread {a} {b}"] = Observed(log(max(deviation(chosen), 1e-6)), len(chosen))
    return found


def _between(residuals: Mapping[int, float], a: int, b: int) -> list[float]:
    if len(residuals) < (b - a):
        return [x for step, x in residuals.items() if a <= step <= b]
    return [residuals[step] for step in range(a, b + 1) if step in residuals]


def of_samples(
    texts: Sequence[str], block: int, letters: Letters, known: Collection[str] | None
) -> dict[str, Observed]:
    """The statistics of samples; `known` are the dataset's documents, None if they are not at hand."""
    return {
        name: Observed(sum(values) / len(values), len(values))
        for name, values in sample_values(texts, block, letters, known).items()
        if values
    }


def sample_values(
    texts: Sequence[str], block: int, letters: Letters, known: Collection[str] | None
) -> dict[str, list[float]]:
    """One number for each sample and each statistic."""
    scores = (letters.score(text, block) for text in texts)
    found = {
        "length": [float(len(text)) for text in texts],
        "full": [float(len(text) >= block) for text in texts],
        "letters": [score for score in scores if score is not None],
    }
    if known is not None:
        found["known"] = [float(text in known) for text in texts]
    return found


def deviation(values: Sequence[float]) -> float:
    """The standard deviation, with n - 1."""
    mean = sum(values) / len(values)
    return sqrt(sum((x - mean) ** 2 for x in values) / (len(values) - 1))


def chi_squared_tail(x: float, degrees: int) -> float:
    """The probability that a chi-squared variable exceeds x (Abramowitz and Stegun, 26.4.19 and 6.5.31)."""
    a, x = degrees / 2, x / 2
    if x <= 0:
        return 1.0
    scale = exp(a * log(x) - x - lgamma(a)) if a * log(x) - x - lgamma(a) > -700 else 0.0
    if x < a + 1:
        term = total = 1 / a
        n = a
        while term > total * 1e-15:
            n += 1
            term *= x / n
            total += term
        return max(0.0, 1 - total * scale)
    b, c = x + 1 - a, 1e300
    d = h = 1 / b
    for i in range(1, 500):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        h *= d * c
        if abs(d * c - 1) < 1e-14:
            break
    return scale * h


def cholesky(rows: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """The lower triangle L with L L' = rows; None if they are not positive definite."""
    lower: list[list[float]] = []
    for i, row in enumerate(rows):
        new: list[float] = []
        for j in range(i + 1):
            left = row[j] - sum(a * b for a, b in zip(new, lower[j] if j < i else new, strict=False))
            if j < i:
                new.append(left / lower[j][j])
            elif left <= 0:
                return None
            else:
                new.append(sqrt(left))
        lower.append(new)
    return lower


def solved(lower: Sequence[Sequence[float]], x: Sequence[float]) -> list[float]:
    """L^-1 x."""
    found: list[float] = []
    for row, value in zip(lower, x, strict=True):
        found.append((value - sum(a * b for a, b in zip(row, found, strict=False))) / row[len(found)])
    return found
