"""The baseline: an n-gram of characters, smoothed after Witten and Bell (1991).

    p(c | h) = (count(hc) + kinds(h) * p(c | h')) / (count(h) + kinds(h))

where h' is the history h without its first character, count(h) how often h went on, kinds(h) with how many
different characters. An unseen history is that without its first character; below the empty one, all tokens
are alike. There is nothing to tune.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import frexp

from reference import exactmath

LN2 = 0.6931471805599453
TEMPERATURES = (1.0, 0.5)


class Ngram:
    """An n-gram over tokens. The last token, `vocabulary - 1`, begins and ends a document."""

    def __init__(self, order: int, vocabulary: int, documents: Iterable[Sequence[int]]) -> None:
        """Each document has that last token on both sides, as `Tokenizer.encode` gives it."""
        self.order, self.vocabulary = order, vocabulary
        self.counts: dict[tuple[int, ...], dict[int, int]] = {}
        for document in documents:
            padded = self._start + tuple(document[1:])
            for end in range(order - 1, len(padded)):
                for begin in range(end - order + 1, end + 1):
                    row = self.counts.setdefault(padded[begin:end], {})
                    row[padded[end]] = row.get(padded[end], 0) + 1
        self._known: dict[tuple[int, ...], list[float]] = {}
        self._drawn: dict[tuple[tuple[int, ...], float], tuple[list[int], list[int]]] = {}

    @property
    def _start(self) -> tuple[int, ...]:
        return (self.vocabulary - 1,) * (self.order - 1)

    def _seen(self, history: tuple[int, ...]) -> tuple[int, ...]:
        """The longest end of the history that went on at least once."""
        while history and history not in self.counts:
            history = history[1:]
        return history

    def probabilities(self, history: tuple[int, ...]) -> list[float]:
        """Of each token after these `order - 1` tokens or fewer."""
        history = self._seen(history)
        known = self._known.get(history)
        if known is None:
            if history:
                shorter = self.probabilities(history[1:])
            else:
                shorter = [1.0 / self.vocabulary] * self.vocabulary
            row = self.counts.get(history, {})
            kinds, total = len(row), sum(row.values()) + len(row)
            known = [kinds * p / total for p in shorter] if total else shorter
            for token, count in row.items():
                known[token] = (count + kinds * shorter[token]) / total
            self._known[history] = known
        return known

    def bits(self, documents: Iterable[Sequence[int]]) -> float:
        """The mean loss of a character or end, in bits. One logarithm of the product of all."""
        mantissa, exponent, count = 1.0, 0, 0
        for document in documents:
            history = self._start
            for token in document[1:]:
                mantissa, shift = frexp(mantissa * self.probabilities(history)[token])
                exponent, count = exponent + shift, count + 1
                history = (*history, token)[1:]
        return -(exponent + exactmath.log(mantissa) / LN2) / count

    def sample(self, temperature: float, most: int, generator: random.Random) -> list[int]:
        """Tokens until the end or `most` of them, drawn by the counts alone, without smoothing.

        What was drawn has always been seen, so its counts are there; smoothing would only add mistakes. The
        temperature is 1 or 0.5, which squares the counts, bit for bit.
        """
        history, tokens = self._start, list[int]()
        while len(tokens) < most:
            choices, sums = self._choices(history, temperature)
            token = choices[bisect_right(sums, generator.random() * sums[-1], 0, len(sums) - 1)]
            if token == self.vocabulary - 1:
                break
            tokens.append(token)
            history = (*history, token)[1:]
        return tokens

    def _choices(self, history: tuple[int, ...], temperature: float) -> tuple[list[int], list[int]]:
        """What followed this history, and the running sums of how often."""
        known = self._drawn.get((history, temperature))
        if known is None:
            if temperature not in TEMPERATURES:
                raise ValueError(f"the temperature of an n-gram is one of {TEMPERATURES}, not {temperature}")
            row = sorted(self.counts[history].items())
            power = 2 if temperature == 0.5 else 1
            known = [token for token, _ in row], list(accumulate(count**power for _, count in row))
            self._drawn[(history, temperature)] = known
        return known
