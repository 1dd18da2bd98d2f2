"""Claims about `conform run --path` and `conform try`: what they name can be typed, and does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from records import OFF, made

from harness.build import scaffold
from harness.build.scaffold import Overrides, begin
from harness.cli import main as cli
from harness.cli import progress
from harness.report import store
from harness.report.record import SmallestRecord

SUM = "add {} {}\n".format
ONE, TWO = "3ff0000000000000", "4000000000000000"


@pytest.fixture
def adder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A port that says hello and adds, in the folder `adder`."""
    monkeypatch.setattr(scaffold, "_BEGUN", re.compile(r"@begun:[^|@]*\|([^@]*)@"))
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)
    return begin("python", Overrides(name="adder"), tmp_path).folder


def change(port: Path, old: str, new: str) -> None:
    source = port / "microgpt.py"
    text = source.read_text()
    assert text.count(old) == 1
    source.write_text(text.replace(old, new))


def typed(*words: str) -> Result:
    return CliRunner().invoke(cli.main, [*words])


def on_one_line(result: Result) -> str:
    return " ".join(result.output.replace("│", " ").split())


def test_a_port_with_another_name_is_told_the_option(adder: Path) -> None:
    change(adder, "name adder", "name plus")
    result = typed("run", "--path", str(adder), "--runner", "local", "--level", "1")
    assert result.exit_code == 1
    assert "the port calls itself plus and its folder adder: add --name plus" in on_one_line(result)
    named = typed("run", "--path", str(adder), "--runner", "local", "--level", "1", "--name", "plus")
    assert named.exit_code == 0 and "calls itself" not in named.output


def test_in_a_pipe_a_run_says_now_and_then_where_it_is(adder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("run", "--path", str(adder), "--runner", "local", "--level", "1")
    assert not typed(*words).stderr
    monkeypatch.setattr(progress, "SPOKEN", 0.0)
    assert "adder: level 1 hello, 2 of 3 cases" in typed(*words).stderr
    assert not typed(*words, "--json").stderr


@pytest.mark.parametrize(
    ("answer", "code", "said"), [("x + y", 0, "they agree"), ("x - y", 1, "do not agree")]
)
def test_a_request_from_a_file_is_answered_by_the_reference_too(
    adder: Path, tmp_path: Path, answer: str, code: int, said: str
) -> None:
    change(adder, "x + y", answer)
    (tmp_path / "mine.request").write_text(f"arith mine\n{SUM(ONE, TWO)}end\n")
    result = typed("try", "--path", str(adder), "--runner", "local", str(tmp_path / "mine.request"))
    assert (result.exit_code, said in result.output) == (code, True), result.output
    assert "4008000000000000" in result.output, "the reference says what 1 + 2 is"


def test_a_case_of_the_ladder_is_tried_with_a_port_elsewhere(adder: Path) -> None:
    result = typed("try", "--path", str(adder), "--runner", "local", "hello/example")
    assert result.exit_code == 0 and "they agree" in result.output, result.output


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "it is empty"), (b"hello a\nend\nhello b\nend\n", "there are 2 in it")]
)
def test_a_file_that_is_no_request_is_refused_in_a_sentence(adder: Path, content: bytes, why: str) -> None:
    Path("odd.request").write_bytes(content)
    result = typed("try", "--path", str(adder), "--runner", "local", "odd.request")
    assert result.exit_code not in (0, 1)
    assert f"odd.request cannot be read as one request: {why}" in str(result.exception) + result.output


@pytest.mark.parametrize("content", [b"hello\n", b"hello x", b"hello x\nadd", b"\xff\nend\n"])
def test_a_request_that_ends_the_input_or_is_none_is_asked_as_it_is(adder: Path, content: bytes) -> None:
    Path("odd.request").write_bytes(content)
    result = typed("try", "--path", str(adder), "--runner", "local", "odd.request")
    assert result.exit_code == 0 and "they agree" in result.output, result.output


def test_a_port_and_a_case_are_both_needed() -> None:
    for words in (["try"], ["try", "c"], ["try", "--path", "x"]):
        assert typed(*words).exit_code == 2


def test_the_command_that_a_run_names_asks_the_smallest_request_again(adder: Path) -> None:
    change(adder, "x + y", "x + y if x == x else 0.0")
    result = typed("run", "--path", adder.name, "--runner", "local", "--case", "arith/add-special")
    assert result.exit_code == 1
    kept = store.smallest_file("adder")
    assert kept.read_text().count("add ") == 1, "one sum is enough"
    named = re.search(r"conform (try --path .*?\.request)", on_one_line(result))
    assert named is not None, result.output
    again = typed(*shlex.split(named[1]))
    assert again.exit_code == 1 and "they do not agree" in again.output


def test_the_smallest_request_of_an_earlier_run_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path))
    smallest = SmallestRecord("adam", "adam, 2 lines", "adam smallest\nend\n", OFF)
    store.keep_smallest(replace(made(), smallest=smallest))
    assert store.smallest_file("lua").read_text() == "adam smallest\nend\n"
    store.keep_smallest(made())
    assert not store.smallest_file("lua").exists()
