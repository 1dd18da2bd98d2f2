"""The SHA-256 of every file of the suite, in `suite.sha256`: a damaged golden trace is named.

`make golden` writes the file. `sha256sum -c suite.sha256` reads it, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from conformance.ladder import BrokenSuite

HERE = Path(__file__).parent
NAME = "suite.sha256"


def text_of(contents: Iterable[tuple[str, bytes]]) -> str:
    """The file, from each listed file's path in `conformance/` and its content."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(contents))


def verify(folder: Path = HERE) -> None:
    """See that the listed files are as they were made; what fuzzing has added since is not listed.

    Raises BrokenSuite, which names the first file that is missing or has another content.
    """
    listed = folder / NAME
    try:
        lines = listed.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError) as problem:
        raise BrokenSuite(f"{listed} cannot be read: {problem}") from None
    for line in lines:
        wanted, _, name = line.partition("  ")
        try:
            data = (folder / name).read_bytes()
        except OSError as problem:
            raise BrokenSuite(f"{folder / name} cannot be read: {problem.strerror}") from None
        if hashlib.sha256(data).hexdigest() != wanted:
            raise BrokenSuite(f"{folder / name} is damaged: it is not the file that the suite was made with")
