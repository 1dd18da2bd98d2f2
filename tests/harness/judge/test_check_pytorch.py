"""Claims about docs/pytorch: a program that begins where the reference begins is checked number by number."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import paths
from harness.cli.main import main

PROGRAM = paths.root() / "docs" / "pytorch" / "microgpt.py"
STEPS = 40
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("pytorch")]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="needs PyTorch: pip install -e '.[torch]'")
    path = tmp_path_factory.mktemp("pytorch") / "start.json"
    made = CliRunner().invoke(main, ["start", "--preset", "classic", "--out", str(path)])
    assert made.exit_code == 0, made.output
    return path


def verdicts(program: Path, start: Path, folder: Path, dtype: str) -> list[dict[str, object]]:
    """What is said of its log and of its trace."""
    log, trace = folder / "my.log", folder / "trace.jsonl"
    options = ["--dtype", dtype, "--stop", str(STEPS), "--trace", str(trace)]
    command = [sys.executable, str(program), str(start), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    log.write_text(done.stdout)
    said = CliRunner().invoke(main, ["check", str(log), str(trace), "--preset", "classic", "--json"])
    found: list[dict[str, object]] = json.loads(said.output)
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_example_is_within_the_bound_of_its_width(dtype: str, start: Path, tmp_path: Path) -> None:
    log, trace = verdicts(PROGRAM, start, tmp_path, dtype)
    assert (log["agreement"], log["agreed"]) == ("printed", STEPS)
    assert (trace["agreement"], trace["width"]) == ("tolerance", dtype)
    assert trace["agreed"] == trace["compared"] == 9 + STEPS + 2 * 4 * 9


def test_the_library_s_own_betas_are_named(start: Path, tmp_path: Path) -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert text.count("betas=betas, ") == 1
    wrong = tmp_path / "microgpt.py"
    wrong.write_text(text.replace("betas=betas, ", ""))
    log, trace = verdicts(wrong, start, tmp_path, "float64")
    assert not log["agrees"] and not trace["agrees"]
    assert "betas-of-libraries" in str(log["diagnosis"])
    assert str(trace["sentence"]).startswith("wrong from step0.m.wte on")
