"""Lets what is timed run on one core, before all usual processes, where the system allows it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import psutil


def alone(pid: int = 0) -> None:
    """The process `pid`, or this one, gets the last core and first place on it."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))


def all_alone(root: int | None) -> None:
    """A process and its children."""
    with contextlib.suppress(psutil.Error):
        for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)] if root else []:
            alone(process.pid)


@contextlib.contextmanager
def attentive() -> Iterator[None]:
    """This process wakes as soon as there is something to read."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except (OSError, AttributeError):
        yield
        return
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
