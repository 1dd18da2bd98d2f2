"""Claim: a program that looks its answers up in the golden traces, and computes nothing, is found out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from conformance import ladder
from harness import paths
from harness.build import manifest
from harness.build.runners import LocalRunner
from harness.fleet.choice import Choice
from harness.fleet.conform import conform
from harness.fleet.listener import Listener
from harness.report import terminal
from harness.report.marks import mark_lines
from harness.run.limits import Limits

REPLAYS = """
import hashlib, pathlib, sys
found = {}
for path in pathlib.Path(sys.argv[1]).rglob("*.request"):
    found[hashlib.sha256(path.read_bytes()).hexdigest()] = path.with_suffix(".golden").read_bytes()
request = b""
for line in sys.stdin.buffer:
    request += line
    if line == b"end\\n":
        name = request.split(b"\\n")[0].split(b" ")[-1]
        guess = b"error " + name + b" unsupported\\nend\\n"
        reply = found.get(hashlib.sha256(request).hexdigest(), guess)
        sys.stdout.buffer.write(reply.replace(b"name reference", b"name replay"))
        sys.stdout.buffer.flush()
        request = b""
"""


class AFew(Choice):
    """The ladder, with three cases of each level."""

    def cases(self, slow: bool = False) -> list[tuple[ladder.Level, Sequence[ladder.Case]]]:
        return [(level, level.cases[:3]) for level in ladder.levels()]


def test_a_program_that_replays_golden_traces_does_not_conform(tmp_path: Path) -> None:
    (tmp_path / "replay").mkdir()
    (tmp_path / "replay" / "port.py").write_text(REPLAYS)
    (tmp_path / "replay" / "port.yaml").write_text(
        f"language: Python\nrun: {sys.executable} -S port.py {paths.root() / 'conformance'}\n"
    )
    port = manifest.load_folder(tmp_path / "replay")
    limits = Limits()
    record = conform(port, LocalRunner(limits), limits, AFew("local", fresh_seed=1), Listener())

    assert record.reached_level == 12, "its stored answers are the right ones"
    assert record.marks.steady is not None and record.marks.steady.full
    assert record.marks.fresh is not None and record.marks.fresh.agreed == 0 < record.marks.fresh.asked
    assert record.outcome == "fails fresh questions"
    assert "not the right ones to requests that it has not seen before" in terminal.sentence(record)
    # It is no program for people either.
    assert record.marks.command_line is not None and not record.marks.command_line.full
    assert any("command line" in line for line in mark_lines(record))
