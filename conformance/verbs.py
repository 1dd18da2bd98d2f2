"""The registry of verbs: one row for each, and nothing about a verb is listed anywhere else.

To add a verb: a row here; its answer in `reference/protocol/replies.py`; its cases in
`conformance/cases/<name>.py`; its section in SPEC.md; the likely causes of a divergence in
`harness/explain/causes.py`. `tests/conformance/test_verbs.py` says what is still missing.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verb:
    """One verb, which is also one level.

    lesson: what the level shows, with the sections of SPEC.md.
    answers: each line of the reply answers one line of the request, which a report then shows beside it.
    counted: the lines with one key are quantities of their own: "exp[0]", "exp[1]", ...
    checksums: the reply holds checksums, so a first difference is traced to what they hide.
    moved: exp, log, sin, cos or pow has a part in the reply, so that its tolerance has to be measured.
    requests: where the fuzzer's strategy is, as "module:name" (data, so that nothing here needs the harness).
    a_round: how many of its requests are in a round of fuzzing: many of what costs little.
    """

    number: int
    name: str
    lesson: str
    requests: str
    a_round: int
    answers: bool = False
    counted: bool = False
    checksums: bool = False
    moved: bool = True

    @property
    def folder(self) -> str:
        """The level's folder in conformance/levels/."""
        return f"{self.number:02d}-{self.name}"

    def strategy(self) -> Any:
        """The fuzzer's strategy for requests of this verb."""
        module, _, name = self.requests.partition(":")
        return getattr(importlib.import_module(module), name)


_FUZZ = "harness.fuzz.requests"
VERBS = (
    Verb(
        1,
        "hello",
        "name, protocol version and verbs (sections 11 and 12)",
        f"{_FUZZ}:hello",
        1,
        moved=False,
    ),
    Verb(
        2,
        "arith",
        "single operations on hard bit patterns (sections 2 and 12)",
        f"{_FUZZ}:arith",
        30,
        answers=True,
        moved=False,
    ),
    Verb(
        3,
        "math",
        "exp, log, sin, cos and pow, correctly rounded (section 2)",
        f"{_FUZZ}:math",
        30,
        answers=True,
        counted=True,
    ),
    Verb(
        4,
        "random",
        "the Mersenne Twister and what is drawn from it (section 3)",
        f"{_FUZZ}:random",
        25,
        answers=True,
        counted=True,
    ),
    Verb(
        5,
        "tokens",
        "from lines to documents, vocabulary and tokens (section 4)",
        f"{_FUZZ}:tokens",
        30,
        moved=False,
    ),
    Verb(
        6,
        "graph",
        "values forward, gradients backward, in the one right order (section 5)",
        f"{_FUZZ}:graph",
        60,
        answers=True,
        counted=True,
    ),
    Verb(7, "forward", "every activation of the model (sections 6 and 7)", f"{_FUZZ}:forward", 15),
    Verb(8, "backward", "the gradient of every parameter (sections 5 and 7)", f"{_FUZZ}:backward", 15),
    Verb(9, "adam", "one update of parameters, m and v (section 8)", f"{_FUZZ}:adam", 25),
    Verb(10, "train", "many steps, with checksums (sections 8 and 13)", f"{_FUZZ}:train", 6, checksums=True),
    Verb(11, "sample", "tokens drawn from the model (section 9)", f"{_FUZZ}:sample", 8),
    Verb(12, "run", "everything from seed 42 (section 10)", f"{_FUZZ}:run", 1, checksums=True),
)
NAMES = tuple(verb.name for verb in VERBS)
TOP = len(VERBS)
_BY_NAME = {verb.name: verb for verb in VERBS}


def verb_of(name: str) -> Verb:
    """The row of a verb. Raises KeyError."""
    return _BY_NAME[name]


def has(name: str, trait: str) -> bool:
    """Whether the verb has a trait of the registry; no trait for a verb that nobody has."""
    return name in _BY_NAME and bool(getattr(_BY_NAME[name], trait))
