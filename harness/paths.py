"""Where the project's folders are, and where the harness keeps what can be made again."""

from __future__ import annotations

import os
from pathlib import Path


def root() -> Path:
    """The repository: the folder that holds `harness/`."""
    return Path(__file__).resolve().parent.parent


def ports_dir() -> Path:
    return root() / "ports"


def cache_dir() -> Path:
    """Downloads, local builds and logs; the environment variable CONFORM_CACHE moves it."""
    chosen = os.environ.get("CONFORM_CACHE")
    return Path(chosen).expanduser().resolve() if chosen else root() / ".cache"


def logs_dir() -> Path:
    return cache_dir() / "logs"


def shown(path: Path) -> str:
    """A path as a person would type it here: relative to the current folder when it lies below it."""
    try:
        return str(Path(os.path.abspath(path)).relative_to(Path.cwd()))
    except (ValueError, OSError):  # OSError: the current folder was removed
        return str(path)


def results_dir() -> Path:
    """Records and what is made from them; the environment variable CONFORM_RESULTS moves it."""
    chosen = os.environ.get("CONFORM_RESULTS")
    return Path(chosen).expanduser().resolve() if chosen else root() / "results"
