"""Writes files whole or not at all: a reader, or the next run, never meets half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness import paths
from harness.errors import MachineFault


def write_whole(path: Path, text: str) -> Path:
    """Write `text` to `path`, whose folder is made. Raises MachineFault, and then `path` is as it was."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8", newline="\n"
        ) as file:
            part = Path(file.name)
            file.write(text)
        part.chmod(0o644)
        os.replace(part, path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise MachineFault(f"{paths.shown(path)} cannot be written: {reason}", code="unwritable") from None
    return path
