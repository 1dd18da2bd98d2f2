"""Claims about `conform check-math`: it builds a port and holds its exact functions against mpmath."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import paths
from harness.build import manifest
from harness.cli.main import main

PORT = """
import sys
sys.path.insert(0, {root!r})
from reference import exactmath, nativemath
from reference.protocol import replies
{mistake}
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""


def check(folder: Path, monkeypatch: pytest.MonkeyPatch, mistake: str = "", count: int = 1500) -> Result:
    (folder / "own.py").write_text(PORT.format(root=str(paths.root()), mistake=mistake))
    (folder / "port.yaml").write_text(f"language: Python\nrun: {sys.executable} own.py\n")
    monkeypatch.setattr(manifest, "load", lambda name: manifest.load_folder(folder, name))
    return CliRunner().invoke(main, ["check-math", "own", "--runner", "local", "--count", str(count)])


def test_exact_functions_have_no_mismatches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check(tmp_path, monkeypatch)
    assert found.exit_code == 0, found.output
    lines = [line for line in found.output.splitlines() if "inputs" in line]
    assert [line.split()[0] for line in lines] == ["exp", "log", "sin", "cos", "pow"]
    assert all(line.split()[1:] == ["1,500", "inputs", "0", "mismatches"] for line in lines)


def test_a_function_of_the_library_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check(tmp_path, monkeypatch, "exactmath.pow = lambda x, y: nativemath.pow(x, y)")
    assert found.exit_code == 1
    assert "expected," in found.output


def test_a_port_that_answers_with_an_error_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = check(tmp_path, monkeypatch, "del replies.VERBS['math']", count=10)
    assert found.exit_code == 1 and "the port answered a request for exp with an error" in found.output
