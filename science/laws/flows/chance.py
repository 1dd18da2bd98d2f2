"""Seeding and words, uniform to normal, shuffle and choice: the Mersenne Twister and its use."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker, doubles, integers
from science.laws.ledger import Assertion, each_near, each_same, law, near, same, true

SEEDING, NORMAL, ORDER = "seeding and words", "uniform to normal", "shuffle and choice"
SEEDS = (0, 1, 42, 2**31, 2**32 - 1)
WIDTH = 2.0**53
CLOSE = 1e-12
"""Of numbers of size 1 to 10 that went through log, sin or cos of this machine: some thousand roundings."""


def untempered(word: int) -> int:
    """The generator's word behind an output: the four steps of tempering undone."""
    word ^= word >> 18
    word ^= (word << 15) & 4022730752
    y = word
    for _ in range(5):
        y = word ^ ((y << 7) & 2636928640)
    word = y & 0xFFFFFFFF
    y = word
    for _ in range(3):
        y = word ^ (y >> 11)
    return y


@law(
    SEEDING,
    "Words obey the generator's recurrence: each follows from three words before it.",
    "class Generator",
)
def words_obey_the_recurrence(ask: Asker) -> Iterator[Assertion]:
    [found] = ask.draws(42, "words 700")
    state = [untempered(word) for word in integers(found)]
    for k in range(76):
        y = (state[k] & 0x80000000) | (state[k + 1] & 0x7FFFFFFF)
        right = state[k + 397] ^ (y >> 1) ^ (2567483615 if y & 1 else 0)
        yield true(f"word {k + 624}", state[k + 624] == right, f"{state[k + 624]} is not {right}")


@law(SEEDING, "A word is one of 2^32.", "class Generator")
def words_have_32_bits(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        found = integers(ask.draws(seed, "words 20")[0])
        for index, word in enumerate(found):
            yield true(f"seed {seed}, word {index}", 0 <= word < 2**32, f"{word}")


@law(SEEDING, "The same seed gives the same words, another seed others.", "class Generator")
def a_seed_decides_the_words(ask: Asker) -> Iterator[Assertion]:
    found = {seed: ask.draws(seed, "words 20") for seed in SEEDS}
    ask.forget()
    for seed in SEEDS:
        yield true(f"seed {seed} again", ask.draws(seed, "words 20") == found[seed])
    for one in SEEDS:
        for other in SEEDS:
            if one < other:
                yield true(f"seeds {one} and {other}", found[one] != found[other])


@law(SEEDING, "There is one stream: words asked in two parts are those asked at once.", "class Generator")
def words_are_one_stream(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        [whole] = ask.draws(seed, "words 700")
        for cut in (1, 623, 624, 625):
            first, second = ask.draws(seed, f"words {cut}", f"words {700 - cut}")
            yield true(f"seed {seed}, cut at {cut}", first + second == whole)


@law(SEEDING, "The state says what comes next: its words, tempered, are the next words.", "class Generator")
def the_state_holds_the_next_words(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        *_, state, _, after = ask.draws(seed, "words 10", "state", "words 50")
        index, *held = integers(state)
        right = held[index : index + 50]
        yield true(f"seed {seed}: the index counts", index == 10, f"{index}")
        for number, word in enumerate(integers(after)):
            yield true(f"seed {seed}, word {number}", untempered(word) == right[number])


@law(SEEDING, "A fresh generator has used no word and kept no value.", "class Generator")
def a_fresh_generator_is_unused(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        state, kept = ask.draws(seed, "state")
        yield true(f"seed {seed}: index", state[0] == "624", state[0])
        yield true(f"seed {seed}: first word", state[1] == str(2**31), state[1])
        yield true(f"seed {seed}: kept", kept == ["none"], f"{kept}")


@law(
    SEEDING,
    "Every bit is set in half of the words.",
    "class Generator",
    "six standard deviations of 1,000 tosses",
)
def bits_are_balanced(ask: Asker) -> Iterator[Assertion]:
    found = integers(ask.draws(7, "words 1000")[0])
    for bit in range(32):
        ones = sum(word >> bit & 1 for word in found)
        yield near(f"bit {bit}", ones, 500.0, 6 * math.sqrt(250.0))


# ---------------------------------------------------------------- uniform to normal


@law(NORMAL, "random() is made of two words: 27 bits of the first, 26 of the second.", "class Generator")
def uniforms_are_made_of_two_words(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        found = doubles(ask.draws(seed, "random 20")[0])
        drawn = integers(ask.draws(seed, "words 40")[0])
        right = [((a >> 5) * 2**26 + (b >> 6)) / WIDTH for a, b in zip(drawn[::2], drawn[1::2], strict=True)]
        yield from each_same(f"seed {seed}, random", found, right)


@law(NORMAL, "random() lies in [0, 1) and is a whole multiple of 2^-53.", "class Generator")
def uniforms_lie_in_the_unit_interval(ask: Asker) -> Iterator[Assertion]:
    for index, value in enumerate(doubles(ask.draws(5, "random 100")[0])):
        yield true(f"random[{index}]", 0.0 <= value < 1.0 and (value * WIDTH).is_integer(), f"{value!r}")


def normals(ask: Asker, seed: int, number: int, sigma: float = 1.0) -> list[float]:
    return doubles(ask.draws(seed, f"gauss {number} {hexadecimal(sigma)}")[0])


@law(
    NORMAL,
    "The radius of a pair comes from the second uniform number: x*x + y*y = -2 log(1 - u).",
    "radius = sqrt(",
    "1e-12 times the value: the roundings of two products and a root",
)
def radius_of_a_pair(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        uniform, found = doubles(ask.draws(seed, "random 20")[0]), normals(ask, seed, 20)
        for k in range(0, 20, 2):
            square = found[k] ** 2 + found[k + 1] ** 2
            right = -2.0 * math.log(1.0 - uniform[k + 1])
            yield near(f"seed {seed}, pair {k // 2}", square, right, CLOSE * max(1.0, right))


@law(
    NORMAL,
    "The angle of a pair comes from the first: 2 pi u, cosine first.",
    "angle = self.random()",
    "1e-12 times the radius",
)
def angle_of_a_pair(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        uniform, found = doubles(ask.draws(seed, "random 20")[0]), normals(ask, seed, 20)
        for k in range(0, 20, 2):
            radius, angle = math.hypot(found[k], found[k + 1]), 2.0 * math.pi * uniform[k]
            yield near(f"seed {seed}, pair {k // 2}: x", found[k], radius * math.cos(angle), CLOSE * 8)
            yield near(f"seed {seed}, pair {k // 2}: y", found[k + 1], radius * math.sin(angle), CLOSE * 8)


@law(NORMAL, "Sigma scales: by a power of two exactly, and 0 gives 0.", "return mu + z * sigma")
def sigma_scales(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        plain = normals(ask, seed, 10)
        for sigma in (0.0, 0.25, 8.0):
            scaled = [value * sigma + 0.0 for value in plain]
            yield from each_same(f"seed {seed}, sigma {sigma}", normals(ask, seed, 10, sigma), scaled)


@law(NORMAL, "What is kept waits for the sigma of its own call.", "return mu + z * sigma")
def what_is_kept_waits_for_its_sigma(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        _, second = normals(ask, seed, 2)
        for before in (0.0, 1.0, 8.0):
            for sigma in (0.25, 1.0, 4.0):
                lines = (f"gauss 1 {hexadecimal(before)}", f"gauss 1 {hexadecimal(sigma)}")
                [found] = doubles(ask.draws(seed, *lines)[1])
                yield same(f"seed {seed}, {before} then {sigma}", found, second * sigma)


@law(NORMAL, "The second of a pair is kept for the next call, and only that.", "self.gauss_next = maths.sin")
def the_second_of_a_pair_is_kept(ask: Asker) -> Iterator[Assertion]:
    one = hexadecimal(1.0)
    for seed in SEEDS:
        _, _, kept, later = ask.draws(seed, f"gauss 1 {one}", "state", f"gauss 1 {one}")
        yield true(f"seed {seed}: kept", kept == later, f"{kept} is not {later}")
        _, _, nothing = ask.draws(seed, f"gauss 2 {one}", "state")
        yield true(f"seed {seed}: none after a pair", nothing == ["none"], f"{nothing}")


@law(
    NORMAL,
    "The moments are those of the normal distribution.",
    "def gauss",
    "six standard errors of 1,000 draws",
)
def moments_are_normal(ask: Asker) -> Iterator[Assertion]:
    for seed in SEEDS:
        found = normals(ask, seed, 1000)
        for power, moment, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
            mean = math.fsum(value**power for value in found) / 1000
            yield near(f"seed {seed}, moment {power}", mean, moment, 6 * math.sqrt(variance / 1000))


# ---------------------------------------------------------------- shuffle and choice


@law(ORDER, "A shuffle is a permutation.", "shuffle(")
def a_shuffle_is_a_permutation(ask: Asker) -> Iterator[Assertion]:
    for number in (0, 1, 2, 3, 10, 33, 100, 1000):
        for seed in SEEDS:
            found = integers(ask.draws(seed, f"shuffle {number}")[0])
            yield true(f"{number} items, seed {seed}", sorted(found) == list(range(number)))


def below(drawn: Iterator[int], number: int) -> int:
    """An integer in 0..number-1: the top bits of a word, as many as number has, until they are below it."""
    bits = number.bit_length()
    return next(found for word in drawn if (found := word >> (32 - bits)) < number)


@law(
    ORDER,
    "From the last item down, a shuffle swaps each with one that is not behind it, and takes no other word.",
    "self.generator.shuffle(self.documents)",
)
def a_shuffle_follows_its_words(ask: Asker) -> Iterator[Assertion]:
    for number in (0, 1, 2, 3, 4, 8, 16, 17, 33):
        for seed in SEEDS:
            found, after = ask.draws(seed, f"shuffle {number}", "words 1")
            drawn = iter(integers(ask.draws(seed, "words 200")[0]))
            right = [*range(number)]
            for last in range(number - 1, 0, -1):
                chosen = below(drawn, last + 1)
                right[last], right[chosen] = right[chosen], right[last]
            yield true(f"{number} items, seed {seed}", integers(found) == right, f"{found}")
            yield true(f"{number} items, seed {seed}: next word", integers(after) == [next(drawn)])


def chi_square(counts: Sequence[int], expected: Sequence[float]) -> float:
    return sum((count - right) ** 2 / right for count, right in zip(counts, expected, strict=True))


@law(
    ORDER,
    "Every order is equally likely.",
    "class Generator",
    "chi-square of 5 and 23 degrees of freedom, at one in a million",
)
def a_shuffle_is_uniform(ask: Asker) -> Iterator[Assertion]:
    for size, most in ((3, 36.0), (4, 72.0)):
        orders = Counter(tuple(line) for line in ask.draws(11, *[f"shuffle {size}"] * 1200))
        number = math.factorial(size)
        counts = [*orders.values(), *[0] * (number - len(orders))]
        found = chi_square(counts, [1200 / number] * number)
        yield true(f"orders of {size}", len(orders) <= number and found < most, f"chi-square {found:.1f}")
    table = Counter(
        (place, item) for line in ask.draws(12, *["shuffle 6"] * 600) for place, item in enumerate(line)
    )
    for place in range(6):
        found = chi_square([table[place, str(item)] for item in range(6)], [100.0] * 6)
        yield true(f"place {place}", found < 36.0, f"chi-square {found:.1f}")


LEAST = 2.0**-1074
TINY_WEIGHTS = ((LEAST, LEAST, LEAST), (0.0, LEAST), (LEAST,))
"""So small that the product of total and number is rounded to whole multiples of the least double."""
WEIGHTS = ((1.0, 2.0, 3.0, 4.0), (0.5, 0.0, 0.25, 0.25, 7.0), (1e-3, 1.0), (5.0,))


def choices(ask: Asker, seed: int, number: int, weights: Sequence[float]) -> list[int]:
    drawn = " ".join(map(hexadecimal, weights))
    return integers(ask.draws(seed, f"choices {number} {drawn}")[0])


@law(
    ORDER,
    "A choice is where a uniform number falls among the running sums of the weights.",
    "generator.choices(",
)
def a_choice_is_where_the_number_falls(ask: Asker) -> Iterator[Assertion]:
    for weights in WEIGHTS + TINY_WEIGHTS:
        uniform, found = doubles(ask.draws(9, "random 40")[0]), choices(ask, 9, 40, weights)
        sums = [math.fsum(weights[: index + 1]) for index in range(len(weights))]
        for k, (u, index) in enumerate(zip(uniform, found, strict=True)):
            right = sum(u * sums[-1] >= edge for edge in sums[:-1])
            yield true(f"weights {weights}, draw {k}", index == right, f"{index} is not {right}")


@law(ORDER, "A number that meets a running sum exactly belongs to the next weight.", "generator.choices(")
def a_number_on_the_edge_goes_on(ask: Asker) -> Iterator[Assertion]:
    for seed in range(40):
        [u] = doubles(ask.draws(seed, "random 1")[0])
        found = choices(ask, seed, 1, (u, 1.0 - u))  # the sums are u and 1: the number drawn is u
        yield true(f"seed {seed}", found == [1], f"{found}")


@law(ORDER, "A weight of 0 is never chosen, and every choice is one of the weights.", "generator.choices(")
def a_weight_of_0_is_never_chosen(ask: Asker) -> Iterator[Assertion]:
    for weights in WEIGHTS:
        found = choices(ask, 3, 300, weights)
        holds = all(0 <= index < len(weights) and weights[index] > 0.0 for index in found)
        yield true(f"{len(weights)} weights", holds)


@law(ORDER, "Choices follow their weights.", "generator.choices", "six standard deviations of 1,000 draws")
def choices_follow_their_weights(ask: Asker) -> Iterator[Assertion]:
    for weights in WEIGHTS:
        found, total = Counter(choices(ask, 4, 1000, weights)), math.fsum(weights)
        for index, weight in enumerate(weights):
            share = weight / total
            spread = 6 * math.sqrt(1000 * share * (1 - share))
            yield near(f"{len(weights)} weights, {index}", found[index], 1000 * share, spread)


@law(ORDER, "Only the proportions of weights matter.", "generator.choices(")
def only_proportions_matter(ask: Asker) -> Iterator[Assertion]:
    for weights in WEIGHTS:
        for factor in (2.0, 0.125):
            same = choices(ask, 6, 50, [factor * weight for weight in weights]) == choices(
                ask, 6, 50, weights
            )
            yield true(f"{len(weights)} weights times {factor}", same)


@law(NORMAL, "The same normal numbers come one by one and at once.", "def gauss")
def normals_are_one_stream(ask: Asker) -> Iterator[Assertion]:
    one = hexadecimal(1.0)
    for seed in SEEDS:
        single = [doubles(line)[0] for line in ask.draws(seed, *[f"gauss 1 {one}"] * 9)]
        yield from each_near(f"seed {seed}", single, normals(ask, seed, 9), 0.0)
