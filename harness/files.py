"""Writes files whole or not at all: a reader, or the next run, never meets half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness import paths
from harness.errors import MachineFault


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write a text (as UTF-8) or bytes to `path`, whose folder is made.

    Raises MachineFault, and then `path` is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "wb", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            part = Path(file.name)
            file.write(data)
        part.chmod(0o644)
        os.replace(part, path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise MachineFault(f"{paths.shown(path)} cannot be written: {reason}", code="unwritable") from None
    return path
