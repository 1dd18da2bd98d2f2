"""Measures speed: training steps, exact functions, a run of 1,000 steps, and memory, port beside port.

Single times mean little on a machine that others use. So the ports take turns, round after round, steps are
medians, and what counts is the ratio to the reference measured in the same rounds. A call of a function is
so short that noise would hide it: there the least times are compared, since noise only adds.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from random import Random

import psutil

from conformance.cases import run as run_cases
from conformance.cases.case import line
from conformance.messages import Request
from harness import paths
from harness.build import manifest, runners
from harness.errors import ConformError
from harness.measure import size, startup
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.session import Session

REFERENCE = "reference"
ROUNDS = 5
LONGEST_WHOLE_RUN = 15.0  # seconds; a longer one is estimated from its steps
CALLS = 20000  # of a function in one request
SOME_NAMES = 200  # for training: enough to be of every length
FEW_STEPS, MOST_STEPS = 8, 3000
ENOUGH_SECONDS = 0.4  # that one measurement of training should take
FUNCTIONS = ("exp", "log", "sin", "cos", "pow")
TRIVIAL = {"exp": 0.0, "log": 1.0, "sin": 0.0, "cos": 0.0, "pow": 1.0}  # last arguments that need no work


@dataclass(frozen=True)
class Measured:
    """One port's medians. `peak_mib` is the most that all its processes have had, None if unknown.

    The last three are None for the reference, which is not a port.
    """

    port: str
    build: str  # the hash of what was built, as in the port's record
    step_microseconds: float
    ratio: float  # of the reference's time for a step to this one's
    nanoseconds: dict[str, float]  # for a call of each exact function
    noise: dict[str, float]  # what a call must take at least to be told from nothing, in nanoseconds
    thousand_steps_seconds: float
    peak_mib: float | None
    start_milliseconds: float | None = None
    tokens: int | None = None
    compressed_bytes: int | None = None


def bench(
    names: Sequence[str], runner: str, say: Callable[[str], None], rounds: int = ROUNDS
) -> list[Measured]:
    """Measure the reference and the named ports, taking turns. Raises ConformError if a port fails."""
    with ExitStack() as stack:
        sessions = {REFERENCE: stack.enter_context(_reference())}
        builds = {REFERENCE: _Built("")}
        for name in names:
            say(f"building {name}")
            session, builds[name] = _session(name, runner)
            sessions[name] = stack.enter_context(session)
        counts = {name: _enough_steps(session) for name, session in sessions.items()}
        steps: dict[str, list[float]] = {name: [] for name in sessions}
        calls: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in sessions}
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            for name, session in sessions.items():
                steps[name].append(_step_seconds(session, counts[name]))
                calls[name].append(dict(_call_seconds(session)))
        whole = {}
        for name, session in sessions.items():
            expected = 1000 * statistics.median(steps[name])
            is_quick = expected < LONGEST_WHOLE_RUN
            say(f"{name}: 1,000 steps, about {expected:.1f} s{'' if is_quick else ', estimated and not run'}")
            whole[name] = _timed(session, _thousand_steps()) if is_quick else expected
        peaks = {name: peak_mib(session) for name, session in sessions.items()}
    return [
        _measured(
            _Taken(name, builds[name], steps[name], calls[name], whole[name], peaks[name]), steps[REFERENCE]
        )
        for name in sessions
    ]


@dataclass(frozen=True)
class _Built:
    """What is known of a port before it is asked anything: the hash of what was built, and how it starts."""

    hash: str
    start_milliseconds: float | None = None
    tokens: int | None = None
    compressed_bytes: int | None = None


@dataclass(frozen=True)
class _Taken:
    """The times that one port took, in seconds, round by round."""

    port: str
    built: _Built
    steps: Sequence[float]
    calls: Sequence[dict[str, tuple[float, float]]]
    whole: float
    peak_mib: float | None


def _measured(taken: _Taken, reference: Sequence[float]) -> Measured:
    """`reference`: the steps of the reference in the same rounds."""
    step = statistics.median(taken.steps)
    return Measured(
        port=taken.port,
        build=taken.built.hash,
        step_microseconds=round(step * 1e6, 1),
        ratio=round(statistics.median(reference) / step, 1),
        nanoseconds={key: round(_least(taken.calls, key) * 1e9, 1) for key in FUNCTIONS},
        noise={key: round(_noise(taken.calls, key) * 1e9, 1) for key in FUNCTIONS},
        thousand_steps_seconds=round(taken.whole, 3),
        peak_mib=round(taken.peak_mib, 1) if taken.peak_mib is not None else None,
        start_milliseconds=taken.built.start_milliseconds,
        tokens=taken.built.tokens,
        compressed_bytes=taken.built.compressed_bytes,
    )


def _least(calls: Sequence[dict[str, tuple[float, float]]], function: str) -> float:
    """Seconds for one call: the least time with the function, less the least time without."""
    busy = min(measured[function][0] for measured in calls)
    idle = min(measured[function][1] for measured in calls)
    return max(0.0, busy - idle) / CALLS


def _noise(calls: Sequence[dict[str, tuple[float, float]]], function: str) -> float:
    """Seconds for one call below which a difference says nothing: the spread of the rounds."""
    busy, idle = zip(*(measured[function] for measured in calls), strict=True)
    spread = statistics.median(busy) - min(busy) + statistics.median(idle) - min(idle)
    return float(spread) / CALLS


def _reference() -> Session:
    limits = Limits(request=3600.0, run=math.inf)
    command = f"{sys.executable} -m reference conform"
    return Session(lambda: LocalProcess(command, paths.root(), limits), limits)


def _session(name: str, runner: str) -> tuple[Session, _Built]:
    """A session with the port, and what can be told before it is asked."""
    port = manifest.load(name)
    limits = port.limits(Limits(request=3600.0, run=math.inf))
    where = runners.runner(runner, limits)
    prepared = where.prepare(port)
    start = startup.milliseconds(port, prepared, limits)
    length = size.of_port(port)
    built = _Built(
        prepared.content_hash,
        None if start is None else round(start, 1),
        length.tokens,
        length.compressed_bytes,
    )
    return Session(where.launch, limits), built


def _timed(session: Session, request: Request) -> float:
    began = time.perf_counter()
    reply = session.ask(request)
    seconds = time.perf_counter() - began
    if not reply.ok:
        raise ConformBenchError(f"the port answered '{request.verb}' with an error: {reply.reason}")
    return seconds


class ConformBenchError(ConformError):
    """A port that cannot be measured, since it does not answer."""

    outcome = "usage"
    code = "bench"


def _training(steps: int) -> Request:
    """`classic` training on names, without samples."""
    made = run_cases.case("bench", "classic", steps, 0, _names()[:SOME_NAMES])
    return Request(made.verb, made.name, made.lines)


@cache
def _names() -> list[str]:
    text = package_files("reference").joinpath("garden/names.txt").read_text(encoding="utf-8")
    names = text.splitlines()
    Random(42).shuffle(names)
    return names


def _enough_steps(session: Session) -> int:
    """So many steps that their time can be measured."""
    _timed(session, _training(FEW_STEPS))
    few, more = _timed(session, _training(FEW_STEPS)), _timed(session, _training(3 * FEW_STEPS))
    seconds = max(1e-5, (more - few) / (2 * FEW_STEPS))
    return max(2 * FEW_STEPS, min(MOST_STEPS, round(ENOUGH_SECONDS / seconds)))


def _step_seconds(session: Session, steps: int) -> float:
    """Seconds for a step. Reading the request costs the same for few steps and for many, and falls out."""
    few = _timed(session, _training(FEW_STEPS))
    return (_timed(session, _training(FEW_STEPS + steps)) - few) / steps


def _call_seconds(session: Session) -> Iterator[tuple[str, tuple[float, float]]]:
    """Seconds for many calls of each function, and for the same lines with trivial arguments."""
    for function in FUNCTIONS:
        arguments = list(_arguments(function))
        idle = _lines(function, [(*a[:-1], TRIVIAL[function]) for a in arguments])
        busy = _lines(function, arguments)
        yield function, (_timed(session, busy), _timed(session, idle))


def _lines(function: str, calls: Sequence[tuple[float, ...]]) -> Request:
    return Request("math", "bench", ("math exact", *(line(function, *call) for call in calls)))


def _arguments(function: str) -> Iterator[tuple[float, ...]]:
    """What training asks of each function."""
    source = Random(42)
    powers = (-2.0, -0.5, -1.5, -2.0)
    for i in range(CALLS):
        x = source.random()
        match function:
            case "exp":
                yield (-20.0 * x,)
            case "log":
                yield (1.0 - x,)
            case "pow":
                yield (1.0 - x, powers[i % len(powers)])
            case _:
                yield (6.283185307179586 * x,)


def _thousand_steps() -> Request:
    made = run_cases.case("bench", "classic", 1000, 20, _names())
    return Request(made.verb, made.name, made.lines)


def peak_mib(session: Session) -> float | None:
    """The greatest memory that the port's processes have had, as Linux remembers it; None elsewhere."""
    root = session.root_pid()
    if root is None:
        return None
    total = 0
    try:
        first = psutil.Process(root)
        for process in (first, *first.children(recursive=True)):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8", errors="replace")
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            total += int(found[1]) if found else 0
    except (OSError, psutil.Error):
        return None
    return total / 1024 if total else None
