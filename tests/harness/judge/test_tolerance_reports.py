"""Claims about ports with agreement `tolerance`: from manifest to verdict, record and report."""

import json
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from harness import paths
from harness.cli.main import main

PORT = """
import sys
sys.path.insert(0, {root!r})
from reference.protocol import replies, requests
from reference.protocol.wire import Unsupported

def only_native(fields):
    if fields.choice("math", ("exact", "native")) == "exact":
        raise Unsupported
    replies.microgpt.use_math("native")

def hello(fields):
    fields.finish()
    yield from ("name own", "protocol 1", "verbs " + " ".join(replies.VERBS), "math native")

replies.read_math = requests.read_math = only_native
replies.VERBS["hello"] = hello
{mistake}
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""
NO_CORRECTION = "replies.microgpt.Optimizer.corrections = lambda self, step: (1.0, 1.0)"


def run_port(folder: Path, *options: str, mistake: str = "") -> Result:
    """Judge a port without exact functions that claims agreement `tolerance`."""
    port = folder / "own"
    port.mkdir()
    (port / "own.py").write_text(PORT.format(root=str(paths.root()), mistake=mistake))
    (port / "port.yaml").write_text(f"language: Python\nrun: {sys.executable} own.py\nagreement: tolerance\n")
    return CliRunner().invoke(main, ["run", "--path", str(port), "--runner", "local", *options])


def test_a_port_with_functions_of_its_own_only_is_judged_within_the_tolerance(tmp_path: Path):
    found = run_port(tmp_path, "--level", "9", "--json")
    assert found.exit_code == 0, found.output
    record = json.loads(found.stdout)
    assert (record["agreement"], record["math"], record["outcome"]) == ("tolerance", "native", "conforms")
    [level] = record["levels"]
    assert level["agreed"] == level["cases"] > 50
    assert 0 <= level["worst_share"] <= 1


def test_a_mistake_is_named_with_the_bound_that_it_exceeds(tmp_path: Path):
    found = run_port(tmp_path, "--level", "9", mistake=NO_CORRECTION)
    assert found.exit_code == 1
    text = " ".join(found.output.split())
    assert "correction1" in text and "bound" in text and "16 times the spread measured" in text


def test_its_record_says_tolerance_where_bits_differ(tmp_path: Path):
    found = run_port(tmp_path, "--level", "3")
    assert found.exit_code == 0, found.output
    assert "tolerance" in found.output and "agree within the tolerance" in found.output
    assert "with its own functions" in found.output


def test_own_functions_cannot_be_asked_of_a_port_without_them(tmp_path: Path):
    port = tmp_path / "exact"
    port.mkdir()
    (port / "port.yaml").write_text("language: sh\nrun: sh exact.sh\n")
    (port / "exact.sh").write_text(
        'while read verb id; do while read line && [ "$line" != end ]; do :; done\n'
        "printf 'ok %s\\nname exact\\nprotocol 1\\nverbs hello\\nmath exact\\nend\\n' \"$id\"; done\n"
    )
    found = CliRunner().invoke(
        main, ["run", "--path", str(port), "--runner", "local", "--math", "native", "--level", "3"]
    )
    assert found.exit_code == 2
    assert "no functions of its own" in " ".join(found.output.split())
