"""Adam and the schedule of its rate."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reference.protocol.wire import hexadecimal
from science.laws.asking import Asker, Rows, Tensors
from science.laws.ledger import EPSILON, Assertion, each_near, each_same, law, near, same, true
from science.laws.models import scaled, zeros

ADAM, SCHEDULE = "Adam", "schedule"
MOMENT = "m = self.beta1 * m + (1.0 - self.beta1) * g"
SQUARE = "v = self.beta2 * v + (1.0 - self.beta2) * maths.pow(g, 2.0)"
UPDATE = "yield p - divide(rate * m_hat"
RATE = "def rate(self, step"


@dataclass(frozen=True)
class Settings:
    """The settings of a training, as the protocol names them."""

    learning_rate: float = 0.01
    beta1: float = 0.85
    beta2: float = 0.99
    epsilon: float = 1e-8
    schedule: str = "linear"
    steps: int = 100

    def lines(self) -> list[str]:
        doubles = ("learning_rate", "beta1", "beta2", "epsilon")
        return [
            *(f"{name} {hexadecimal(getattr(self, name))}" for name in doubles),
            f"schedule {self.schedule}",
            f"steps {self.steps}",
        ]


USUAL = Settings()
VARIED = (
    ("usual", USUAL),
    ("cosine", Settings(0.02, 0.9, 0.95, 1e-8, "cosine", 50)),
    ("short memory", Settings(0.5, 0.25, 0.5, 1e-3, "linear", 10)),
)


def drawn(seed: int, rows: int = 3, columns: int = 4) -> Rows:
    draw = random.Random(seed)
    return [[draw.gauss(0.0, 1.0) for _ in range(columns)] for _ in range(rows)]


@dataclass(frozen=True)
class Before:
    """What an update starts from: parameters, gradients, and the moments m and v, of one shape."""

    p: Rows
    g: Rows
    m: Rows
    v: Rows

    def tensors(self) -> Tensors:
        return {"parameters": self.p, "gradients": self.g, "m": self.m, "v": self.v}


def update(ask: Asker, settings: Settings, step: int, before: Before) -> Tensors:
    return ask.adam([*settings.lines(), f"step {step}"], before.tensors())


def flat(rows: Rows) -> list[float]:
    return [value for row in rows for value in row]


def squares(rows: Rows) -> Rows:
    return [[value * value for value in row] for row in rows]


UNDER_WAY = Before(drawn(4), drawn(5), drawn(6), squares(drawn(7)))
"""As in the midst of a training: nothing is zero."""


@law(
    ADAM,
    "The first step has the size of the rate, against the gradient.",
    UPDATE,
    "epsilon over the gradient",
)
def the_first_step_has_the_size_of_the_rate(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        g = drawn(1)
        zero = zeros(g)
        found = update(ask, settings, 0, Before(zero, g, zero, zero))
        for index, (p, slope) in enumerate(zip(flat(found["parameters"]), flat(g), strict=True)):
            right = -math.copysign(settings.learning_rate, slope)
            within = settings.learning_rate * (2 * settings.epsilon / abs(slope) + 16 * EPSILON)
            yield near(f"{name}[{index}]", p, right, within)


@law(
    ADAM,
    "After n steps, m and v are the weighted sums of all gradients and of their squares.",
    MOMENT,
    "4 roundings for each step",
)
def moments_are_weighted_sums(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        p, m, v = drawn(2), zeros(drawn(2)), zeros(drawn(2))
        gradients = [drawn(10 + step) for step in range(5)]
        for step, g in enumerate(gradients):
            found = update(ask, settings, step, Before(p, g, m, v))
            p, m, v = found["parameters"], found["m"], found["v"]
        for index in range(12):
            gs = [flat(g)[index] for g in gradients]
            for label, beta, values, got in (
                ("m", settings.beta1, gs, flat(m)[index]),
                ("v", settings.beta2, [g * g for g in gs], flat(v)[index]),
            ):
                terms = [(1 - beta) * beta ** (4 - step) * value for step, value in enumerate(values)]
                within = 16 * EPSILON * math.fsum(map(abs, terms))
                yield near(f"{name}: {label}[{index}]", got, math.fsum(terms), within)


@law(ADAM, "Nothing moves without a gradient and without moments.", UPDATE)
def nothing_moves_without_gradients(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        p = drawn(3)
        found = update(ask, settings, 4, Before(p, zeros(p), zeros(p), zeros(p)))
        yield from each_same(f"{name}: parameters", flat(found["parameters"]), flat(p))
        yield from each_same(f"{name}: m", flat(found["m"]), [0.0] * 12)
        yield from each_same(f"{name}: v", flat(found["v"]), [0.0] * 12)


@law(ADAM, "The other way round, everything goes the other way.", UPDATE)
def the_other_way_round(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        found = update(ask, settings, 3, UNDER_WAY)
        p, g, m = (scaled(rows, -1.0) for rows in (UNDER_WAY.p, UNDER_WAY.g, UNDER_WAY.m))
        turned = update(ask, settings, 3, Before(p, g, m, UNDER_WAY.v))
        yield from each_same(
            f"{name}: parameters", flat(turned["parameters"]), [-x for x in flat(found["parameters"])]
        )
        yield from each_same(f"{name}: m", flat(turned["m"]), [-x for x in flat(found["m"])])
        yield from each_same(f"{name}: v", flat(turned["v"]), flat(found["v"]))


@law(
    ADAM,
    "The size of gradients does not matter: without epsilon, doubled ones move parameters as far.",
    UPDATE,
)
def the_size_of_gradients_does_not_matter(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        bare = replace(settings, epsilon=0.0)
        found = update(ask, bare, 3, UNDER_WAY)
        g, m, v = scaled(UNDER_WAY.g, 4.0), scaled(UNDER_WAY.m, 4.0), scaled(UNDER_WAY.v, 16.0)
        larger = update(ask, bare, 3, Before(UNDER_WAY.p, g, m, v))
        yield from each_same(f"{name}", flat(larger["parameters"]), flat(found["parameters"]))


@law(ADAM, "Every parameter is updated by itself: their order does not matter.", "for p, g, m, v in zip(ps")
def parameters_are_updated_one_by_one(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        found = update(ask, settings, 3, UNDER_WAY)
        p, g, m, v = ([row[::-1] for row in rows[::-1]] for rows in UNDER_WAY.tensors().values())
        turned = update(ask, settings, 3, Before(p, g, m, v))
        for key in ("parameters", "m", "v"):
            yield from each_same(f"{name}: {key}", flat(turned[key])[::-1], flat(found[key]))


@law(ADAM, "Without memory, m is the gradient and v its square.", SQUARE)
def without_memory_moments_are_the_gradient(ask: Asker) -> Iterator[Assertion]:
    bare = replace(USUAL, beta1=0.0, beta2=0.0)
    for seed in range(3):
        g = drawn(seed)
        found = update(ask, bare, 2, Before(drawn(8), g, drawn(9), squares(drawn(7))))
        yield from each_same(f"m, {seed}", flat(found["m"]), flat(g))
        yield from each_same(f"v, {seed}", flat(found["v"]), [x * x for x in flat(g)])


@law(ADAM, "A rate of 0 moves nothing.", UPDATE)
def a_rate_of_0_moves_nothing(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        found = update(ask, replace(settings, learning_rate=0.0), 3, UNDER_WAY)
        yield from each_same(name, flat(found["parameters"]), flat(UNDER_WAY.p))


@law(ADAM, "v is never negative.", SQUARE)
def v_is_never_negative(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        for seed in range(4):
            g = drawn(seed)
            found = update(ask, settings, 1, Before(g, g, g, zeros(g)))
            yield true(f"{name}, {seed}", all(value >= 0.0 for value in flat(found["v"])))


@law(
    ADAM,
    "The corrections undo that moments start at zero: of a constant gradient they leave the gradient.",
    "def corrections",
    "16 roundings over the correction, which is a difference",
)
def corrections_undo_the_start(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        p, m, v = drawn(2), zeros(drawn(2)), zeros(drawn(2))
        g = drawn(5)
        for step in range(4):
            found = update(ask, settings, step, Before(p, g, m, v))
            m, v = found["m"], found["v"]
            for key, rows, right in (("correction1", m, g), ("correction2", v, squares(g))):
                correction = found[key][0][0]
                for index in (0, 5, 11):
                    got, wanted = flat(rows)[index] / correction, flat(right)[index]
                    within = 16 * EPSILON * abs(wanted) / correction
                    yield near(f"{name}, step {step}: {key}[{index}]", got, wanted, within)


@law(
    ADAM,
    "The update is the rate times corrected m over the root of corrected v, plus epsilon.",
    UPDATE,
    "16 roundings of the parameter and of what is subtracted",
)
def the_update_is_what_the_moments_say(ask: Asker) -> Iterator[Assertion]:
    for name, settings in VARIED:
        for step in (0, 3, settings.steps - 1):
            found = update(ask, settings, step, UNDER_WAY)
            rate, c1, c2 = (found[key][0][0] for key in ("rate", "correction1", "correction2"))
            rows = (UNDER_WAY.p, found["parameters"], found["m"], found["v"])
            for index, (p, after, m, v) in enumerate(zip(*map(flat, rows), strict=True)):
                moved = rate * (m / c1) / (math.sqrt(v / c2) + settings.epsilon)
                within = 16 * EPSILON * (abs(p) + abs(moved))
                yield near(f"{name}, step {step}[{index}]", after, p - moved, within)


# ---------------------------------------------------------------- schedule


def rates(ask: Asker, settings: Settings) -> list[float]:
    one = [[1.0]]
    before = Before(one, one, one, one)
    return [update(ask, settings, step, before)["rate"][0][0] for step in range(settings.steps)]


LINEAR, COSINE = Settings(steps=16), Settings(schedule="cosine", steps=16)


@law(SCHEDULE, "The first step has the whole rate.", RATE)
def the_first_step_has_the_whole_rate(ask: Asker) -> Iterator[Assertion]:
    for settings in (LINEAR, COSINE):
        for rate in (0.01, 1.0, 3e-4):
            found = rates(ask, replace(settings, learning_rate=rate, steps=3))
            yield same(f"{settings.schedule}, {rate}", found[0], rate)


@law(SCHEDULE, "The rate falls from step to step and stays above 0.", RATE)
def the_rate_falls(ask: Asker) -> Iterator[Assertion]:
    for settings in (LINEAR, COSINE):
        found = rates(ask, settings)
        for step in range(1, settings.steps):
            holds = 0.0 < found[step] < found[step - 1]
            yield true(
                f"{settings.schedule}, step {step}", holds, f"{found[step - 1]!r} then {found[step]!r}"
            )


@law(
    SCHEDULE,
    "What is missing at the beginning is left at the end: rate(s) + rate(N - s) is the rate.",
    RATE,
    "8 roundings of the rate",
)
def the_schedule_is_symmetric(ask: Asker) -> Iterator[Assertion]:
    for settings in (LINEAR, COSINE):
        found = rates(ask, settings)
        for step in range(1, settings.steps):
            total = found[step] + found[settings.steps - step]
            name = f"{settings.schedule}, step {step}"
            yield near(name, total, settings.learning_rate, 8 * EPSILON * settings.learning_rate)


@law(
    SCHEDULE,
    "The linear rate falls by the same amount in every step.",
    "1.0 - s / n",
    "8 roundings of the rate",
)
def the_linear_rate_falls_evenly(ask: Asker) -> Iterator[Assertion]:
    found = rates(ask, LINEAR)
    for step in range(1, 16):
        yield near(f"step {step}", found[step - 1] - found[step], 0.01 / 16, 8 * EPSILON * 0.01)


@law(SCHEDULE, "The cosine rate is half a wave.", "maths.cos((PI * s) / n)", "8 roundings of the rate")
def the_cosine_rate_is_half_a_wave(ask: Asker) -> Iterator[Assertion]:
    right = [0.01 * math.cos(math.pi * step / 32) ** 2 for step in range(16)]
    yield from each_near("step", rates(ask, COSINE), right, 8 * EPSILON * 0.01)
