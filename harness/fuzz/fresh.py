"""Fresh questions: a few requests for each verb that nobody has seen, and the reference's replies to them.

Made by the fuzzer's strategies from a seed: the same seed makes the same questions. A program that looks its
answers up in the golden traces has none for these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from conformance import ladder
from conformance.ladder import Level
from conformance.messages import Reply, Request, golden_of
from conformance.verbs import verb_of
from harness.fuzz.requests import good

A_LEVEL = {"arith": 6, "math": 6, "random": 4, "tokens": 4, "graph": 8, "train": 2, "run": 1}
USUALLY = 3
SKIPPED = 3  # of what hypothesis makes: it begins with the simplest requests there are


def questions(number: int, verbs: tuple[str, ...]) -> Iterator[tuple[Level, Request, Reply]]:
    """Questions of these verbs, made from the seed `number`, each with its level and the right reply."""
    for level in ladder.levels():
        if level.verb in verbs and level.verb != "hello":
            count = A_LEVEL.get(level.verb, USUALLY)
            for i, request in enumerate(_drawn(level.verb, number, count)):
                asked = replace(request, id=f"fresh-{i + 1}")
                yield level, asked, golden_of(asked)


def _drawn(verb: str, number: int, count: int) -> list[Request]:
    found: list[Request] = []

    @settings(
        max_examples=count + SKIPPED,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )
    @seed(number * 100 + verb_of(verb).number)
    @given(good(verb))
    def collect(request: Request) -> None:
        found.append(request)

    collect()
    return found[-count:]
