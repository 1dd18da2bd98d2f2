"""Claims on `conform original`, with a stand-in for the program and a local server for the internet."""

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli import main as cli
from harness.judge import original

STAND_IN = """
names = open('input.txt').read().split()
print(f'num docs: {len(names)}')
for step in range(3):
    print(f'step {step + 1:4d} / 1000 | loss', end='\\r')
print('\\n--- inference ---')
"""
PRINTED = ["num docs: 7347", *(f"step    {step} / 1000 | loss" for step in (1, 2, 3)), "--- inference ---"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test looks at what the command says."""


@pytest.fixture
def gist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with a gist of two versions, whose older one is the stand-in."""
    folder = tmp_path / "gist"
    for version, text in (("newer", "print('rewritten')"), ("older", STAND_IN)):
        (folder / version).mkdir(parents=True)
        (folder / version / "microgpt.py").write_text(text)
    (folder / "history").write_text(json.dumps({"history": [{"version": "newer"}, {"version": "older"}]}))
    monkeypatch.setattr(original, "SHA256", hashlib.sha256(STAND_IN.encode()).hexdigest())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(original, "HISTORY", f"{address}/history")
        monkeypatch.setattr(original, "VERSION", f"{address}/{{version}}/microgpt.py")
        yield folder
        server.shutdown()


def conform(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["original", *arguments])


def said(found: Result) -> str:
    return " ".join(found.output.split())


def test_the_version_with_the_right_hash_is_run_and_compared(gist: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(original, "witness", lambda: PRINTED)
    found = conform()
    assert found.exit_code == 0, found.output
    assert "prints the 5 lines" in found.output


def test_the_first_line_that_differs_is_shown(gist: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(original, "witness", lambda: [*PRINTED[:2], "step    2 / 1000 | loss 3.3"])
    found = conform()
    assert found.exit_code == 1
    assert "line 3 differs" in found.output and "loss 3.3" in found.output


def test_a_line_too_few_or_too_many_is_a_difference():
    assert original.compare(["a", "b"], ["a"]).first == (2, "b", "nothing")
    assert original.compare(["a"], ["a", "b"]).first == (2, "nothing", "b")


def test_no_version_with_the_hash_is_a_sentence(gist: Path):
    (gist / "older" / "microgpt.py").write_text("print('rewritten, too')")
    found = conform()
    assert found.exit_code == 3 and "none of the 2 versions" in said(found)


@pytest.mark.parametrize("history", ["[]", "{", '{"history": [{"id": 1}]}'])
def test_an_answer_of_another_form_is_a_sentence(gist: Path, history: str):
    (gist / "history").write_text(history)
    found = conform()
    assert found.exit_code == 3 and "did not answer with the versions" in said(found)


def test_without_the_internet_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(original, "HISTORY", "http://127.0.0.1:9/history")  # the port of `discard`
    found = conform()
    assert found.exit_code == 3
    assert "could not be downloaded" in said(found) and "--file microgpt.py" in said(found)


def test_a_copy_of_another_version_is_refused(tmp_path: Path):
    copy = tmp_path / "microgpt.py"
    copy.write_text("print('mine')")
    found = conform("--file", str(copy))
    assert found.exit_code == 2 and "is another version" in said(found)


def test_a_program_that_fails_is_no_verdict(gist: Path, monkeypatch: pytest.MonkeyPatch):
    broken = "import sys\nprint('num docs: 7347')\nsys.exit('no such module')\n"
    (gist / "older" / "microgpt.py").write_text(broken)
    monkeypatch.setattr(original, "SHA256", hashlib.sha256(broken.encode()).hexdigest())
    found = conform()
    assert found.exit_code == 3
    assert "ended with exit code 1" in found.output and "no such module" in found.output


def test_the_addresses_are_those_of_the_gist():
    assert original.GIST in original.HISTORY and original.GIST in original.VERSION
    assert original.VERSION.format(version="v").endswith("/raw/v/microgpt.py")
