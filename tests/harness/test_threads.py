"""A program that is interrupted does not wait for its threads."""

from __future__ import annotations

import subprocess
import sys
from threading import Event

import pytest

from harness.threads import side_by_side

STUCK = """
import threading
from harness.threads import leave, side_by_side
try:
    with side_by_side(2) as pool:
        pool.submit(threading.Event().wait)
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print("interrupted")
    leave(130)
"""


def test_an_interrupted_program_leaves_a_thread_that_never_ends() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "interrupted\n", "")


def test_all_work_is_done_at_the_end_of_the_block() -> None:
    with side_by_side(2) as pool:
        futures = [pool.submit(pow, 2, exponent) for exponent in range(20)]
    assert [future.result(timeout=0) for future in futures] == [2**exponent for exponent in range(20)]


def test_what_has_not_begun_is_dropped_after_a_fault() -> None:
    go_on = Event()
    try:
        with pytest.raises(ValueError, match="wrong"), side_by_side(1) as pool:
            pool.submit(go_on.wait)
            waiting = pool.submit(pow, 2, 3)
            raise ValueError("wrong")
        assert waiting.cancelled()
    finally:
        go_on.set()
