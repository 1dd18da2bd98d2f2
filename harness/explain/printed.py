"""A run whose training is right when it is asked for as `train`: what is wrong around it.

Left are the order of documents, the drawn parameters, the draws of the samples, and the printing. Printed
losses tell them apart: they show which document a step took, to four decimals.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

from conformance.messages import Reply
from harness.judge.compare import Difference
from reference import microgpt

SECONDS = 8.0  # for trying documents
MOST_DOCUMENTS = 60
MOST_STEPS = 3
_LOSS = re.compile(r"loss\s+(-?[0-9.]+|-?inf|nan)\s*$")
RIGHT = "training is right when it is asked for as train"


def sentence(whole: microgpt.Run, difference: Difference, golden: Reply, reply: Reply) -> str:
    """What the lines of a run say about a mistake that is not in its training. Ends in no full stop."""
    wanted, came = lines_of(golden), lines_of(reply)
    if wanted is None or came is None or not reply.ok:
        return f"{RIGHT}: look at the order of documents, the drawn parameters or the printing"
    if len(wanted) != len(came):
        return f"{RIGHT}, and {len(came)} lines are printed, not {len(wanted)}: look at the printing"
    first = next((i for i, (a, b) in enumerate(zip(wanted, came, strict=True)) if a != b), None)
    sums_right = _agree(golden, reply, ("parameters", "m", "v"))
    word_right = _agree(golden, reply, ("word",))
    if first is None:
        return _after_the_lines(sums_right)
    if first < 3:
        return f"{RIGHT}, and line {first + 1} is not: look at how {_count(first)} are counted and printed"
    a, b = wanted[first], came[first]
    if not (_LOSS.search(a) and a.startswith("step")):
        return _sample(a, b, sums_right, word_right)
    if sums_right:
        return f"{RIGHT}, and so are the parameters at the end: look at how the loss is printed{_how(a, b)}"
    return f"{RIGHT}: {_other_start(whole, came)}"


def lines_of(reply: Reply) -> list[str] | None:
    """The printed lines of a reply; None if one of them is no text."""
    try:
        texts = (text.split(" ")[1:] for text in reply.lines if text.split(" ")[0] == "print")
        return ["".join(chr(int(word)) for word in words) for words in texts]
    except (ValueError, OverflowError):
        return None


def _agree(golden: Reply, reply: Reply, keys: Sequence[str]) -> bool:
    wanted, came = ([text for text in it.lines if text.split(" ")[0] in keys] for it in (golden, reply))
    return wanted == came


def _count(line: int) -> str:
    return ("documents", "characters (with BOS)", "parameters")[line]


def _after_the_lines(sums_right: bool) -> str:
    if sums_right:
        return f"{RIGHT}, and so is every line: what is wrong is how many numbers have been drawn at the end"
    return (
        f"{RIGHT}, and so is every line: equal to four decimals, the parameters, m or v are not: look at the "
        "drawn parameters and at which of them the checksums cover"
    )


def _how(wanted: str, came: str) -> str:
    """In what the two printed losses differ."""
    a, b = _LOSS.search(wanted), _LOSS.search(came)
    if a is None or b is None:
        return ": the text"
    if a[1] == b[1]:
        return f": the loss is the same, the text around it is not ({came!r})"
    if abs(float(a[1]) - float(b[1])) < 1.5e-4:
        return ": rounding to four decimals (the exact value, ties to even, once; no float32)"
    return ": another number is printed"


def _sample(wanted: str, came: str, sums_right: bool, word_right: bool) -> str:
    if not sums_right:
        return (
            f"{RIGHT}, and so is every printed loss, but not the parameters at the end: look at the last "
            f"update"
        )
    if word_right:
        return (
            f"{RIGHT}, and as many numbers are drawn as should be: look at how a sample is decoded and "
            f"printed"
        )
    drawn = "look at the sampling: the temperature, the first token, the end of a sample, the draws before it"
    return f"{RIGHT}, and so are the parameters at the end: {drawn}"


def _other_start(whole: microgpt.Run, came: Sequence[str]) -> str:
    """Which documents the steps took, if the drawn parameters were right; else that these are not."""
    losses = [match[1] for text in came if text.startswith("step") and (match := _LOSS.search(text))]
    taken = _documents(whole, losses[:MOST_STEPS])
    if taken is None:
        return "look at the order of documents and at the drawn parameters"
    if not taken:
        return (
            "no document has the printed loss of the first step with the parameters that must be "
            "drawn: look at the "
            "drawn parameters (sigma, order, what is drawn before them)"
        )
    names = ", ".join(f"{number} ({whole.documents[number][:20]!r})" for number in taken)
    return (
        f"the drawn parameters are right, the order of documents is not: by their losses the first "
        f"steps take the "
        f"documents {names}, counted from 0 as they are shuffled, and 0, 1, 2, ... are right"
    )


def _documents(whole: microgpt.Run, losses: Sequence[str]) -> list[int] | None:
    """For each loss the document that has it; [] if the first has none, None if there are too many to try."""
    deadline = time.monotonic() + SECONDS
    training, count = whole.training, len(whole.documents)
    if count > MOST_DOCUMENTS or not losses:
        return None
    taken: list[int] = []
    for loss in losses:
        fitting = []
        for number, text in enumerate(whole.documents):
            if time.monotonic() > deadline:
                return taken or None
            tokens = whole.tokenizer.encode(text)
            value = microgpt.document_loss(training.config, training.parameters, tokens).data
            if microgpt.four_decimals(value) == loss:
                fitting.append((number, tokens))
        if not fitting:
            return taken
        number, tokens = fitting[0]
        taken.append(number)
        training.advance(tokens)
    return taken
