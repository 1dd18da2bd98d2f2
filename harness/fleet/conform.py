"""One port from folder to record: build, climb, trace the first divergence, write down what was found.

Everything that `conform run` and `make conform` do, without a command line and without a terminal.
"""

from __future__ import annotations

import hashlib
import platform
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec

from conformance import bounds, ladder, sums
from conformance.cases import command_line as command_lines
from harness import paths
from harness.build.architecture import SLOWER, Architecture
from harness.build.manifest import Manifest
from harness.build.runners import Prepared, Runner
from harness.errors import BuildFailed, ConformError, LimitExceeded, ManifestError
from harness.explain import failure
from harness.explain.mutants.diagnose import BUDGET, diagnose
from harness.fleet.key import code_hash
from harness.fuzz import fresh
from harness.judge import marks, memory, tolerance
from harness.judge.attempt import Attempt, attempt
from harness.judge.climb import CaseResult, LevelResult, climb, reached
from harness.judge.command_line import command_line
from harness.judge.compare import Compare, compare
from harness.judge.steady import Asker, steady
from harness.report.making import Circumstances, Climb, build_failure, case_of, leaking, make
from harness.report.record import Mark, Marks, Record
from harness.run.limits import Limits
from harness.run.machine import is_x86_64_v3
from harness.run.session import Session

SHOWN_FAILURES = 10  # of a mark, in the record


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


class Listener:
    """Is told what happens while a port is judged. This one does nothing; the terminal's shows progress."""

    def building(self, line: str) -> None:
        """A line of the build's output."""

    def built(self, prepared: Prepared) -> None:
        """The port is ready to start."""

    def judged(self, result: CaseResult) -> None:
        """One case is done."""

    def marking(self, mark: str) -> None:
        """One of the marks beside the levels is being asked."""

    def tracing(self, case: str) -> None:
        """The first divergence is being traced."""

    def diagnosing(self) -> None:
        """The wrong replies are compared with those of known mistakes."""

    def searching(self, case: str) -> None:
        """Smaller requests are asked that fail like this case."""

    def finished(self) -> None:
        """There is nothing more to do for this port."""


def conform(manifest: Manifest, runner: Runner, limits: Limits, choice: Choice, listener: Listener) -> Record:
    """Judge a port. Every other fault than these is in the record.

    Raises MachineFault, ManifestError and, if a file of the suite is damaged, BrokenSuite.
    """
    began = time.monotonic()
    sums.verify()
    if choice.native:
        manifest = replace(manifest, agreement="tolerance")
    suite = ladder.content_hash(ladder.levels())
    _check_known(manifest)
    try:
        prepared = runner.prepare(manifest, listener.building)
        contracted = _contracted(manifest, runner, choice, listener)
    except (BuildFailed, LimitExceeded) as fault:
        ran = Circumstances(
            "", suite, code_hash(), time.monotonic() - began, Session(runner.launch, limits).timing
        )
        return _on(choice, build_failure(manifest, fault, choice.runner, ran))
    listener.built(prepared)
    if choice.architecture:
        limits = limits.slower(SLOWER)
    session = Session(runner.launch, limits)
    if not prepared.reused:
        session.notes += build_warnings(manifest.name)
    try:
        found = _asked(session, Runners(runner, contracted), manifest, choice, listener)
    finally:
        session.kill()
    key = result_key(manifest, prepared.content_hash, choice)
    ran = Circumstances(key, suite, code_hash(), time.monotonic() - began, session.timing, session.notes)
    return _on(choice, make(manifest, prepared, found, ran))


def _on(choice: Choice, record: Record) -> Record:
    """The record with the architecture that was asked for."""
    if choice.architecture is None:
        return record
    machine = msgspec.structs.replace(record.machine, architecture=choice.architecture.machine, emulated=True)
    return msgspec.structs.replace(record, machine=machine)


@dataclass(frozen=True)
class Runners:
    """The port's builds: the usual one, and that for processors that fuse x*y + z, if it is asked."""

    usual: Runner
    contracted: Runner | None = None


def _contracted(manifest: Manifest, runner: Runner, choice: Choice, listener: Listener) -> Runner | None:
    """The port's other build; None without one, for a part of the ladder, or where it would not run.

    Raises what Runner.prepare raises.
    """
    if manifest.contracted is None or not choice.is_whole or not is_x86_64_v3() or choice.architecture:
        return None
    other = runner.another()
    other.prepare(manifest.as_contracted(), listener.building)
    return other


def build_warnings(port: str) -> list[str]:
    """How many warnings the build gave, as a remark; none if it gave none. Debian's own about manuals, which
    slim images leave out, are not the port's.
    """
    log = paths.logs_dir() / f"{port}-build.log"
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    text = re.sub(r"(?m)^update-alternatives: .*$", "", text)
    number = len(re.findall(r"\bwarning(?::|\[|s? generated)", text, re.IGNORECASE))
    listed = "1 warning" if number == 1 else f"{number} warnings"
    return [f"the build gave {listed}: {paths.shown(log)}"] if number else []


def _check_known(manifest: Manifest) -> None:
    for known in manifest.known:
        try:
            ladder.find_case(known.case)
        except ladder.UnknownCase as problem:
            raise ManifestError(f"port.yaml of {manifest.name}, key 'known': {problem}") from None


def _asked(session: Session, built: Runners, manifest: Manifest, choice: Choice, listener: Listener) -> Climb:
    """Everything that a port is asked, and what that comes to."""
    within = manifest.agreement == "tolerance"
    judge_by: Compare = tolerance.compare_within if within else compare
    known = {entry.case for entry in manifest.known}
    native = within and tolerance.wants_native(session, manifest.name, choice.native)
    if native:
        session.translate = tolerance.in_native
    for name in choice.after:
        session.ask(ladder.find_case(name).request)
    found = climb(session, choice.cases(manifest.slow), manifest.name, listener.judged, known, judge_by)
    finding = failure.traced(session, found, listener.tracing, judge_by)
    repeat = () if choice.after else failure.leftover(session, found, manifest.name, judge_by)
    chance = failure.chance(session, found, manifest.name, judge_by)
    next_step = _next_step(session, found, manifest.name, judge_by)
    marked = _marks(session, built, found, manifest, choice, listener) if choice.is_whole else Marks()
    # No known mistake gives the bits of a library's functions.
    is_wrong = not within and any(level.verdict == "disagrees" for level in found)
    if is_wrong:
        listener.diagnosing()
    diagnosis = diagnose(_spoken(found), choice.patience) if is_wrong else []
    told = failure.Told()
    if not any(known.reproduced == known.tried for known in diagnosis):
        told = failure.smaller(session, found, finding, bool(repeat), listener.searching, judge_by)
    return Climb(
        levels=found,
        marks=marked,
        finding=finding,
        next_step=next_step,
        diagnosis=diagnosis,
        clues=(*chance, *told.clues),
        smallest=told.smallest,
        repeat=repeat,
        chosen=choice.only_level,
        long=choice.long,
        native=native,
    )


def _spoken(found: Sequence[LevelResult]) -> Sequence[LevelResult]:
    """The levels for whose failures a mistake is looked for: none if already the port's name is wrong."""
    return () if found[0].level.verb == "hello" and found[0].verdict == "disagrees" else found


def _marks(
    session: Session,
    built: Runners,
    found: Sequence[LevelResult],
    manifest: Manifest,
    choice: Choice,
    listener: Listener,
) -> Marks:
    """Robust, steady, fresh and the command line, asked of fresh processes: nothing of a port without
    level 1.
    """
    able = tuple(level.level.verb for level in found if level.verdict not in ("unsupported", "not run"))
    if not reached(found):
        return Marks()
    session.kill()
    listener.marking("bad requests")
    robust = marks.robust(session, ladder.robust(), able, manifest.name, lambda: None)
    session.kill()
    seed = choice.fresh_seed if choice.fresh_seed is not None else secrets.randbelow(2**32)
    listener.marking("the same cases again")
    judge_by: Compare = tolerance.compare_within if manifest.agreement == "tolerance" else compare
    again = steady(Asker(built.usual.launch, session, manifest.name, judge_by), found, seed)
    asked = None
    if choice.fresh and manifest.agreement == "bit":
        listener.marking("fresh questions")
        agreeing = tuple(level.level.verb for level in found if level.verdict in ("agrees", "known"))
        asked = marks.fresh(session, fresh.questions(seed, agreeing), manifest.name)
    typed = None
    if "run" in able and manifest.agreement == "bit":
        listener.marking("the command line")
        runs = [run for run in command_lines.runs() if run.quick or not manifest.slow]
        typed = command_line(built.usual.launch, runs, session.limits)
    other = None
    if built.contracted is not None:
        listener.marking("the build for x86-64-v3")
        other = _of_contracted(built.contracted, session, found, manifest.name, judge_by)
    elif manifest.contracted is not None and not (is_x86_64_v3() or choice.architecture):
        session.notes += ["the line 'contracted' was not tried: this machine does not run x86-64-v3"]
    remembers = None
    if choice.long and "run" in able:
        listener.marking("memory")
        remembers = _memory(session)
    return Marks(
        robust=mark_of(robust),
        fresh=mark_of(asked, seed) if asked is not None else None,
        steady=mark_of(again, seed),
        command_line=mark_of(typed) if typed is not None else None,
        contracted=mark_of(other) if other is not None else None,
        memory=remembers,
    )


def _of_contracted(
    runner: Runner, usual: Session, found: Sequence[LevelResult], name: str, judge_by: Compare
) -> marks.Tally:
    session = Session(runner.launch, usual.limits)
    session.translate = usual.translate
    try:
        return marks.contracted(session, found, name, judge_by)
    finally:
        session.kill()


def _memory(session: Session) -> Mark | None:
    """The mark on memory, with a note of how much there was; None where the process cannot be looked at."""
    try:
        found = memory.look(session)
    except ConformError as fault:
        if fault.outcome == "machine":
            raise
        session.notes.append(f"memory could not be looked at: {fault.message}")
        return None
    if found is None:
        return None
    session.notes.append(found.words())
    if not found.is_leak:
        return Mark(1, 1)
    return Mark(1, 0, (leaking(found.words()),))


def mark_of(tally: marks.Tally, seed: int | None = None) -> Mark:
    shown = tuple(case_of(result) for result in tally.failures[:SHOWN_FAILURES])
    return Mark(tally.asked, tally.agreed, shown, seed)


def _next_step(
    session: Session, found: Sequence[LevelResult], name: str, judge_by: Compare
) -> Attempt | None:
    """For a port that has climbed a part of the ladder: the first case that it must learn next."""
    height = reached(found)
    if not 0 < height < len(found) or found[height].verdict == "not run":
        return None
    stopped = found[height].first_failure
    return attempt(session, stopped.case, name, judge_by) if stopped is not None else None


def result_key(manifest: Manifest, content_hash: str, choice: Choice) -> str:
    """Names all that a result depends on. Two runs with the same key come to the same result."""
    asked = replace(choice, fresh_seed=None)
    parts = (
        *(content_hash, ladder.content_hash(ladder.levels()), code_hash()),
        *(repr(asked), platform.machine()),
        *(manifest.agreement, str(manifest.level), repr(manifest.known), str(manifest.robust)),
        repr(manifest.contracted),
        *(str(manifest.command_line), command_lines.content_hash()),
        *((bounds.file_hash(),) if manifest.agreement == "tolerance" else ()),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
