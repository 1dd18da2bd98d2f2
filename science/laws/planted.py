"""Mistakes planted for laws that no mutant of the catalogue breaks: proof that these too can fail."""

from __future__ import annotations

from harness.explain.mutants.mutant import Edit, Mutant

SEEDED = '    generator = microgpt.Generator(fields.integer("seed", 0, 2**32 - 1))\n'
DRAWS = '    for key in fields.remaining_keys(("words", "random", "gauss", "shuffle", "choices", "state")):\n'
STALE = 'GENERATOR = microgpt.Generator(0)\nMATH = ("exact", "native")\n'

PLANTED = (
    Mutant(
        "one-generator-for-all-requests",
        "the generator outlives the request and is never seeded",
        "A global generator.",
        (
            Edit("replies", "PROTOCOL = 1\n", "PROTOCOL = 1\nGENERATOR = microgpt.Generator(0)\n"),
            Edit("replies", SEEDED, f"{SEEDED}    generator = GENERATOR\n"),
            Edit("requests", 'MATH = ("exact", "native")\n', STALE),
            Edit("requests", "    return generator\n", "    return GENERATOR\n"),
        ),
    ),
    Mutant(
        "each-line-starts-the-stream-again",
        "every line of draws starts at the seed",
        "The generator is made inside the loop.",
        (
            Edit(
                "replies",
                DRAWS,
                f"    first = generator.getstate()\n{DRAWS}        generator.setstate(first)\n",
            ),
        ),
    ),
    Mutant(
        "words-of-33-bits",
        "words are not cut to 32 bits",
        "Shifts to the left in a wider integer.",
        (
            Edit(
                "replies",
                "[generator.getrandbits(32) for _ in range(count)]",
                "[generator.getrandbits(32) << 1 for _ in range(count)]",
            ),
        ),
    ),
    Mutant(
        "shuffle-with-replacement",
        "a shuffle draws each item from all of them",
        "A choice for every place, without taking out what was chosen.",
        (
            Edit(
                "replies",
                "            generator.shuffle(items)\n",
                "            items = [generator._randbelow(len(items)) for _ in items]\n",
            ),
        ),
    ),
    Mutant(
        "rate-falls-within-a-step",
        "the rate falls from parameter to parameter",
        "The schedule is advanced in the inner loop.",
        (
            Edit(
                "microgpt",
                "            m = self.beta1 * m + (1.0 - self.beta1) * g\n",
                "            m = self.beta1 * m + (1.0 - self.beta1) * g\n            rate = rate * 0.999\n",
            ),
        ),
    ),
    Mutant(
        "samples-go-on",
        "a sample starts with the last token of the one before",
        "The token is set to BOS outside the loop over samples.",
        (
            Edit(
                "microgpt",
                "    token, tokens = bos, []\n",
                "    token, tokens = LAST.get(bos, bos), []\n",
            ),
            Edit(
                "microgpt",
                "        tokens.append(token)\n",
                "        tokens.append(token)\n        LAST[bos] = token\n",
            ),
            Edit(
                "microgpt",
                "Draw = Callable[[list[float], int], None]\n",
                "LAST = {}\nDraw = Callable[[list[float], int], None]\n",
            ),
        ),
    ),
)
