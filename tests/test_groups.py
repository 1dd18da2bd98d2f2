"""Tests that share something costly are a group, and a group must stay in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SHARING = """
import os
import pytest

@pytest.mark.xdist_group("sharing")
@pytest.mark.parametrize("number", range(4))
def test_one(number, pytestconfig):
    with open(pytestconfig.rootpath / "processes", "a") as seen:
        print(os.environ["PYTEST_XDIST_WORKER"], file=seen)
"""


@pytest.mark.slow
def test_a_group_stays_in_one_process(tmp_path: Path) -> None:
    for name in ("test_first.py", "test_second.py"):
        (tmp_path / name).write_text(SHARING)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "--rootdir", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    seen = (tmp_path / "processes").read_text().split()
    assert len(seen) == 8 and len(set(seen)) == 1
