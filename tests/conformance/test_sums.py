"""A damaged file of the suite is named before any port is judged by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from conformance import golden, sums
from conformance.ladder import BrokenSuite


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A small suite: two levels, with their sums."""
    for name in ("levels/01-hello", "levels/02-arith"):
        shutil.copytree(sums.HERE / name, tmp_path / name)
    files = [path for path in tmp_path.rglob("*.*") if path.is_file()]
    text = sums.text_of((path.relative_to(tmp_path).as_posix(), path.read_bytes()) for path in files)
    (tmp_path / sums.NAME).write_text(text)
    return tmp_path


def test_the_sums_are_those_of_the_files_that_are_here() -> None:
    sums.verify()
    made = {golden.LARGE_FILE: golden.LARGE_FILE.read_bytes()}
    assert golden.sums_file(made, set()) == golden.SUMS_FILE.read_bytes()
    listed = {line.partition("  ")[2] for line in golden.SUMS_FILE.read_text().splitlines()}
    here = {path.relative_to(sums.HERE).as_posix() for path in sums.HERE.rglob("*.golden")}
    here |= {f"command_line/{path.name}" for path in golden.command_line.FOLDER.iterdir()}
    assert here <= listed


@pytest.mark.parametrize("damage", ["truncated", "one digit", "missing", "a folder", "no sums"])
def test_a_damaged_file_is_named(damage: str, suite: Path) -> None:
    sums.verify(suite)
    path = suite / "levels/02-arith/example.golden"
    text = path.read_text()
    if damage == "truncated":  # by whole lines: what is left is a good reply
        path.write_text("\n".join([*text.splitlines()[:-3], "end"]) + "\n")
    elif damage == "one digit":
        path.write_text(text.replace("3ff", "3fe", 1))
    elif damage == "no sums":
        path = suite / sums.NAME
        path.unlink()
    else:
        path.unlink()
        if damage == "a folder":
            path.mkdir()
    with pytest.raises(BrokenSuite) as caught:
        sums.verify(suite)
    assert str(path) in str(caught.value)


def test_what_fuzzing_has_added_is_no_damage(suite: Path) -> None:
    (suite / "levels/02-arith/found-new.golden").write_text("ok x\nend\n")
    sums.verify(suite)
