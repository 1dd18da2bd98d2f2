"""Checks exp, log, sin, cos and pow, the reference's or a port's, against mpmath at 300 bits.

    python -m conformance.check_math                               the reference, a million inputs a function
    python -m conformance.check_math --function exp --count 20000 --native
    python -m conformance.check_math --port-command ./microgpt --jobs 2

The inputs are those of math_inputs.py, the same for the same seed whatever the number of jobs. mpmath uses
gmpy2 by itself where that is installed. The exit status is 0 if every result is right, 1 if one is not, and
2 if the check could not be made.
"""

import argparse
import math
import os
import shlex
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from conformance.math_inputs import Arguments, batch_of_calls, from_bits
from reference import exactmath, nativemath

try:
    from mpmath import libmp  # type: ignore[import-untyped]
except ImportError:
    sys.exit("The check needs mpmath. Install the project's dev extra: pip install -e '.[dev]'")

FUNCTIONS = ("exp", "log", "sin", "cos", "pow")
PRECISION = 300
BATCH = 1000  # requests and replies of this size fit into a pipe's buffer: no side waits for the other
SHOWN = 5
SUMMARY = __doc__.partition("\n")[0]


class CheckError(Exception):
    """The check could not be made; the message says why and what to do."""


# --- The truth --------------------------------------------------------------------------------------------


def real_value(function: str, arguments: Arguments, precision: int = PRECISION) -> tuple[int, int]:
    """(m, e): the result is m * 2**e, to less than one part in 2**(precision - 10)."""
    x = libmp.from_float(arguments[0])
    if function == "pow":
        twice = int(2.0 * arguments[1])
        if twice % 2 == 0:
            raw = libmp.mpf_pow_int(x, twice // 2, precision, "n")
        else:
            square = libmp.mpf_pow_int(x, abs(twice), precision + 20, "n")
            raw = libmp.mpf_sqrt(square, precision + 10, "n")
            raw = raw if twice > 0 else libmp.mpf_div(libmp.fone, raw, precision, "n")
    else:
        raw = getattr(libmp, f"mpf_{function}")(x, precision, "n")
    sign, man, exponent, _ = raw
    return (-int(man) if sign else int(man)), int(exponent)


def to_double(m: int, exponent: int) -> float:
    """The double nearest to m * 2**exponent: Python's division of integers rounds once and correctly."""
    sign = -1.0 if m < 0 else 1.0
    height = m.bit_length() + exponent
    if height < -1080:
        return sign * 0.0
    if height > 1025:
        return sign * math.inf
    try:
        return m / (1 << -exponent) if exponent < 0 else float(m << exponent)
    except OverflowError:
        return sign * math.inf


def truth(function: str, arguments: Arguments) -> float:
    """The correctly rounded result. Raises ArithmeticError if 300 bits do not decide it."""
    m, exponent = real_value(function, arguments)
    result = to_double(m, exponent)
    surplus = m.bit_length() - PRECISION + 20
    if surplus > 0:
        margin = 1 << surplus
        if to_double(m - margin, exponent) != to_double(m + margin, exponent):
            raise ArithmeticError(f"{PRECISION} bits do not decide how {call(function, arguments)} rounds")
    return result


def deciding_bits(function: str, arguments: Arguments) -> int:
    """How many bits after the round bit are its opposite, measured with 400 bits: see hard_inputs.py."""
    m, exponent = real_value(function, arguments, 400)
    m = abs(m)
    below = max(m.bit_length() - 53, -1074 - exponent) - 1  # how many bits follow the round bit
    if below < 0:
        return 0
    round_bit = m >> below & 1
    rest = m & (1 << below) - 1
    if not round_bit:
        rest ^= (1 << below) - 1
    return below - rest.bit_length()


def hexadecimal(x: float) -> str:
    return "7ff8000000000000" if x != x else struct.pack(">d", x).hex()


def call(function: str, arguments: Arguments) -> str:
    """A line of the protocol: the function and the bits of its arguments."""
    return " ".join((function, *map(hexadecimal, arguments)))


# --- What is checked --------------------------------------------------------------------------------------


class Reference:
    """The functions of reference/exactmath.py."""

    def __init__(self) -> None:
        self.total_ns = self.slowest_ns = 0

    def answer(self, function: str, calls: Sequence[Arguments]) -> list[float]:
        compute: Callable[..., float] = getattr(exactmath, function)
        clock = time.thread_time_ns  # not the time that other programs take
        results = []
        for arguments in calls:
            start = clock()
            results.append(compute(*arguments))
            elapsed = clock() - start
            self.total_ns += elapsed
            for _ in range(4):  # a record must be repeatable: other things can hold up a single call
                if elapsed <= self.slowest_ns:
                    break
                start = clock()
                compute(*arguments)
                elapsed = min(elapsed, clock() - start)
            self.slowest_ns = max(self.slowest_ns, elapsed)
        return results


class Port:
    """A program that speaks the protocol, asked with the verb `math`."""

    def __init__(self, command: str, timeout: float) -> None:
        self.command, self.timeout, self.requests = command, timeout, 0
        self.total_ns = self.slowest_ns = 0
        try:
            self.process = subprocess.Popen(
                shlex.split(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="ascii",
                errors="replace",
            )
        except (OSError, ValueError) as reason:
            raise CheckError(f"`{command}` could not be started: {reason}. See --port-command.") from None

    def answer(self, function: str, calls: Sequence[Arguments]) -> list[float]:
        self.requests += 1
        name = f"check-{self.requests}"
        text = "\n".join((f"math {name}", "math exact", *(call(function, c) for c in calls), "end", ""))
        watchdog = threading.Timer(self.timeout, self.process.kill)
        watchdog.start()
        try:
            assert self.process.stdin and self.process.stdout
            self.process.stdin.write(text)
            self.process.stdin.flush()
            reply = [self.process.stdout.readline().rstrip("\n")]
            while reply[-1] not in ("end", "") and len(reply) < len(calls) + 2:
                reply.append(self.process.stdout.readline().rstrip("\n"))
        except BrokenPipeError:
            reply = [""]
        finally:
            overdue = watchdog.finished.is_set()
            watchdog.cancel()
        if reply[-1] == "":
            late = f"was silent for {self.timeout:g} s (see --timeout)"
            why = late if overdue else "ended its output too early, or with an empty line"
            raise CheckError(f"`{self.command}` {why}; the request was `math {name}`, {len(calls)} lines.")
        if reply[0] != f"ok {name}" or reply[-1] != "end" or len(reply) != len(calls) + 2:
            raise CheckError(
                f"`{self.command}` was to answer `ok {name}`, {len(calls)} lines and `end`; "
                f"line {len(reply)} was `{reply[-1][:60]}` after `{reply[0][:60]}` as the first."
            )
        return [self.number(function, line) for line in reply[1:-1]]

    def number(self, function: str, line: str) -> float:
        key, _, digits = line.partition(" ")
        if key == function and len(digits) == 16 and set(digits) <= set("0123456789abcdef"):
            return from_bits(int(digits, 16))
        expected = f"{function} <16 hex digits>"
        raise CheckError(f"`{self.command}` was to answer `{expected}`; it answered `{line[:60]}`.")


@dataclass
class Tally:
    """What was found in one batch, or in all batches of a function."""

    function: str
    checked: int = 0
    wrong: int = 0
    native_differs: int = 0
    total_ns: int = 0
    slowest_ns: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.checked += other.checked
        self.wrong += other.wrong
        self.native_differs += other.native_differs
        self.total_ns += other.total_ns
        self.slowest_ns = max(self.slowest_ns, other.slowest_ns)
        self.examples = (self.examples + other.examples)[:SHOWN]

    def line(self, native: bool) -> str:
        text = f"{self.function:4}{self.checked:12,} inputs {self.wrong:9,} mismatches"
        if self.total_ns:
            mean, slowest = self.total_ns / self.checked / 1000, self.slowest_ns / 1000
            text += f"{mean:9.2f} us a call, {slowest:.0f} at the most"
        if native:
            text += f"    native differs on {self.native_differs / self.checked:.4%}"
        return "\n".join((text, *(f"     {example}" for example in self.examples)))


@cache
def subject(command: str, timeout: float) -> Reference | Port:
    """What this worker process asks: started once, kept for all its batches."""
    return Port(command, timeout) if command else Reference()


def check_batch(function: str, batch: int, options: argparse.Namespace) -> Tally:
    checked = subject(options.port_command, options.timeout)
    first = batch * BATCH
    calls = batch_of_calls(function, options.seed, first, min(BATCH, options.count - first))
    checked.total_ns = checked.slowest_ns = 0
    answers = checked.answer(function, calls)
    tally = tally_of(function, calls, answers, options.native)
    tally.total_ns, tally.slowest_ns = checked.total_ns, checked.slowest_ns
    return tally


def tally_of(
    function: str, calls: Sequence[Arguments], answers: Sequence[float], native_too: bool = False
) -> Tally:
    """How many of these answers are right; with `native_too`, also those of Python's own math module."""
    tally = Tally(function, len(calls))
    native: Callable[..., float] = getattr(nativemath, function)
    for arguments, got in zip(calls, answers, strict=True):
        expected = truth(function, arguments)
        if hexadecimal(got) != hexadecimal(expected):
            tally.wrong += 1
            if len(tally.examples) < SHOWN:
                wanted = f"{hexadecimal(expected)} expected, {hexadecimal(got)} got"
                tally.examples.append(f"{call(function, arguments)}: {wanted}")
        if native_too and hexadecimal(native(*arguments)) != hexadecimal(expected):
            tally.native_differs += 1
    return tally


def check(options: argparse.Namespace, console: Console) -> bool:
    """Whether all results are right. Prints a line for each function."""
    right = True
    no_interrupt = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
    batches = range(-(-options.count // BATCH))
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    terminal = Console(stderr=True)
    with (
        ProcessPoolExecutor(options.jobs, initializer=signal.signal, initargs=no_interrupt) as pool,
        Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress,
    ):
        for function in options.function or FUNCTIONS:
            total, task = Tally(function), progress.add_task(function, total=len(batches))
            futures = [pool.submit(check_batch, function, batch, options) for batch in batches]
            try:
                for future in futures:
                    total.add(future.result())
                    progress.advance(task)
            finally:
                for future in futures:
                    future.cancel()
            progress.remove_task(task)
            console.print(total.line(options.native), highlight=False, soft_wrap=True)
            right = right and total.wrong == 0
    return right


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"a whole number from 1 upwards was expected, not {text!r}")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser("python -m conformance.check_math", description=SUMMARY)
    option = parser.add_argument
    option("--count", type=positive, default=1_000_000, help="inputs a function (default: 1,000,000)")
    option("--seed", type=int, default=42, help="of the random inputs (default: 42)")
    option("--function", action="append", choices=FUNCTIONS, help="only this one; may be repeated")
    option("--port-command", default="", metavar="CMD", help="check this program, not the reference")
    option("--timeout", type=float, default=60.0, help="seconds for 1,000 calls of a port (default: 60)")
    option("--jobs", type=positive, default=os.cpu_count() or 1, help="processes (default: one a core)")
    option("--native", action="store_true", help="also say how often Python's own math module is off")
    options = parser.parse_args()
    try:
        return 0 if check(options, Console()) else 1
    except (CheckError, ArithmeticError) as reason:
        print(reason, file=sys.stderr)
    except BrokenProcessPool:
        print("A worker process was killed, perhaps for lack of memory. Try fewer --jobs.", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted; nothing was concluded.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
