"""The twister and what is drawn from it."""

from harness.explain.mutants.mutant import Edit, Mutant

GAUSS = """            angle = self.random() * (2.0 * PI)
            radius = sqrt(-2.0 * maths.log(1.0 - self.random()))
"""
PAIR = """            z = maths.cos(angle) * radius
            self.gauss_next = maths.sin(angle) * radius
"""
CLASS = "    gauss_next: float | None\n"
INIT_GENRAND = """    gauss_next: float | None

    def seed(self, a=None, version=2):
        super().seed(a, version)
        words = [a & 0xFFFFFFFF]
        for i in range(1, 624):
            words.append((1812433253 * (words[-1] ^ words[-1] >> 30) + i) & 0xFFFFFFFF)
        self.setstate((3, (*words, 624), None))
"""


def _method(text: str) -> tuple[Edit, ...]:
    """Give the generator one method more."""
    return (Edit("microgpt", CLASS, f"{CLASS}\n{text}"),)


def _random(expression: str) -> tuple[Edit, ...]:
    return _method(f"    def random(self):\n        return {expression}\n")


def _below(text: str) -> tuple[Edit, ...]:
    return _method(f"    def _randbelow(self, n):\n{text}")


def _choices(body: str) -> tuple[Edit, ...]:
    """Replace choices; `cumulated` and `total` are as they should be."""
    return _method(
        "    def choices(self, population, weights=None, *, cum_weights=None, k=1):\n"
        "        from bisect import bisect_left, bisect_right\n"
        "        from itertools import accumulate\n"
        "        from math import isfinite\n\n"
        "        cumulated = list(accumulate(weights))\n"
        "        total = cumulated[-1] + 0.0\n"
        "        if total <= 0.0 or not isfinite(total):\n"
        "            raise ValueError('total')\n"
        "        last = len(cumulated) - 1\n"
        f"{body}"
    )


MUTANTS = [
    Mutant(
        "seeded-by-one-number",
        "the twister is seeded with init_genrand(42)",
        "C++ and NumPy's RandomState seed so; Python runs init_by_array even for a single word.",
        (Edit("microgpt", CLASS, INIT_GENRAND),),
    ),
    Mutant(
        "uniforms-of-32-bits",
        "random() has 32 bits",
        "One word divided by 2^32 looks random enough.",
        _random("self.getrandbits(32) / 4294967296.0"),
    ),
    Mutant(
        "uniforms-with-swapped-words",
        "the two words of random() are taken the other way round",
        "Arguments of a sum may be evaluated in any order.",
        _random(
            "(lambda low, high: (high * 67108864 + low) / 9007199254740992.0)(self.getrandbits(32) >> 6, self.getrandbits(32) >> 5)"
        ),
    ),
    Mutant(
        "uniforms-with-swapped-shifts",
        "the shifts 5 and 6 of random() are exchanged",
        "Both look alike, and the results are just as uniform.",
        _random(
            "((self.getrandbits(32) >> 6) * 134217728 + (self.getrandbits(32) >> 5)) / 9007199254740992.0"
        ),
    ),
    Mutant(
        "uniforms-up-to-one",
        "random() is divided by 2^53 - 1",
        "So that 1 can be drawn too.",
        _random(
            "((self.getrandbits(32) >> 5) * 67108864 + (self.getrandbits(32) >> 6)) / 9007199254740991.0"
        ),
        rounding=True,
    ),
    Mutant(
        "words-of-31-bits",
        "raw words lose their highest bit",
        "genrand_int31, or a language without unsigned integers.",
        (
            Edit(
                "replies",
                "generator.getrandbits(32) for _ in range(count)",
                "generator.getrandbits(32) & 0x7FFFFFFF for _ in range(count)",
            ),
        ),
    ),
    Mutant(
        "gauss-forgets-the-second",
        "gauss throws the second number of a pair away",
        "The kept half needs a field, and textbooks leave it out.",
        (Edit("microgpt", PAIR, PAIR.replace("self.gauss_next = maths.sin(angle) * radius", "pass")),),
    ),
    Mutant(
        "gauss-sine-first",
        "gauss gives the sine first and keeps the cosine",
        "Both are normal; only the order is another.",
        (Edit("microgpt", PAIR, PAIR.replace("cos", "?").replace("sin", "cos").replace("?", "sin")),),
    ),
    Mutant(
        "gauss-radius-first",
        "gauss draws the radius before the angle",
        "Textbooks call the radius u1.",
        (Edit("microgpt", GAUSS, "".join(reversed(GAUSS.splitlines(keepends=True)))),),
    ),
    Mutant(
        "gauss-log-of-u",
        "gauss takes log(u) and not log(1 - u)",
        "Textbooks have it so; u may be 0 there.",
        (Edit("microgpt", "maths.log(1.0 - self.random())", "maths.log(self.random())"),),
    ),
    Mutant(
        "gauss-polar",
        "gauss is Marsaglia's polar method",
        "Java and many C++ libraries draw normal numbers so.",
        (
            Edit(
                "microgpt",
                GAUSS + PAIR,
                "            while True:\n"
                "                u, w = 2.0 * self.random() - 1.0, 2.0 * self.random() - 1.0\n"
                "                s = u * u + w * w\n"
                "                if 0.0 < s < 1.0:\n"
                "                    break\n"
                "            factor = sqrt(-2.0 * maths.log(s) / s)\n"
                "            z, self.gauss_next = u * factor, w * factor\n",
            ),
        ),
    ),
    Mutant(
        "gauss-takes-a-variance",
        "gauss multiplies by the root of sigma",
        "Some libraries' second argument is the variance.",
        (Edit("microgpt", "return mu + z * sigma", "return mu + z * sqrt(abs(sigma))"),),
    ),
    Mutant(
        "gauss-angle-order",
        "gauss computes its angle as (2 * u) * pi",
        "2*pi*u in another order.",
        (Edit("microgpt", "self.random() * (2.0 * PI)", "(3.0 * self.random()) * (PI / 1.5)"),),
        rounding=True,
    ),
    Mutant(
        "gauss-keeps-the-scaled",
        "gauss keeps its second number already multiplied by sigma",
        "The next call may ask for another sigma.",
        (
            Edit(
                "microgpt",
                "self.gauss_next = maths.sin(angle) * radius",
                "self.gauss_next = maths.sin(angle) * radius * sigma",
            ),
            Edit(
                "microgpt",
                "        if z is None:\n",
                "        if z is not None:\n            return mu + z\n        else:\n",
            ),
        ),
    ),
    Mutant(
        "kept-number-is-not-restored",
        "a restored generator forgets the kept normal number",
        "The state of the twister seems to be its words.",
        (
            Edit(
                "replies",
                'yield "kept none" if kept is None else f"kept {hexadecimal(kept)}"',
                'yield "kept none"',
            ),
        ),
    ),
    Mutant(
        "shuffle-upwards",
        "shuffle runs from the bottom up",
        "Both directions are Fisher and Yates.",
        _method(
            "    def shuffle(self, x):\n"
            "        for i in range(1, len(x)):\n"
            "            j = self._randbelow(i + 1)\n"
            "            x[i], x[j] = x[j], x[i]\n"
        ),
    ),
    Mutant(
        "shuffle-never-in-place",
        "shuffle never leaves an item where it is",
        "An index below i and not up to i: Sattolo's cycles.",
        _method(
            "    def shuffle(self, x):\n"
            "        for i in reversed(range(1, len(x))):\n"
            "            j = self._randbelow(i)\n"
            "            x[i], x[j] = x[j], x[i]\n"
        ),
    ),
    Mutant(
        "shuffle-draws-once-more",
        "shuffle draws for the first item too",
        "The loop runs down to 0; nothing is swapped there but a word is used.",
        _method(
            "    def shuffle(self, x):\n"
            "        for i in reversed(range(len(x))):\n"
            "            j = self._randbelow(i + 1)\n"
            "            x[i], x[j] = x[j], x[i]\n"
        ),
    ),
    Mutant(
        "shuffle-over-everything",
        "shuffle swaps each item with any other",
        "The naive shuffle, which is not even uniform.",
        _method(
            "    def shuffle(self, x):\n"
            "        for i in reversed(range(1, len(x))):\n"
            "            j = self._randbelow(len(x))\n"
            "            x[i], x[j] = x[j], x[i]\n"
        ),
    ),
    Mutant(
        "modulo-for-rejection",
        "an index is a word modulo n",
        "Most languages' examples do so.",
        _below("        return self.getrandbits(32) % n\n"),
    ),
    Mutant(
        "scaled-uniform-for-rejection",
        "an index is floor(random() * n)",
        "JavaScript's idiom.",
        _below("        return int(self.random() * n)\n"),
    ),
    Mutant(
        "rejection-without-repeat",
        "an index that is too great is taken modulo n, not drawn again",
        "A loop is saved.",
        _below("        return self.getrandbits(n.bit_length()) % n\n"),
    ),
    Mutant(
        "rejection-on-fewer-bits",
        "an index takes as many bits as n - 1 has",
        "The bound is n, the greatest index n - 1: powers of two differ.",
        _below(
            "        k = max(1, (n - 1).bit_length())\n"
            "        r = self.getrandbits(k)\n"
            "        while r >= n:\n"
            "            r = self.getrandbits(k)\n"
            "        return r\n"
        ),
    ),
    Mutant(
        "low-bits-for-an-index",
        "an index is made of the low bits of a word",
        "A mask in place of a shift.",
        _below(
            "        mask = (1 << n.bit_length()) - 1\n"
            "        r = self.getrandbits(32) & mask\n"
            "        while r >= n:\n"
            "            r = self.getrandbits(32) & mask\n"
            "        return r\n"
        ),
    ),
    Mutant(
        "bisect-left",
        "choices search with lower_bound and not upper_bound",
        "C++'s lower_bound is bisect_left; they differ where a running sum is met exactly.",
        _choices("        return [population[bisect_left(cumulated, self.random() * total, 0, last)]]\n"),
    ),
    Mutant(
        "choices-of-normalised-weights",
        "choices divide the weights by their total first",
        "Probabilities should add up to 1, and then they do not quite.",
        _choices(
            "        cumulated = list(accumulate(w / total for w in weights))\n"
            "        return [population[bisect_right(cumulated, self.random(), 0, last)]]\n"
        ),
    ),
    Mutant(
        "choices-ignore-the-total",
        "choices take the weights to add up to 1",
        "Softmax has made them so, except for the last bits.",
        _choices("        return [population[bisect_right(cumulated, self.random(), 0, last)]]\n"),
    ),
    Mutant(
        "choices-by-subtraction",
        "choices subtract weight after weight from the number drawn",
        "The usual roulette wheel; its rounding differs from that of a running sum.",
        _choices(
            "        left = self.random() * total\n"
            "        for i, weight in enumerate(weights):\n"
            "            left -= weight\n"
            "            if left < 0.0:\n"
            "                return [population[i]]\n"
            "        return [population[last]]\n"
        ),
        rounding=True,
    ),
    Mutant(
        "choices-beyond-the-end",
        "the bisect of choices may go beyond the last weight",
        "The bound of the search is n and not n - 1.",
        _choices("        return [population[bisect_right(cumulated, self.random() * total)]]\n"),
    ),
    Mutant(
        "choices-from-the-end",
        "choices run through the weights from the end",
        "A loop that counts down.",
        _choices(
            "        backwards = list(accumulate(reversed(weights)))\n"
            "        return [population[last - bisect_right(backwards, self.random() * total, 0, last)]]\n"
        ),
    ),
    Mutant(
        "choices-skip-the-first",
        "choices never give the first item",
        "Indices that begin with 1.",
        _choices(
            "        return [population[max(1, bisect_right(cumulated, self.random() * total, 0, last)) if last else 0]]\n"
        ),
    ),
    Mutant(
        "state-index-off-by-one",
        "the index of the generator's state is one too small",
        "The index of the next word is taken for that of the last one.",
        (
            Edit(
                "replies",
                'yield words_line("state", [words[624], *words[:624]])',
                'yield words_line("state", [words[624] - 1, *words[:624]])',
            ),
        ),
    ),
]
