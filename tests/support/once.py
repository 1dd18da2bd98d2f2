"""What is costly to make is made by one of the processes that run the tests, and read by the others."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")
_folder: Path | None = None


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of this run of the tests, the same for each of its processes."""
    global _folder
    own = tmp_path_factory.getbasetemp()
    _folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    yield _folder
    _folder = None


def once(name: str, make: Callable[[], Made]) -> Made:
    """What `make` returned to the first process that asked for `name`; it must survive pickling."""
    assert _folder is not None, "a test must be running"
    kept = _folder / f"once-{name}"
    with (_folder / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            made = pickle.dumps(make())
            kept.write_bytes(made)
    shared: Made = pickle.loads(kept.read_bytes())
    return shared
