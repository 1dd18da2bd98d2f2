"""How far the reference's reply to one request moves when its exact functions are a little off.

That is what a tolerance must allow, and no more: everything but exp, log, sin, cos and pow is the same on
every machine. Each result of these five is moved to the next double above or below, or not at all, by
chance; `spread_of` does it several times and gives the greatest distance of every quantity from the golden
trace. What no function has a part in does not move, and its spread is exactly zero.

Not for judging (`harness/tolerance.py`) nor for the whole ladder (`conformance/tolerance.py`). As a program
it measures one request, which it reads as JSON.
"""

from __future__ import annotations

import json
import math
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from conformance import verbs
from conformance.doubles import double_of
from conformance.messages import Reply, Request, parse_reply, request_of
from reference import exactmath, microgpt
from reference.protocol import replies
from reference.protocol.requests import read_run
from reference.protocol.wire import Fields, hexadecimal

FACTOR = 16
"""How many times its spread a value may be off. To first order a spread grows with the moves, so this is also
how many ulps a function may be off."""
COARSE = 2.0**-26  # the relative move that shows what depends on a function at all
COARSE_RUNS = 2
CHECKSUM = "a checksum"

Move = Callable[[float], float]
Spread = dict[str, float]
"""The greatest distance of each quantity that depends on a function; inf where it may be any number."""

_DOUBLES = re.compile(r"\S+( [0-9a-f]{16})+")
_COUNTED = re.compile(r"\b(pos|layer|head)\d+")
_CHECKSUMS = ("gradients", "m", "v", "parameters")


def needs_measuring(verb: str) -> bool:
    """Whether replies to this verb have a spread; a result of `math` has the bound of its function."""
    return verb != "math" and verbs.has(verb, "moved")


def quantities(verb: str, lines: Sequence[str]) -> list[str | None]:
    """The quantity to which the doubles of each reply line belong; None for a line that must be the same.

    The tensors of all positions, layers and heads are one quantity ("pos*.layer*.q"); a node of a graph, a
    line of random numbers and a step of a training are their own.
    """
    found: list[str | None] = []
    prefix = tensor = ""
    counts: dict[str, int] = {}
    for line in lines:
        key, *words = line.split(" ")
        name: str | None = None
        if key == "tensor":
            tensor = prefix + _COUNTED.sub(r"\1*", words[0])
        elif key == "row":
            name = tensor
        elif key == "step":
            prefix = f"step {words[0]}: "
        elif verbs.has(verb, "checksums") and key in _CHECKSUMS:
            name = CHECKSUM
        elif _DOUBLES.fullmatch(line):
            name = prefix + key
            if verbs.has(verb, "counted"):
                counts[key] = counts.get(key, -1) + 1
                name = f"{key}[{counts[key]}]"
        found.append(name)
    return found


class Moved:
    """The exact functions, with every result moved by `move`.

    Not moved: NaN, infinities, zeros, and what IEEE 754 (9.2.1) fixes: exp(0), cos(0), pow(x, 0) and
    pow(1, y). No library is off there.
    """

    def __init__(self, move: Move) -> None:
        self._move = move

    def exp(self, x: float) -> float:
        return self._moved(exactmath.exp(x), x == 0.0)

    def log(self, x: float) -> float:
        return self._moved(exactmath.log(x), False)

    def sin(self, x: float) -> float:
        return self._moved(exactmath.sin(x), False)

    def cos(self, x: float) -> float:
        return self._moved(exactmath.cos(x), x == 0.0)

    def pow(self, x: float, y: float) -> float:
        return self._moved(exactmath.pow(x, y), y == 0.0 or x == 1.0)

    def _moved(self, result: float, is_fixed: bool) -> float:
        if is_fixed or result == 0.0 or not math.isfinite(result):
            return result
        moved = self._move(result)
        return moved if math.isfinite(moved) else result


def by_one_ulp(source: random.Random) -> Move:
    """Up, down or not, each as likely."""
    ways = (math.inf, -math.inf, None)

    def move(x: float) -> float:
        way = ways[int(source.random() * 3.0)]
        return x if way is None else math.nextafter(x, way)

    return move


def coarsely(source: random.Random) -> Move:
    """Up or down by up to COARSE: by a different part each time, lest the moves of two calls cancel."""
    return lambda x: x * (1.0 + COARSE * source.uniform(-1.0, 1.0))


@contextmanager
def functions(chosen: object) -> Iterator[None]:
    """While this lasts, the whole process computes `math exact` with other functions."""
    table: dict[str, Any] = microgpt.FUNCTIONS
    table["exact"] = chosen
    try:
        yield
    finally:
        table["exact"] = exactmath
        microgpt.use_math("exact")


def spread_of(request: Request, golden: Reply, runs: int, seed: int) -> Spread:
    """The spread of every quantity of a reply, from `runs` runs. The same for the same arguments.

    A quantity that depends on a function has at least one ulp of its greatest value: any move may tip a
    rounding. Raises ArithmeticError if the reply's text may be another one, which no tolerance can allow.
    Changes the reference's functions meanwhile: only for a process with nothing else to do.
    """
    if not golden.ok or not needs_measuring(request.verb):
        return {}
    wanted = _losses_and_samples(request) if request.verb == "run" else list(golden.lines)
    names = quantities(request.verb, wanted)
    spread: Spread = {}
    for run in range(runs):
        _widen(spread, names, wanted, _moved_lines(request, by_one_ulp(_source(request, seed, str(run)))))
    depending: Spread = dict(spread)
    for run in range(0 if request.verb == "run" else COARSE_RUNS):
        moved = _moved_lines(request, coarsely(_source(request, seed, f"coarse {run}")))
        with suppress(ArithmeticError):  # so great a move may well draw another token
            _widen(depending, names, wanted, moved)
    least = {name: math.ulp(scale) for name, scale in scales(names, wanted).items() if name in depending}
    found = {name: _rounded_up(max(spread.get(name, 0.0), least[name])) for name in least}
    if request.verb == "run":
        check_printed(names, wanted, found)
    return found


def check_printed(names: Sequence[str | None], lines: Sequence[str], spread: Spread) -> None:
    """Raises ArithmeticError if a loss is so near to a rounding boundary that its four decimals may tip."""
    for name, line in zip(names, lines, strict=True):
        if name in spread:
            loss, limit = double_of(line.split(" ")[1]), FACTOR * spread[name]
            if f"{loss - limit:.4f}" != f"{loss + limit:.4f}":
                raise ArithmeticError(
                    f"the printed {name.replace(': ', ' ')}, {loss!r}, may be rounded either way"
                )


def scales(names: Sequence[str | None], lines: Sequence[str]) -> dict[str, float]:
    """The greatest finite magnitude of each quantity."""
    found: dict[str, float] = {}
    for name, line in zip(names, lines, strict=True):
        if name is not None and name != CHECKSUM:
            numbers = (abs(double_of(word)) for word in line.split(" ")[1:])
            found[name] = max((x for x in numbers if x < math.inf), default=0.0)
            found[name] = max(found[name], found.get(name, 0.0))
    return found


def _source(request: Request, seed: int, run: str) -> random.Random:
    return random.Random(f"{seed} {request.verb} {request.id} {run}")


def _moved_lines(request: Request, move: Move) -> list[str]:
    with functions(Moved(move)):
        if request.verb == "run":
            return _losses_and_samples(request)
        return replies.answer(request.text().split("\n")[:-2])[1:-1]


def _losses_and_samples(request: Request) -> list[str]:
    """A run in bits where it prints four decimals: its losses, its samples and the generator's next word."""
    whole = read_run(Fields(request.lines))
    lines = []
    for step, loss in enumerate(whole.losses()):
        lines += [f"step {step}", f"loss {hexadecimal(loss)}"]
    lines += [f"print {whole.sample()!r}" for _ in range(whole.preset.samples)]
    return [*lines, f"word {whole.generator.getrandbits(32)}"]


def _widen(spread: Spread, names: Sequence[str | None], wanted: Sequence[str], came: Sequence[str]) -> None:
    """Take one run's distances into the spread.

    Raises ArithmeticError if its text is another one: then a tolerance cannot say what is right.
    """
    if len(wanted) != len(came):
        raise ArithmeticError(f"the reply has {len(came)} lines, the golden trace {len(wanted)}")
    for name, expected, got in zip(names, wanted, came, strict=True):
        if expected == got or name == CHECKSUM:
            continue
        if name is None:
            raise ArithmeticError(f"the reply has {got[:60]!r}, the golden trace {expected[:60]!r}")
        pairs = zip(expected.split(" ")[1:], got.split(" ")[1:], strict=True)
        spread[name] = max(spread.get(name, 0.0), *(distance(a, b) for a, b in pairs))


def distance(a: str, b: str) -> float:
    """|a - b| of two doubles on the wire; 0 for two NaNs, inf where just one is finite."""
    if a == b:
        return 0.0
    x, y = double_of(a), double_of(b)
    if x != x and y != y:
        return 0.0
    return abs(x - y) if math.isfinite(x) and math.isfinite(y) else math.inf


def _rounded_up(x: float) -> float:
    """Three significant digits, no less than x."""
    short = float(f"{x:.2e}")
    return short if short >= x else float(f"{x * 1.01:.2e}") if x > 1e-300 else x


def main() -> None:
    """Read {"request": ..., "golden": ..., "runs": ..., "seed": ...} and print the spread, or its problem."""
    asked = json.load(sys.stdin)
    request, golden = request_of(asked["request"].encode()), parse_reply(asked["golden"])
    try:
        answer: object = {"spread": spread_of(request, golden, asked["runs"], asked["seed"])}
    except ArithmeticError as problem:
        answer = {"problem": str(problem)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
