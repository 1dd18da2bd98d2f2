"""Work side by side in threads, which nobody waits for when something goes wrong.

A thread cannot be interrupted. So Ctrl-C leaves the pool at once, and `leave` ends the program with whatever
still runs in it; the reaper removes the containers and processes that the threads had started.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def side_by_side(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads. All work is done at the end of the block; an exception drops what has not begun."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def leave(status: int) -> NoReturn:
    """Exit, without the wait for threads that sys.exit means."""
    if threading.active_count() == 1:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
