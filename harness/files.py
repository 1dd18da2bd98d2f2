"""Reads and writes files whole or not at all: no reader meets half of one, hangs, or fills the memory."""

from __future__ import annotations

import os
import stat
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
        raise MachineFault(
            f"{paths.shown(path)} cannot be written: {reason(error)}", code="unwritable"
        ) from None
    return path


def read_whole(path: Path, most: int) -> bytes:
    """The content of a plain file of at most `most` bytes.

    Raises OSError, whose words fit behind "cannot be read:", also for a larger file and for what is no plain
    file, such as a pipe or a device: nothing is waited for.
    """
    # Windows knows neither pipes as files nor this flag, but text files.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError("it is not a plain file")
        data = file.read(most + 1) if state.st_size <= most else b""
        if state.st_size > most or len(data) > most:
            raise OSError(f"it has {state.st_size:,} bytes, and {most:,} are the most")
        return data


def reason(error: OSError) -> str:
    """Why a file could not be read or written, without its name."""
    return error.strerror or str(error)
