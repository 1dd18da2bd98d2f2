"""Claims on timing public programs and larger models, with programs of a few lines in place of real ones."""

import subprocess
from pathlib import Path

import pytest

from conformance.cases.case import CLASSIC_SHAPE, shape
from harness.errors import BuildFailed, ManifestError
from harness.measure import peers, scale
from harness.report import others

PROGRAM = """#!/bin/sh
test -s names.txt || exit 1
for step in 1 2 3; do echo "step $step / 3 | loss 3.0000"; sleep 0.1; done
"""


def clone(folder: Path, program: str = PROGRAM) -> str:
    """A repository with one program. Returns its commit."""
    folder.mkdir(parents=True)
    (folder / "program.sh").write_text(program)

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True).stdout

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "a program")
    (folder / "program.sh").write_text("exit 1  # what is not committed does not count\n")
    return git("rev-parse", "HEAD").strip()


def peer(commit: str, build: str = "chmod +x program.sh") -> peers.Peer:
    files = ("program.sh",)
    return peers.Peer("someone/program", commit, files, build, "./program.sh", "names.txt", "float64", "sh")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> list[peers.Peer]:
    """The table, while a test lasts, and no reference: it would take seconds."""
    rows: list[peers.Peer] = []
    monkeypatch.setattr(peers, "table", lambda: rows)
    return rows


def test_the_real_table_can_be_read():
    assert all(len(one.commit) == 40 and "/" in one.repository for one in peers.table())


def test_a_step_takes_the_time_between_the_lines(
    tmp_path: Path, known: list[peers.Peer], monkeypatch: pytest.MonkeyPatch
):
    commit = clone(tmp_path / "someone-program")
    known.append(peer(commit))
    stub = peers._Program("the reference", ("sh", "-c", PROGRAM), tmp_path, "float64", "sh")
    monkeypatch.setattr(peers, "_reference", lambda: stub)
    (tmp_path / "names.txt").write_text("ada\n")
    found = peers.measure([], tmp_path, lambda line: None, rounds=1)
    assert {one.name for one in found} == {"the reference", "someone/program"}
    assert all(0.09 < one.step_microseconds / 1e6 < 2 for one in found)
    assert all(one.agreement in ("wrong", "unknown", "consistent") for one in found), "three losses of 3"


def test_without_a_clone_the_repositories_are_named(tmp_path: Path, known: list[peers.Peer]):
    known.append(peer("0" * 40))
    with pytest.raises(ManifestError, match="holds no clone") as caught:
        peers.measure([], tmp_path, lambda line: None)
    assert "github.com/someone/program" in caught.value.hint


def test_another_commit_and_a_build_that_fails_are_said(tmp_path: Path, known: list[peers.Peer]):
    commit = clone(tmp_path / "program")
    known.append(peer("1" * 40))
    with pytest.raises(ManifestError, match="has no commit 111111111111"):
        peers.measure([], tmp_path, lambda line: None)
    known[0] = peer(commit, build="echo there is no compiler >&2; false")
    with pytest.raises(BuildFailed, match="there is no compiler"):
        peers.measure([], tmp_path, lambda line: None)


def test_a_program_that_keeps_its_lines_back_is_timed_from_its_start(tmp_path: Path):
    (tmp_path / "names").write_text("ada\n")
    late = "sleep 0.3; for step in 1 2 3; do echo step $step; done"
    program = peers._Program("late", ("sh", "-c", late), tmp_path, "float64", "sh")
    peers._time(program, tmp_path / "names")
    assert program.times[0] > 0.09


def test_a_program_without_steps_is_quoted(tmp_path: Path):
    (tmp_path / "names").write_text("ada\n")
    program = peers._Program("odd", ("sh", "-c", "echo no names here"), tmp_path, "float64", "sh")
    with pytest.raises(ManifestError, match="printed no steps; it said: no names here"):
        peers._time(program, tmp_path / "names")


def test_operations_of_the_smallest_model_counted_by_hand():
    one = shape(1, 1, 1, 1, 2)
    weights = 2 * (12 + 2)  # a product and a sum for each weight that is used
    norms, residuals, embedding, attended = 3 * 3, 2, 1, 4
    assert scale.operations(one) == 3 * (weights + norms + residuals + embedding + attended) + 14 * 17
    assert scale.parameters(CLASSIC_SHAPE) == 4192


def test_one_dimension_grows_at_a_time():
    small = scale.sizes()[0]
    changed = [
        sum(getattr(one, key) != getattr(small, key) for key in ("embedding", "block", "layers"))
        for one in scale.sizes()[1:]
    ]
    assert set(changed) == {1} and len(changed) == 11


def test_the_tables_say_ratios_and_growth():
    rows = [("ports/c-fast", "float64", 10.0), ("a/b", "float32", 20.0), ("the reference", "float64", 1e5)]
    timed = [
        {"name": n, "width": w, "method": "C", "step_microseconds": t, "agreement": "printed"}
        for n, w, t in rows
    ]
    head = {"processor": "a processor", "finished": "2026-11-28T00:00:00+00:00"}
    text = others.peers({**head, "programs": timed})
    assert r"| ports/c\-fast | float64 | C | 10.0 | 10,000 × | 2 × |" in text
    points = [
        {
            "embedding": e,
            "block": 16,
            "layers": 1,
            "parameters": 1,
            "operations": 100,
            "seconds": e * e * 1e-6,
        }
        for e in (16, 32)
    ]
    text = others.scale({**head, "peak": 1e9, "ports": {"c-fast": points}})
    assert "embedding 16 to 32: time grows with its power 2.00." in text
