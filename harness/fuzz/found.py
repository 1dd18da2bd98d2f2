"""What fuzzing found, as a case of the ladder: a request and its golden trace.

It lies in the cache, or, where it is new to the suite and was asked for, in `conformance/found/`. The name is
the verb and a hash of the request, so the same finding is one file, whoever makes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from conformance import ladder
from conformance.ladder import Case, Level
from conformance.messages import golden_of, request_of
from harness import files, paths
from harness.fuzz.requests import ID

Entry = dict[str, Any]
"""A part of what a campaign found, as JSON has it."""


def folder() -> Path:
    return paths.root() / "conformance" / "found"


def unkept() -> Path:
    return paths.cache_dir() / "fuzz" / "found"


def conversations() -> Path:
    return paths.cache_dir() / "fuzz" / "conversations"


def save(verb: str, data: bytes, where: Path) -> Case:
    """Write a request, under an id of its own where it has a right one, and the reference's reply to it."""
    digest = hashlib.sha256(data).hexdigest()[:8]
    header, line_end, rest = data.partition(b"\n")
    if header.endswith(f" {ID}".encode()) and request_of(data).id == ID:
        header = header.removesuffix(ID.encode()) + f"found-{digest}".encode()
    data = header + line_end + rest
    path = where / f"{verb}-{digest}.request"
    files.write_whole(path, data)
    files.write_whole(path.with_suffix(".golden"), golden_of(request_of(data)).text())
    return level_of(verb).found_case(path)


def keep_conversation(port: str, verb: str, data: bytes) -> Case:
    """Keep what a port was sent up to a failure that the last request alone does not show."""
    digest = hashlib.sha256(data).hexdigest()[:8]
    path = conversations() / f"{port}-{verb}-{digest}.requests"
    return Case(level_of(verb), "conversation", files.write_whole(path, data))


def level_of(verb: str) -> Level:
    return next(level for level in ladder.levels() if level.verb == verb)
