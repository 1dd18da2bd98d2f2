"""For tests with real containers: an engine that is never missed in silence, and an end to every wait.

conftest.py makes these known to pytest.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from harness.build import base
from harness.errors import MachineFault
from harness.run import engine

PATIENCE = 300
"""Seconds after which a test that waits for something is given up. No test comes near it."""


def _missing_engine() -> str:
    try:
        engine.connect().close()
    except MachineFault as fault:
        return fault.message
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Without an engine its tests are left out with the reason; in CI leaving out is failing."""
    if item.get_closest_marker("docker") is None:
        return
    if missing := _missing_engine():
        left_out = f"left out, since it needs real containers: {missing}"
        if os.environ.get("CI"):
            pytest.fail(f"{left_out} (CI is set, and CI leaves nothing out)", pytrace=False)
        pytest.skip(left_out)


@pytest.fixture(scope="session")
def client() -> Iterator[docker.APIClient]:
    """A client of the engine, with the base image in place."""
    base.ensure_base()
    connected = engine.connect()
    yield connected
    connected.close()


@pytest.fixture
def bounded() -> Iterator[None]:
    """Turns a test that hangs into one that fails."""

    def give_up(number: int, frame: Any) -> None:
        raise AssertionError(f"still waiting after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
