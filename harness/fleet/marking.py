"""The marks beside the levels: what is asked of fresh processes once the ladder is climbed.

No mark depends on another, and starting a container is mostly waiting, so some are asked at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from conformance import ladder
from conformance.cases import command_line as command_lines
from harness.build.manifest import Manifest
from harness.build.runners import Runner
from harness.errors import ConformError
from harness.fleet.choice import Choice
from harness.fuzz import fresh
from harness.judge import marks, memory
from harness.judge.climb import LevelResult
from harness.judge.command_line import command_line
from harness.judge.compare import Compare
from harness.judge.steady import Asker, steady
from harness.report.making import case_of, leaking
from harness.report.record import Mark, Marks
from harness.run.session import Session
from harness.threads import side_by_side

BESIDE = 2  # marks that are asked while the ladder's session is asked bad requests and fresh questions
SHOWN_FAILURES = 10  # of a mark, in the record
Told = Callable[[str], None]


@dataclass(frozen=True)
class Marking:
    """A port that climbed the ladder with `session`, and came to `found`.

    contracted: what starts the port's build for processors that fuse x*y + z, if it is asked.
    """

    manifest: Manifest
    choice: Choice
    runner: Runner
    contracted: Runner | None
    session: Session
    found: Sequence[LevelResult]
    judge_by: Compare

    def marks(self, told: Told) -> Marks:
        """Every mark that this port is asked; `told` gets the words for them.

        Raises MachineFault; faults of the port are in the marks.
        """
        self.session.kill()
        told("bad, fresh and repeated questions")
        wanted = self.choice.fresh_seed
        seed = secrets.randbelow(2**32) if wanted is None else wanted
        with side_by_side(BESIDE) as pool:
            again = pool.submit(self._steady, seed)
            typed = pool.submit(self._command_line)
            other = pool.submit(self._contracted)
            robust = self._robust()
            self.session.kill()
            unseen = self._fresh(seed)
            asked = Marks(robust, unseen, again.result(), typed.result(), other.result())
        if self.choice.long and "run" in self._able:
            told("memory")
            return msgspec.structs.replace(asked, memory=self._memory())
        return asked

    @cached_property
    def _able(self) -> tuple[str, ...]:
        """The verbs that it has."""
        missing = ("unsupported", "not run")
        return tuple(level.level.verb for level in self.found if level.verdict not in missing)

    @property
    def _is_exact(self) -> bool:
        return self.manifest.agreement == "bit"

    def _robust(self) -> Mark:
        return _mark(marks.robust(self.session, ladder.robust(), self._able, self.manifest.name))

    def _fresh(self, seed: int) -> Mark | None:
        if not (self.choice.fresh and self._is_exact):
            return None
        agreeing = tuple(level.level.verb for level in self.found if level.verdict in ("agrees", "known"))
        return _mark(marks.fresh(self.session, fresh.questions(seed, agreeing), self.manifest.name), seed)

    def _steady(self, seed: int) -> Mark:
        asker = Asker(self.runner.launch, self.session, self.manifest.name, self.judge_by)
        return _mark(steady(asker, self.found, seed), seed)

    def _command_line(self) -> Mark | None:
        if not ("run" in self._able and self._is_exact):
            return None
        runs = [run for run in command_lines.runs() if run.quick or not self.manifest.slow]
        return _mark(command_line(self.runner.launch, runs, self.session.limits))

    def _contracted(self) -> Mark | None:
        if self.contracted is None:
            return None
        session = Session(self.contracted.launch, self.session.limits)
        session.translate = self.session.translate
        try:
            return _mark(marks.contracted(session, self.found, self.manifest.name, self.judge_by))
        finally:
            session.kill()

    def _memory(self) -> Mark | None:
        """With a note of how much there was; None where the process cannot be looked at."""
        try:
            found = memory.look(self.session)
        except ConformError as fault:
            if fault.outcome == "machine":
                raise
            self.session.notes.append(f"memory could not be looked at: {fault.message}")
            return None
        if found is None:
            return None
        self.session.notes.append(found.words())
        return Mark(1, 0, (leaking(found.words()),)) if found.is_leak else Mark(1, 1)


def _mark(tally: marks.Tally, seed: int | None = None) -> Mark:
    shown = tuple(case_of(result) for result in tally.failures[:SHOWN_FAILURES])
    return Mark(tally.asked, tally.agreed, shown, seed)
