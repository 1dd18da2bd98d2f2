"""What a port is asked: all of the ladder, one level, one case, with or without what takes long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance import ladder
from harness.build.architecture import Architecture
from harness.explain.mutants.diagnose import BUDGET


@dataclass(frozen=True)
class Choice:
    """What to ask: all but the long cases by default.

    native: the port's own functions. fresh: whether to ask fresh questions too; `fresh_seed` repeats those of
    an earlier run. after: cases to ask before `case`, for a failure that needs what they leave behind.
    patience: seconds to look for a known mistake.
    architecture: another than this machine's.
    """

    runner: str = "docker"
    level: int | None = None
    case: str | None = None
    after: tuple[str, ...] = ()
    long: bool = False
    native: bool = False
    fresh: bool = True
    fresh_seed: int | None = None
    patience: float = BUDGET
    architecture: Architecture | None = None

    def cases(self, slow: bool = False) -> list[tuple[ladder.Level, Sequence[ladder.Case]]]:
        """The chosen cases by level; the large ones of a slow port only with the long ones.

        Raises UnknownCase for a case that does not exist.
        """
        if self.case is not None:
            case = ladder.find_case(self.case)
            return [(case.level, [case])]
        return [
            (level, [case for case in level.cases if self.long or not (case.long or (slow and case.large))])
            for level in ladder.levels()
            if self.level in (None, level.number)
        ]

    def count(self) -> int:
        return sum(len(cases) for _, cases in self.cases())

    @property
    def is_whole(self) -> bool:
        """Whether the ladder is asked, and not one level or case of it."""
        return self.case is None and self.level is None

    @property
    def only_level(self) -> int | None:
        """The level, if the choice is less than the ladder."""
        return self.cases()[0][0].number if self.case is not None else self.level
