"""What fuzzing found, as a case of the ladder: a request and its golden trace in `conformance/found/`.

The name is the verb and a hash of the request, so the same finding is one file, whoever makes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness import files, ladder, paths
from harness.fuzz.requests import ID
from harness.ladder import Case, request_of
from harness.trace import golden_of


def folder() -> Path:
    return paths.root() / "conformance" / "found"


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
    return case_of(verb, path)


def case_of(verb: str, path: Path) -> Case:
    """The file as the ladder sees it."""
    level = next(level for level in ladder.levels() if level.verb == verb)
    return level.found_case(path)
