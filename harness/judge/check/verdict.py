"""One answer about an output: how far it agrees, in one sentence, with the first divergence and what
explains it.

Everything that is shown, written or exported is made from a `Verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from harness.judge.check.chances import Chances
from harness.judge.compare import Difference

Agreement = Literal["bit", "tolerance", "printed", "consistent", "unknown", "wrong"]
"""`unknown`: its random numbers are its own, and what is usual was not measured for such a run."""


@dataclass(frozen=True)
class Cause:
    """What explains a divergence. `sentence` says it whole; `names` are mutants or mistakes, maybe none."""

    names: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """`sentence` is the answer, `setup` what was compared with, `seen` how much of the run was there.

    agreed, compared: how many values. width: the float type whose bound it keeps, for `tolerance`.
    """

    output: str
    kind: Literal["log", "trace"]
    agreement: Agreement
    sentence: str
    setup: str
    seen: str
    agreed: int = 0
    compared: int = 0
    width: str = ""
    difference: Difference | None = None
    causes: tuple[Cause, ...] = ()
    notes: tuple[str, ...] = ()
    chances: Chances | None = None

    @property
    def agrees(self) -> bool:
        return self.agreement not in ("unknown", "wrong")

    @property
    def badge(self) -> str:
        """A few words for a badge."""
        match self.agreement:
            case "bit":
                return "bit-exact run"
            case "tolerance":
                return f"within tolerance, {self.width}"
            case "printed":
                return f"printed {self.agreed}/{self.compared}"
            case "consistent" | "unknown":
                return self.agreement
        return "failing"

    def json(self) -> dict[str, Any]:
        """As an object for other programs, of the form that `schema` describes."""
        shared = {name: getattr(self, name) for name in Report.__struct_fields__ if hasattr(self, name)}
        diagnosis = tuple(Diagnosis(cause.names, cause.sentence) for cause in self.causes)
        made: dict[str, Any] = msgspec.to_builtins(Report(**shared, diagnosis=diagnosis))
        return made


class Diagnosis(msgspec.Struct):
    """What explains it. variants: the names of known mistakes that do just this, maybe none."""

    variants: tuple[str, ...]
    sentence: str


class Report(msgspec.Struct, kw_only=True):
    """A verdict as `conform check --json` prints it. agreed, compared: how many values. width: the float type
    whose bound is kept, for `tolerance`. `difference` is as in a port's record."""

    schema: Literal[1] = 1
    output: str
    kind: Literal["log", "trace"]
    agreement: Agreement
    agrees: bool
    sentence: str
    setup: str
    seen: str
    agreed: int
    compared: int
    width: str
    difference: Difference | None
    diagnosis: tuple[Diagnosis, ...]
    notes: tuple[str, ...]
    chances: Chances | None


def schema() -> dict[str, Any]:
    """The JSON Schema of what `conform check --json` prints: a verdict, or a list of several."""
    found: dict[str, Any] = msgspec.json.schema(Report | list[Report])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What conform check --json prints",
        **found,
    }


def worst(verdicts: Sequence[Verdict]) -> int:
    """The exit status: 0 if all agree, else 1."""
    return 0 if all(verdict.agrees for verdict in verdicts) else 1
