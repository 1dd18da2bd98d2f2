"""What nobody foresaw, as a sentence: its traceback goes to a log, and no port is to blame."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime

from conformance.ladder import BrokenSuite
from harness import files, paths
from harness.errors import ConformError, MachineFault


def unexpected(error: BaseException, doing: str) -> MachineFault:
    """A fault that says what came up while `doing`, as in "judging c", and which file holds its traceback."""
    when = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    log = paths.logs_dir() / f"unexpected-{when}.log"
    text = "".join(traceback.format_exception(error)).encode("utf-8", errors="backslashreplace")
    try:
        files.write_whole(log, text)
        hint = f"{paths.shown(log)} holds the traceback; please report it"
    except (ConformError, OSError):
        hint = "its traceback could not be kept either: is the disk full?"
    kind = type(error).__name__
    said = " ".join(str(error).split())[:200]
    return MachineFault(
        f"{doing} ended with what nobody foresaw: {kind}{': ' if said else ''}{said}",
        hint=hint,
        code="unexpected",
    )


def broken_suite(problem: BrokenSuite) -> MachineFault:
    """A file of the suite is damaged; the message names it."""
    return MachineFault(
        str(problem),
        hint="git checkout conformance brings the suite's files back; after a change on purpose: make golden",
        code="suite",
    )
