"""Compares a reply with the golden trace, value by value, and names the first that differs.

Knows the form of reply lines (SPEC.md, section 12) but nothing about what a verb computes. A word of 16 hex
digits in the golden trace is a double, everything else must be the same text. Bad values never pass: NaN
equals only NaN, and -0.0 is not +0.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from conformance import verbs
from conformance.doubles import ulps_between
from conformance.messages import Reply, Request
from reference.protocol.wire import REASON_LIMIT

Kind = Literal["value", "text", "shape", "error"]

_DOUBLE = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Difference:
    """One place where the reply is not the golden trace.

    kind: "value" two doubles; "text" two other words; "shape" another line than expected; "error" an error
    where there should be none, or the other way round. checkpoint: the quantity, such as "pos0.layer0.q[3]".
    ulps: the distance of two doubles, None where there is none. line: the line of the reply, from 1. asked:
    the request's line it answers, if there is one. bound: what was allowed, in words, where anything was.
    """

    kind: Kind
    checkpoint: str
    expected: str
    got: str
    ulps: int | None = None
    line: int = 0
    asked: str = ""
    bound: str = ""


@dataclass(frozen=True)
class Allowance:
    """What a tolerance says to one difference: which share of its bound it takes (more than 1 is too much),
    and that bound in words.
    """

    share: float
    bound: str


Allow = Callable[[Difference], Allowance]
Compare = Callable[[Request, Reply, Reply, str | None], "Comparison"]
"""Request, golden trace, the port's reply, the name that its hello must say."""


@dataclass(frozen=True)
class Quantity:
    """One checkpoint of a reply: so many values, so many of them different, and the first that is wrong."""

    name: str
    values: int
    different: int
    worst_ulps: int
    first: Difference | None


@dataclass(frozen=True)
class Comparison:
    """`values` were compared; `different` of them differ; `worst_ulps` is the greatest finite distance.

    first: the first difference that is not allowed. quantities: every checkpoint in the order of computation,
    as far as lines could be compared. worst_share: the greatest share of a bound that an allowed difference
    takes.
    """

    values: int
    different: int
    worst_ulps: int
    first: Difference | None
    quantities: tuple[Quantity, ...] = ()
    worst_share: float = 0.0

    @property
    def agrees(self) -> bool:
        return self.first is None


def compare(
    request: Request,
    golden: Reply,
    reply: Reply,
    port_name: str | None = None,
    allow: Allow | None = None,
) -> Comparison:
    """Compare a reply with its golden trace. `port_name` is what `hello` must say; None for any name.

    Every bit must be equal, but for what `allow` lets pass.
    """
    if golden.ok != reply.ok or not golden.ok:
        first = _compare_errors(request, golden, reply)
        return Comparison(1, 1 if first else 0, 0, first)
    if request.verb == "hello":
        return _compare_hello(golden, reply, port_name)
    if reply.lines == golden.lines:  # nearly always, and then no line needs a name
        return Comparison(sum(line.count(" ") or 1 for line in golden.lines), 0, 0, None)
    return _compare_lines(request, golden, reply, allow)


def _compare_errors(request: Request, golden: Reply, reply: Reply) -> Difference | None:
    """Any short reason is right for a bad request, but 'unsupported' only where the golden trace says it.

    A port without its own functions says it to every request for them, right or wrong.
    """
    wanted, came = (_verdict(golden), _verdict(reply))
    if not reply.ok and len(reply.reason) > REASON_LIMIT:
        limit = f"a reason of at most {REASON_LIMIT} bytes"
        return Difference("error", "the reason", limit, _cut(came), line=1)
    unsupported = reply.reason == "unsupported"
    may_be = "math native" in request.lines
    if not golden.ok and not reply.ok and (may_be or unsupported == (golden.reason == "unsupported")):
        return None
    return Difference("error", "the reply", wanted, came, line=1)


def _verdict(reply: Reply) -> str:
    return "ok" if reply.ok else f"error: {reply.reason}"


def _compare_hello(golden: Reply, reply: Reply, port_name: str | None) -> Comparison:
    """A port's name and verbs are its own, the rest is fixed."""
    known = golden.lines[2].split(" ")[1:]
    kinds = golden.lines[3].split(" ")[1:]
    rules: list[tuple[str, Callable[[list[str]], bool], str]] = [
        ("name", lambda words: words == [port_name] if port_name else len(words) == 1, f"name {port_name}"),
        ("protocol", lambda words: words == ["1"], "protocol 1"),
        (
            "verbs",
            lambda words: words[:1] == ["hello"] and words == [verb for verb in known if verb in words],
            f"verbs out of {' '.join(known)}, in that order, beginning with hello",
        ),
        (
            "math",
            lambda words: words == [kind for kind in kinds if kind in words],
            "math exact, math native, or math exact native",
        ),
    ]
    for number, (key, is_right, expected) in enumerate(rules):
        line = reply.lines[number] if number < len(reply.lines) else "end"
        words = line.split(" ")
        if words[0] != key or not is_right(words[1:]):
            difference = Difference("text", f"the line {key}", expected, line, line=number + 2)
            return Comparison(number + 1, 1, 0, difference)
    if len(reply.lines) > len(rules):
        extra = Difference("shape", "the end", "end", reply.lines[len(rules)], line=len(rules) + 2)
        return Comparison(len(rules) + 1, 1, 0, extra)
    return Comparison(len(rules), 0, 0, None)


def _compare_lines(request: Request, golden: Reply, reply: Reply, allow: Allow | None) -> Comparison:
    found: dict[str, Quantity] = {}
    worst_share = 0.0
    for name, values, differences in _lines(request, golden, reply):
        wrong: Sequence[Difference] = differences
        if allow is not None:
            wrong, share = _not_allowed(differences, allow)
            worst_share = max(worst_share, share)
        before = found.get(name) or Quantity(name, 0, 0, 0, None)
        found[name] = Quantity(
            name,
            before.values + values,
            before.different + len(differences),
            max(before.worst_ulps, *(difference.ulps or 0 for difference in differences), 0),
            before.first or (wrong[0] if wrong else None),
        )
    listed = tuple(found.values())
    return Comparison(
        sum(quantity.values for quantity in listed),
        sum(quantity.different for quantity in listed),
        max((quantity.worst_ulps for quantity in listed), default=0),
        min((quantity.first for quantity in listed if quantity.first), key=lambda d: d.line, default=None),
        tuple(quantity for quantity in listed if quantity.first or not quantity.name.startswith(_HEADINGS)),
        worst_share,
    )


def _not_allowed(differences: Sequence[Difference], allow: Allow) -> tuple[list[Difference], float]:
    """Those that exceed their bound, with it, and the greatest share of the others."""
    wrong, worst = [], 0.0
    for difference in differences:
        verdict = allow(difference)
        if verdict.share <= 1.0:
            worst = max(worst, verdict.share)
        else:
            wrong.append(replace(difference, bound=verdict.bound))
    return wrong, worst


def _lines(request: Request, golden: Reply, reply: Reply) -> Iterator[tuple[str, int, Sequence[Difference]]]:
    """The name, the number of values and the differences of each line, up to one that cannot be compared."""
    names = _Names(request)
    for number in range(max(len(golden.lines), len(reply.lines))):
        expected = golden.lines[number] if number < len(golden.lines) else "end"
        got = reply.lines[number] if number < len(reply.lines) else "end"
        name, asked = names.of(expected)
        if expected == got:
            yield name, _values(expected), ()
            continue
        wanted_words, got_words = expected.split(" "), got.split(" ")
        if wanted_words[0] == got_words[0] and wanted_words[0] in _TEXT:
            said = _printed(expected), _printed(got)
            yield name, 1, [Difference("text", name, *said, line=number + 2, asked=asked)]
            continue
        if len(wanted_words) != len(got_words) or wanted_words[0] != got_words[0]:
            shape = Difference("shape", name, _cut(expected), _cut(got), line=number + 2, asked=asked)
            yield name, 1, [shape]
            return
        differences = []
        for column, (wanted, came) in enumerate(zip(wanted_words[1:], got_words[1:], strict=True)):
            if difference := _difference(wanted, came):
                kind, ulps = difference
                place = name + names.place(column, len(wanted_words) - 1)
                differences.append(Difference(kind, place, wanted, came, ulps, number + 2, asked))
        yield name, len(wanted_words) - 1, differences


def _values(line: str) -> int:
    """How many values a line holds; a line without any counts as one."""
    return max(1, line.count(" "))


def _difference(wanted: str, came: str) -> tuple[Kind, int | None] | None:
    """What kind of difference there is between two words, and its size; None if they are equal."""
    if wanted == came:
        return None
    if _DOUBLE.fullmatch(wanted) and _DOUBLE.fullmatch(came):
        ulps = ulps_between(wanted, came)
        return None if ulps == 0 else ("value", ulps)
    return "text", None


def _printed(line: str) -> str:
    """What a line `print` or `decimals` says: its code points as text; the line itself if they are none."""
    try:
        return repr("".join(chr(int(word)) for word in line.split(" ")[1:]))
    except (ValueError, OverflowError):
        return _cut(line)


def _cut(line: str, width: int = 100) -> str:
    return line if len(line) <= width else f"{line[:width]}... ({line.count(' '):,} values)"


_HEADINGS = ("the shape of ", "the number of the ")  # lines that name what follows: nothing is computed there
_TEXT = ("print", "decimals")  # lines of code points
_NUMBERED = ("value", "gradient", "encoded", "print", "probabilities", "token")


class _Names:
    """Names the quantity on each line of a golden trace: follows steps, samples, tensors and their rows."""

    def __init__(self, request: Request) -> None:
        settings = ("math", "seed", "root")
        self._asked = [line for line in request.lines if line.split(" ")[0] not in settings]
        self._answers = verbs.has(request.verb, "answers")
        self._prefix = ""
        self._tensor = ""
        self._rows = self._row = 0
        self._counts: dict[str, int] = {}
        self._index = -1

    def of(self, line: str) -> tuple[str, str]:
        """The name of the line's quantity, and the request's line that it answers ('' if there is none)."""
        key, *words = line.split(" ")
        if key == "row":
            self._row += 1
            return self._tensor, ""
        self._tensor = ""
        if key in ("step", "sample") and len(words) == 1:
            self._prefix, self._counts = f"{key} {words[0]}: ", {}
            return f"the number of the {key}", ""
        if key == "tensor" and len(words) == 3:
            self._tensor, self._rows, self._row = self._prefix + words[0], int(words[1]), -1
            return f"the shape of {self._tensor}", ""
        count = self._counts[key] = self._counts.get(key, -1) + 1
        if key in _NUMBERED:
            return f"{self._prefix}{key}[{count}]", self._request_line(count)
        if key != "kept":
            self._index += 1
        return f"{self._prefix}{key}", self._request_line(self._index)

    def place(self, column: int, columns: int) -> str:
        """Where on the line a value stands, as an index."""
        if self._tensor and self._rows > 1:
            return f"[{self._row}][{column}]"
        return f"[{column}]" if columns > 1 or self._tensor else ""

    def _request_line(self, index: int) -> str:
        return self._asked[index] if self._answers and index < len(self._asked) else ""
