"""Claims about memory: a leak is found, and a port without one is not blamed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from records import made

from harness.judge import memory
from harness.judge.memory import Growth
from harness.report import terminal
from harness.report.making import leaking
from harness.report.marks import mark_lines
from harness.report.record import Mark, Marks
from harness.run.limits import MIB, Limits
from harness.run.local import LocalProcess
from harness.run.session import Session

PORT = """
import sys
kept, lines = [], {{}}
for line in sys.stdin:
    key, *values = line.split()
    lines[key] = values
    if key == "end":
        for _ in range(int(lines["{each}"][0])):
            data = b"x" * {size}
            {keep}
        print("ok " + lines["run"][0] + "\\nend", flush=True)
"""


def looked(folder: Path, keep: str, each: str = "steps") -> Growth:
    (folder / "port.py").write_text(PORT.format(size=MIB, keep=keep, each=each))
    limits = Limits()
    session = Session(lambda: LocalProcess(f"{sys.executable} -S port.py", folder, limits), limits)
    found = memory.look(session)
    assert found is not None
    return found


@pytest.mark.parametrize("each", ["steps", "samples"])
def test_a_leak_of_a_mebibyte_each_time_is_found(tmp_path: Path, each: str) -> None:
    assert looked(tmp_path, "kept.append(data)", each).is_leak


def test_a_memo_of_all_arguments_is_found_though_the_work_is_alike(tmp_path: Path) -> None:
    keep = "lines.setdefault('memo', {}).setdefault((*lines['line'], _), data)"
    assert looked(tmp_path, keep).is_leak


def test_memory_that_is_used_again_is_no_leak(tmp_path: Path) -> None:
    found = looked(tmp_path, "kept[:] = [data]")
    assert not found.is_leak
    assert "after 100 steps and 20 samples" in found.words()


def test_a_collector_that_takes_its_time_is_no_leak(tmp_path: Path) -> None:
    assert not looked(tmp_path, "kept.append(data); del kept[:-200]").is_leak


@pytest.mark.parametrize(
    ("little", "much", "again", "leaks"),
    [(5, 68, 200, False), (5, 70, 140, True), (5, 300, 300, False), (100, 200, 260, False)],
)
def test_a_little_more_is_allowed(little: int, much: int, again: int, leaks: bool) -> None:
    assert Growth(little * MIB, much * MIB, again * MIB).is_leak is leaks


def test_a_port_that_leaks_does_not_conform() -> None:
    words = Growth(MIB, 100 * MIB, 200 * MIB).words()
    port = replace(made(), outcome="leaks memory", marks=Marks(memory=Mark(1, 0, (leaking(words),))))
    [line] = mark_lines(port)
    assert "memory" in line and "takes more memory each time: 1 MiB of memory after 100 steps" in line
    assert "its memory grows" in terminal.sentence(port)
