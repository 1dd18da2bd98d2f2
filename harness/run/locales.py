"""A locale with a comma for decimals, for machines without one: glibc's own C.utf8 with that one change."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from harness import paths
from harness.run.circumstances import USUAL, Circumstances

_LIKE = Path("/usr/lib/locale/C.utf8")
COMMA = "de_DE.utf8"
"""As glibc looks for de_DE.UTF-8. The image of a port has it too: see templates/Dockerfile.j2."""


def environment(circumstances: Circumstances) -> dict[str, str]:
    """What lets a process on this machine find the locale; nothing where glibc has no C.utf8."""
    if circumstances.locale == USUAL.locale or not _LIKE.is_dir():
        return {}
    return {"LOCPATH": str(_folder())}


def _folder() -> Path:
    """The folder that holds the locale, made once."""
    folder = paths.cache_dir() / "locale"
    if (folder / COMMA).is_dir():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as work:
        made = Path(work) / COMMA
        shutil.copytree(_LIKE, made)
        numeric = made / "LC_NUMERIC"
        numeric.write_bytes(numeric.read_bytes().replace(b".", b","))
        try:
            made.rename(folder / COMMA)
        except OSError:
            if not (folder / COMMA).is_dir():
                raise
    return folder
