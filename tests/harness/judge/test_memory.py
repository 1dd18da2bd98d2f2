"""Claims about memory: a leak is found, and a port without one is not blamed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.judge import memory
from harness.run.limits import MIB, Limits
from harness.run.local import LocalProcess
from harness.run.session import Session

PORT = """
import sys
kept = []
for line in sys.stdin:
    if line.startswith("run "):
        name = line.split()[1]
    if line.startswith("steps "):
        for step in range(int(line.split()[1])):
            data = b"x" * {size}
            {keep}
    if line == "end\\n":
        print("ok " + name + "\\nend", flush=True)
"""


def looked(folder: Path, size: int, keep: str) -> str:
    (folder / "port.py").write_text(PORT.format(size=size, keep=keep))
    limits = Limits()
    return memory.look(Session(lambda: LocalProcess(f"{sys.executable} -S port.py", folder, limits), limits))


def test_a_leak_of_a_mebibyte_a_step_is_found(tmp_path: Path) -> None:
    assert "memory grows from step to step" in looked(tmp_path, MIB, "kept.append(data)")


def test_memory_that_is_used_again_is_no_leak(tmp_path: Path) -> None:
    said = looked(tmp_path, MIB, "kept[:] = [data]")
    assert "grows" not in said and "after 100 steps" in said


@pytest.mark.parametrize(
    ("before", "after", "grows"),
    [(5, 68, False), (5, 70, True), (100, 199, False), (100, 201, True), (300, 400, False)],
)
def test_a_little_more_is_allowed(before: int, after: int, grows: bool) -> None:
    assert ("grows" in memory.words(before * MIB, after * MIB)) is grows
