"""Reads a printed log: steps with their losses, samples, and what its first lines say of the dataset.

Programs print in many ways; what is found here is a step and a loss in one line, whatever else stands there:
carriage returns, colours, progress bars, other words, a point or a comma, a total or none, steps from 0 or 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.errors import ManifestError

LARGEST = 64 << 20  # bytes
NUMBER = (
    r"[-+]?(?:0x[0-9a-f.]+p[-+]?\d+|\d+[.,]\d+(?:e[-+]?\d+)?|\d+(?:e[-+]?\d+)?|nan|inf(?:inity)?)(?![\w.])"
)
STEP = re.compile(
    r"(?:^|[^a-z])(?:step|iteration|iter|it|epoch)s?\b[\s:=#\[(]*(\d+)(?:\s*(?:/|of)\s*(\d+))?", re.IGNORECASE
)
IN_A_BAR = re.compile(r"(?<![\d.])(\d+)/(\d+)(?![\d./])")
BARE_STEP = re.compile(r"^\W*(\d+)(?:\s*/\s*(\d+))?(?![\d.,%])")
LOSS = re.compile(
    rf"(\w*[\s_]?)\bloss\b(?:\s*\(?(?:at|after|for|of|in)\s+(?:step|iter\w*|epoch)\s*\d+\)?)?[\s:=|>()\w]*?[\s:=|>(]({NUMBER})",
    re.IGNORECASE,
)
TABLE = re.compile(rf"^\s*(\d+)\s*[,;\t |:]\s*({NUMBER})", re.IGNORECASE)
MEANS = re.compile(r"av|mean|ema|smooth|val|test|best|min", re.IGNORECASE)
SAMPLES = (  # the form that most lines have is taken; each has a number, maybe, and a text
    re.compile(r"^\W*(?:\[\w+\]\s*)?samples?\s*[:#]?\s*(\d*)\s*[:=)](?:\s(.*))?$", re.IGNORECASE),
    re.compile(r"^\s*\[\s*(\d+)\s*\]\s+(\S.*)?$"),
    re.compile(r"^\s*(\d+)\s*[.):]\s+(\S.*)$"),
    re.compile(r"^.*\b(?:final|generated)[\w ]*(?:name|text|sample)s?\s*()[:=]\s*(\S.*)$", re.IGNORECASE),
)
HEADING = re.compile(r"inference|hallucinat|generat|samples?\b", re.IGNORECASE)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|.\x08")
HEADERS = {
    "documents": re.compile(
        r"(?:docs|documents|names|lines)\b\W{0,4}(\d[\d,]*)|(\d[\d,]*) (?:docs|documents|names|lines)\b",
        re.IGNORECASE,
    ),
    "vocabulary": re.compile(r"vocab\w*(?:[ _]size)?(?: is)?\W{0,4}(\d+)", re.IGNORECASE),
    "parameters": re.compile(r"param\w*\W{0,4}(\d[\d,]*)|(\d[\d,]*) param", re.IGNORECASE),
}


@dataclass(frozen=True)
class Printed:
    """A loss as it was printed: `line` counts from 1."""

    text: str
    value: float
    line: int

    @property
    def decimals(self) -> int:
        mantissa = re.split("[eE]", self.text)[0]
        return len(mantissa.partition(".")[2])

    @property
    def digits(self) -> int:
        """Significant ones."""
        mantissa = re.split("[eE]", self.text)[0]
        return len(mantissa.replace(".", "").lstrip("-+0"))


@dataclass(frozen=True)
class Log:
    """losses: by step, counted from 0. first: the number of the first step as it is printed. total: as
    printed.
    samples: by number,
    from 0. style: how losses are printed, as (fixed decimals, significant digits), one of them 0. headers:
    documents, vocabulary, parameters, where they are printed. notes: what is odd about it, in sentences.
    """

    losses: dict[int, Printed]
    first: int
    total: int | None
    samples: dict[int, str]
    headers: dict[str, int]
    style: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether losses have so many digits that they tell doubles apart."""
        return max(self.style) >= 15

    def unit(self, value: float) -> float:
        """One in the last place that this log prints of a number like `value`."""
        decimals, digits = self.style
        if decimals or not math.isfinite(value) or value == 0.0:
            return 10.0**-decimals
        return float(10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits))


@dataclass
class _Found:
    losses: dict[int, Printed] = field(default_factory=dict)
    totals: list[int] = field(default_factory=list)
    last: int = 0  # the line of the last loss
    repeated: tuple[int, int] | None = None  # a step that came again with another loss, and its line


def decoded(data: bytes, name: str) -> str:
    """The text in these bytes. Raises ManifestError for what is no text."""
    if not data:
        raise ManifestError(f"{name} is empty: run the program and give what it prints")
    if len(data) > LARGEST:
        raise ManifestError(
            f"{name} has {len(data) >> 20} MiB, and a log has at most {LARGEST >> 20}: "
            "give the lines with losses alone"
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if data.count(b"\0") > 0 or sum(byte < 9 for byte in data[:4096]) > len(data[:4096]) // 20:
        raise ManifestError(f"{name} is binary: a log is text, a trace is text, .jsonl, .npz or .safetensors")
    return data.decode("utf-8-sig", errors="replace")


def lines_of(text: str) -> list[str]:
    """Lines without colours; a carriage return ends one too, since programs rewrite a line so."""
    return re.split(r"\r\n|\n|\r", ESCAPES.sub("", text))


def read(data: bytes, name: str, pattern: str | None = None) -> Log:
    """The log in these bytes, which messages call `name`. `pattern`: a regular expression with the groups
    `loss` and, maybe, `step`. Raises ManifestError, in a sentence, for what is no log.
    """
    lines = lines_of(decoded(data, name))
    found = _with_pattern(lines, pattern, name) if pattern else _search(lines)
    notes: list[str] = []
    if found.repeated is not None:
        step, line = found.repeated
        raise ManifestError(
            f"{name} holds more than one run: step {step} comes again on line {line} with another loss",
            hint="give each run as a file of its own: conform check run1.log run2.log",
        )
    if not found.losses:
        raise ManifestError(_nothing(lines, name))
    if _is_cut(found, data):
        step = max(found.losses)
        notes.append(
            f"the last line is cut in the middle: its loss, {found.losses.pop(step).text}, is left out"
        )
        if not found.losses:
            raise ManifestError(f"{name} holds half a line and no whole loss")
    first = 0 if min(found.losses) == 0 else 1
    total = max(set(found.totals), key=found.totals.count) if found.totals else None
    losses = {step - first: loss for step, loss in sorted(found.losses.items())}
    headers = dict(_headers(lines[: min(loss.line for loss in losses.values())]))
    samples = _samples(lines[found.last :])
    return Log(losses, first, total, samples, headers, _style(list(losses.values())), tuple(notes))


def _search(lines: Sequence[str]) -> _Found:
    """Lines with the words step and loss; else with a number before the word loss; else two columns."""
    named = _Found()
    for number, line in enumerate(lines, start=1):
        for step, total, loss in _pairs(line):
            _add(named, step if step is not None else len(named.losses) + 1, total, loss, number)
    if named.losses:
        return named
    table = _Found()
    for number, line in enumerate(lines, start=1):
        match = TABLE.match(line)
        if match and re.search(r"[.,]\d|nan|inf|0x", match[2], re.IGNORECASE):
            _add(table, int(match[1]), None, match[2], number)
    return table if len(table.losses) > 1 else named


def _pairs(line: str) -> Iterator[tuple[int | None, int | None, str]]:
    """Step (None if there is none), total and loss of each loss in a line that is no mean."""
    matches = list(LOSS.finditer(line))
    chosen = [match for match in matches if not MEANS.search(match[1])] or matches
    if not chosen:
        return
    steps = list(STEP.finditer(line)) or list(IN_A_BAR.finditer(line)) or list(BARE_STEP.finditer(line))
    if len(steps) == len(chosen) > 1:  # several steps in one line
        for step, loss in zip(steps, chosen, strict=True):
            yield int(step[1]), int(step[2]) if step[2] else None, loss[2]
        return
    first = steps[0] if steps else None
    yield int(first[1]) if first else None, int(first[2]) if first and first[2] else None, chosen[0][2]


def _with_pattern(lines: Sequence[str], pattern: str, name: str) -> _Found:
    try:
        compiled = re.compile(pattern)
    except re.error as problem:
        raise ManifestError(f"--pattern is no regular expression: {problem}") from None
    if "loss" not in compiled.groupindex:
        raise ManifestError(
            r"--pattern needs a group named loss, as in 'at (?P<step>\d+): (?P<loss>[0-9.]+)'"
        )
    found = _Found()
    for number, line in enumerate(lines, start=1):
        for match in compiled.finditer(line):
            groups = match.groupdict()
            try:
                step = int(groups["step"]) if groups.get("step") else len(found.losses) + 1
                _add(found, step, None, match["loss"], number)
            except ValueError:
                raise ManifestError(
                    f"--pattern takes {match[0]!r} on line {number} of {name}, which is no number"
                ) from None
    return found


def _add(found: _Found, step: int, total: int | None, text: str, line: int) -> None:
    text = text.replace(",", ".")
    loss = Printed(text, _value(text), line)
    before = found.losses.get(step)
    if before is not None and before.text != text and found.repeated is None:
        found.repeated = (step, line)
    if before is None:
        found.losses[step] = loss
    if total is not None:
        found.totals.append(total)
    found.last = line


def _value(text: str) -> float:
    return float.fromhex(text) if "x" in text.lower() else float(text)


def _style(losses: Sequence[Printed]) -> tuple[int, int]:
    """(decimals, 0) if all losses have as many decimals, else (0, significant digits)."""
    if any("x" in loss.text.lower() for loss in losses):
        return 0, 17
    numbers = [loss for loss in losses if math.isfinite(loss.value)]
    decimals = {loss.decimals for loss in numbers}
    if len(decimals) == 1 and not any("e" in loss.text.lower() for loss in numbers):
        return (max(1, *decimals), 0) if decimals != {0} else (0, max(loss.digits for loss in numbers))
    return 0, max((loss.digits for loss in numbers), default=4)


def _is_cut(found: _Found, data: bytes) -> bool:
    """Whether the last loss has no line end and fewer digits than all others."""
    if data.endswith((b"\n", b"\r")) or len(found.losses) < 2:
        return False
    *others, last = sorted(found.losses.values(), key=lambda loss: loss.line)
    is_last = data.rstrip().endswith(last.text.encode()) or data.rstrip().endswith(
        last.text.replace(".", ",").encode()
    )
    return is_last and last.decimals < min(loss.decimals for loss in others)


def _headers(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    for line in lines[:40]:
        for name, pattern in HEADERS.items():
            if match := pattern.search(line):
                yield name, int((match[1] or match[match.lastindex or 1]).replace(",", ""))


def _samples(lines: Sequence[str]) -> dict[int, str]:
    """By number, from 0, from the lines after the last loss; if none is numbered, all lines below a
    heading.
    """
    kinds = [[match for line in lines if (match := kind.match(line))] for kind in SAMPLES]
    matches = max(kinds, key=len)
    if matches:
        numbers = [int(match[1]) if match[1] else i for i, match in enumerate(matches, start=1)]
        first = 0 if min(numbers) == 0 else 1
        return {n - first: _bare(match[2] or "") for n, match in zip(numbers, matches, strict=True)}
    heading = next((i for i, line in enumerate(lines) if HEADING.search(line)), len(lines))
    return dict(enumerate(_bare(line) for line in lines[heading + 1 :] if line.strip()))


def _bare(text: str) -> str:
    return text.strip().strip("'\"`").removesuffix("<|endoftext|>").strip()


def _nothing(lines: Sequence[str], name: str) -> str:
    """Why there is no log, as a sentence."""
    text = [line.strip() for line in lines if line.strip()]
    if not text:
        return f"{name} has only empty lines: run the program and give what it prints"
    if dict(_headers(lines)):
        return (
            f"{name} ends before its first step; its last line is {text[-1][:120]!r}: "
            "if that is an error, the program did not train"
        )
    return (
        f"no line of {name} has a step and a loss; its first line is {text[0][:80]!r}: "
        r"say how losses are printed with --pattern '(?P<step>\d+) (?P<loss>[0-9.]+)'"
    )
