"""Claims about `conform run --path`: a port of one's own, wherever its folder is, whatever its name."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import paths
from harness.cli.main import main

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from reference.protocol import replies
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder `myport` with a port that calls itself `reference`."""
    made = tmp_path / "myport"
    made.mkdir()
    (made / "port.yaml").write_text(f"language: Test\nrun: {sys.executable} port.py\nlevel: 2\n")
    (made / "port.py").write_text(PROGRAM.format(root=str(paths.root())))
    return made


def run(folder: Path, *options: str) -> tuple[int, str]:
    words = ["run", "--path", str(folder), "--runner", "local", "--level", "1", *options]
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


def test_another_name_than_the_folder_s_is_said_in_one_sentence(folder: Path) -> None:
    status, output = run(folder)
    assert status == 1
    assert "the port calls itself reference and its folder myport: add --name reference" in output


def test_with_its_own_name_it_agrees(folder: Path) -> None:
    status, output = run(folder, "--name", "reference")
    assert status == 0, output
    assert "add --name" not in output
