"""Sampling."""

from __future__ import annotations

import math
from collections.abc import Iterator

from science.laws.asking import Asker, doubles, integers
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, same, true
from science.laws.models import MODELS

FLOW = "sampling"
DRAW = "[token] = generator.choices("
HEAT = "softmax([logit / temperature"
COUNT = 8


@law(FLOW, "The probabilities of every draw sum to one.", HEAT, "2 roundings for each")
def probabilities_of_draws_sum_to_one(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        for temperature in (0.5, 1.0, 4.0):
            samples, _ = ask.sample(model, temperature, COUNT, ask.state(1))
            for number, sample in enumerate(samples):
                for place, row in enumerate(sample.probabilities):
                    name = f"model {index}, temperature {temperature}, sample {number}, draw {place}"
                    yield near(name, math.fsum(row), 1.0, 4 * len(row) * EPSILON)


@law(FLOW, "A sample ends with BOS or with the block, and has no BOS before.", "if token == bos")
def a_sample_ends_with_bos_or_the_block(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 1.0, COUNT, ask.state(2))
        yield true(f"model {index}: counted", len(samples) == COUNT)
        for number, sample in enumerate(samples):
            bos, tokens = model.vocabulary - 1, sample.tokens
            holds = bos not in tokens[:-1] and (tokens[-1] == bos or len(tokens) == model.block)
            yield true(f"model {index}, sample {number}", holds, f"{tokens}")


@law(
    FLOW,
    "Each sample begins afresh: the first draw of all has the same probabilities.",
    "caches = empty_caches",
)
def each_sample_begins_afresh(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 0.7, COUNT, ask.state(3))
        for number, sample in enumerate(samples[1:], start=1):
            yield from each_same(
                f"model {index}, sample {number}", sample.probabilities[0], samples[0].probabilities[0]
            )


@law(FLOW, "At temperature 1 the probabilities are those that forward gives for the same beginning.", HEAT)
def sampling_sees_what_forward_sees(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 1.0, COUNT, ask.state(4))
        for number, sample in enumerate(samples):
            found = ask.forward(model, [model.vocabulary - 1, *sample.tokens])
            for place, row in enumerate(sample.probabilities):
                name = f"model {index}, sample {number}, draw {place}"
                yield from each_same(name, row, found[f"pos{place}.probabilities"][0])


@law(FLOW, "The same generator gives the same samples.", DRAW)
def the_generator_decides_the_samples(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        for seed in range(4):
            state = ask.state(seed)
            first, word = ask.sample(model, 1.0, COUNT, state)
            ask.forget()
            yield true(f"model {index}, seed {seed}", ask.sample(model, 1.0, COUNT, state) == (first, word))


@law(FLOW, "A draw takes one uniform number, which is two words of the stream.", DRAW)
def a_draw_takes_two_words(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        for seed in range(4):
            samples, word = ask.sample(model, 1.0, COUNT, ask.state(seed))
            draws = sum(len(sample.tokens) for sample in samples)
            words = integers(ask.draws(seed, f"words {2 * draws + 1}")[0])
            yield true(f"model {index}, seed {seed}", word == words[-1], f"{word} is not {words[-1]}")


@law(FLOW, "A token is where the uniform number falls among the running sums of the probabilities.", DRAW)
def a_token_is_where_the_number_falls(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 1.0, COUNT, ask.state(5))
        rows = [row for sample in samples for row in sample.probabilities]
        tokens = [token for sample in samples for token in sample.tokens]
        uniform = doubles(ask.draws(5, f"random {len(rows)}")[0])
        for number, (row, token, u) in enumerate(zip(rows, tokens, uniform, strict=True)):
            sums = [0.0]
            for value in row:
                sums.append(sums[-1] + value)
            sums[-1] = math.inf
            yield true(f"model {index}, draw {number}", sums[token] <= u * sum(row) < sums[token + 1])


@law(FLOW, "Cold, the likeliest token is always drawn.", HEAT)
def cold_draws_the_likeliest(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 1e-4, COUNT, ask.state(6))
        for number, sample in enumerate(samples):
            likeliest = [row.index(max(row)) for row in sample.probabilities]
            yield true(f"model {index}, sample {number}", likeliest == sample.tokens)


@law(FLOW, "Hot, all tokens are equally likely.", HEAT, "the greatest logit over the temperature, here 1e-6")
def hot_draws_are_uniform(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        samples, _ = ask.sample(model, 1e8, COUNT, ask.state(7))
        for number, sample in enumerate(samples):
            row = sample.probabilities[0]
            yield from each_near(
                f"model {index}, sample {number}", row, [1 / model.vocabulary] * len(row), 1e-6
            )


@law(
    FLOW,
    "Temperature divides: half of it squares the ratio of two probabilities.",
    HEAT,
    "64 roundings, and those of the ratio's logarithm",
)
def temperature_divides(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        [warm], _ = ask.sample(model, 1.0, 1, ask.state(8))
        [cold], _ = ask.sample(model, 0.5, 1, ask.state(8))
        a, b = warm.probabilities[0], cold.probabilities[0]
        for token in range(1, len(a)):
            right = 2 * math.log(a[token] / a[0])
            found = math.log(b[token] / b[0])
            yield near(f"model {index}, token {token}", found, right, 64 * EPSILON * (1 + abs(right)))


@law(FLOW, "No samples, no draws: the next word is the first.", DRAW)
def no_samples_take_no_words(ask: Asker) -> Iterator[Assertion]:
    for index, model in enumerate(MODELS):
        for seed in range(4):
            samples, word = ask.sample(model, 1.0, 0, ask.state(seed))
            yield true(f"model {index}, seed {seed}: none", not samples)
            yield same(f"model {index}, seed {seed}: word", word, integers(ask.draws(seed, "words 1")[0])[0])
