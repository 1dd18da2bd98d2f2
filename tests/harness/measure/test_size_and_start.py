"""Claims about what is told of a port beside its speed: its size, and how long it takes to start."""

from pathlib import Path

import pytest

from harness.build import runners
from harness.build.manifest import Manifest
from harness.measure import size, startup
from harness.run.limits import Limits

ANSWERS = "while read -r line; do [ \"$line\" = end ] && break; done; echo 'ok h'; echo end"


def port(folder: Path, run: str = "sh port.sh", **sources: str) -> Manifest:
    folder.mkdir(exist_ok=True)
    for name, text in sources.items():
        (folder / name.replace("_", ".")).write_text(text)
    return Manifest("tiny", "Test", run, folder)


def start(made: Manifest) -> float | None:
    runner = runners.LocalRunner(Limits())
    return startup.milliseconds(made, runner.prepare(made), Limits())


def test_comments_and_layout_are_no_tokens(tmp_path: Path):
    plain = size.of_port(port(tmp_path / "a", a_py="x = f(1)\n"))
    spread = size.of_port(port(tmp_path / "b", a_py="# a comment\n\nx   =   f(\n    1\n)\n"))
    assert plain.tokens == spread.tokens == 6
    assert plain.compressed_bytes < spread.compressed_bytes


def test_a_language_that_pygments_does_not_know_has_no_count(tmp_path: Path):
    assert size.of_port(port(tmp_path / "a", a_py="x = 1\n", b_zzz="what")).tokens is None


def test_a_script_without_an_ending_is_known_by_its_first_line(tmp_path: Path):
    assert size.of_port(port(tmp_path / "a", program="#!/bin/sh\necho one  # a comment\n")).tokens == 2


def test_the_start_of_a_port_lasts_until_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    taken = start(port(tmp_path / "slow", port_sh=f"{ANSWERS}; sleep 0.05"))
    assert taken is not None
    assert taken >= 50


def test_a_port_that_fails_has_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    assert start(port(tmp_path / "fails", port_sh="exit 3")) is None
