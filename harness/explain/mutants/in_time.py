"""Many jobs side by side, as far as the time reaches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import TimeoutError as OutOfTime
from multiprocessing import current_process, get_context
from typing import Any, TypeVar

BUDGET = 15.0  # seconds
Result = TypeVar("Result")


def in_time(
    job: Callable[..., Result], arguments: Sequence[tuple[Any, ...]], seconds: float = BUDGET
) -> Iterator[tuple[str, Result]]:
    """The first argument and the result of each job, in order, until the time is up; then all processes
    end.
    """
    deadline = time.monotonic() + seconds
    if current_process().daemon:  # such a process may not have children
        for given in arguments:
            if time.monotonic() > deadline:
                return
            yield given[0], job(*given)
        return
    with get_context("spawn").Pool() as pool:
        waiting = [(given[0], pool.apply_async(job, given)) for given in arguments]
        for name, result in waiting:
            try:
                yield name, result.get(timeout=max(0.0, deadline - time.monotonic()))
            except OutOfTime:
                return
