"""Claims about the line `contracted`: the port's other build is asked, and what it changes is told."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conformance import ladder
from harness import paths
from harness.build import manifest
from harness.build.runners import LocalRunner
from harness.fleet import conform as judging
from harness.fleet.choice import Choice
from harness.fleet.conform import conform
from harness.fleet.listener import Listener
from harness.report import terminal
from harness.report.marks import mark_lines
from harness.report.record import Record
from harness.run import machine
from harness.run.limits import Limits

PORT = """
import pathlib, sys
found = {{}}
for path in pathlib.Path({suite!r}).rglob("*.request"):
    found[path.read_bytes()] = path.with_suffix(".golden").read_bytes()
request = b""
for line in sys.stdin.buffer:
    request += line
    if line == b"end\\n":
        name = request.split(b"\\n")[0].split(b" ")[-1]
        reply = found.get(request, b"error " + name + b" unsupported\\nend\\n")
        if {fuses}:
            reply = reply.replace(b"\\nadd 3", b"\\nadd 4")
        sys.stdout.buffer.write(reply.replace(b"name reference", b"name port"))
        sys.stdout.buffer.flush()
        request = b""
"""


class AFew(Choice):
    """The ladder's first four levels, three cases of each."""

    def cases(self, slow: bool = False) -> list[tuple[ladder.Level, Sequence[ladder.Case]]]:
        return [(level, level.cases[:3]) for level in ladder.levels()[:4]]


def judged(folder: Path, **changes: object) -> Record:
    (folder / "port").mkdir()
    for name, fuses in (("usual.py", False), ("fused.py", True)):
        (folder / "port" / name).write_text(PORT.format(suite=str(paths.root() / "conformance"), fuses=fuses))
    port = manifest.Manifest(
        "port",
        "Python",
        f"{sys.executable} -S made.py",
        folder / "port",
        build="cp usual.py made.py",
        level=4,
    )
    limits = Limits()
    asked = AFew("local", fresh=False)
    return conform(replace(port, **changes), LocalRunner(limits), limits, asked, Listener())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def a_machine_that_fuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judging, "is_x86_64_v3", lambda: True)
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))


def test_a_build_that_fuses_does_not_conform(tmp_path: Path) -> None:
    record = judged(tmp_path, contracted="cp fused.py made.py")
    assert record.outcome == "wrong when contracted" and not record.conforms
    assert record.reached_level == 4, "the usual build is right"
    mark = record.marks.contracted
    assert mark is not None and 0 < mark.agreed < mark.asked
    assert {failure.case.partition("/")[0] for failure in mark.failures} == {"arith"}
    [line] = [line for line in mark_lines(record) if line.startswith("contracted")]
    assert "the first that is not: arith/" in line
    assert "rounds once where SPEC.md rounds twice" in terminal.sentence(record)


def test_a_build_that_answers_the_same_conforms(tmp_path: Path) -> None:
    record = judged(tmp_path, contracted="cp usual.py made.py")
    assert record.conforms and record.marks.contracted is not None and record.marks.contracted.full


def test_a_machine_that_cannot_run_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "is_x86_64_v3", lambda: False)
    record = judged(tmp_path, contracted="cp fused.py made.py")
    assert record.conforms and record.marks.contracted is None
    assert any("'contracted' was not tried" in note for note in record.notes)


def test_a_line_that_does_not_build_is_a_build_that_failed(tmp_path: Path) -> None:
    record = judged(tmp_path, contracted="false")
    assert record.outcome == "build failed" and "port-contracted" in terminal.sentence(record)


def test_every_port_with_a_compiler_has_the_line() -> None:
    ports = (manifest.load(name) for name in manifest.known_ports())
    may_fuse = re.compile(r"\b(gcc|g\+\+|clang|rustc|zig build-exe|gfortran|gdc)\b")
    without = {port.name for port in ports if may_fuse.search(port.build or "") and not port.contracted}
    assert not without, "other compilers fuse nothing on any processor"


def test_a_processor_is_known_by_its_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPUINFO", cpuinfo)
    assert not machine.is_x86_64_v3()
    for flags, fuses in (("fpu avx avx2 bmi1 bmi2", False), ("fpu avx avx2 bmi1 bmi2 f16c fma movbe", True)):
        cpuinfo.write_text(f"model name\t: Made up\nflags\t\t: {flags}\n")
        assert machine.is_x86_64_v3() is fuses
    assert machine.processor() == "Made up"
