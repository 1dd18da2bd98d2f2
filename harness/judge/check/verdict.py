"""One answer about an output: how far it agrees, in one sentence, with the first divergence and what
explains it.

Everything that is shown, written or exported is made from a `Verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.judge.check.chances import Chances
from harness.judge.compare import Difference

Agreement = Literal["bit", "tolerance", "printed", "consistent", "unknown", "wrong"]
"""`unknown`: its random numbers are its own, and what is usual was not measured for such a run."""
SCHEMA_VERSION = 1


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
        """As an object for other programs; `difference` and `diagnosis` are as in a port's record."""
        return {
            "schema": SCHEMA_VERSION,
            "output": self.output,
            "kind": self.kind,
            "agreement": self.agreement,
            "agrees": self.agrees,
            "sentence": self.sentence,
            "setup": self.setup,
            "seen": self.seen,
            "agreed": self.agreed,
            "compared": self.compared,
            "width": self.width,
            "difference": asdict(self.difference) if self.difference else None,
            "diagnosis": [
                {"variants": list(cause.names), "sentence": cause.sentence} for cause in self.causes
            ],
            "notes": list(self.notes),
            "chances": asdict(self.chances) if self.chances else None,
        }


def worst(verdicts: Sequence[Verdict]) -> int:
    """The exit status: 0 if all agree, else 1."""
    return 0 if all(verdict.agrees for verdict in verdicts) else 1
