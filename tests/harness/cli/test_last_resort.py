"""Whatever happens, a user sees one sentence, a file that tells more, and a status that blames no port."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from conformance import sums
from conformance.ladder import BrokenSuite
from harness import crash, paths
from harness.cli import main as cli
from harness.cli import matrix as matrix_command
from harness.errors import MachineFault
from harness.fleet import matrix


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    return tmp_path / "cache"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def text(result: Result) -> str:
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("x"),
        RecursionError(),
        OSError(28, "No space left"),
        KeyError("[/red]"),
        MemoryError(),
    ],
)
def test_what_nobody_foresaw_is_one_sentence_and_status_3(
    error: Exception, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(paths, "ports_dir", fail)
    result = run("list")
    assert result.exit_code == 3
    [log] = (cache / "logs").glob("unexpected-*.log")
    assert "conform list ended with what nobody foresaw" in text(
        result
    ) and log.name in result.stderr.replace("\n", "")
    assert type(error).__name__ in text(result) and "Traceback" not in result.output
    assert "Traceback" in log.read_text() and "ports_dir" in log.read_text()


def test_even_if_its_log_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "file"))
    fault = crash.unexpected(ValueError("two\nlines"), "this")
    assert "ValueError: two lines" in fault.message and "could not be kept" in fault.hint


def test_a_port_that_nobody_foresaw_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = matrix.conform

    def fail_for_c(manifest: object, *rest: object) -> object:
        if manifest.name == "c":  # type: ignore[attr-defined]
            raise ZeroDivisionError("in c")
        raise MachineFault("as expected")

    monkeypatch.setattr(matrix, "conform", fail_for_c)
    result = run("matrix", "c", "lua", "--runner", "local", "--force")
    assert judge is not fail_for_c and result.exit_code == 3
    said = " ".join(result.output.split())
    assert (
        "judging c ended with what nobody foresaw: ZeroDivisionError: in c" in said and "as expected" in said
    )


@pytest.mark.parametrize("command", [("run", "c"), ("matrix", "c")])
def test_a_damaged_golden_trace_is_the_suites_fault(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise BrokenSuite("conformance/levels/02-arith/example.golden is damaged")

    monkeypatch.setattr(sums, "verify", damaged)
    result = run(*command, "--runner", "local", "--force")
    assert result.exit_code == 3
    assert "02-arith/example.golden is damaged" in " ".join(result.output.split())


def test_results_that_cannot_be_written_come_after_the_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "file"))
    import records

    monkeypatch.setattr(matrix, "conform", lambda *rest: records.made())
    monkeypatch.setattr(matrix.runners.LocalRunner, "content_hash", lambda *rest: "")
    result = run("matrix", "lua", "--runner", "local")
    assert result.exit_code == 3
    assert "bit-exact" in result.output and "cannot be written" in " ".join(result.output.split())


@pytest.mark.parametrize("given", ["nan", "inf", "1e300", "0", "-1"])
def test_a_timeout_is_a_number_of_seconds(given: str) -> None:
    for option in ("--request-timeout", "--run-timeout", "--build-timeout"):
        assert run("run", "c", option, given).exit_code == 2


def test_usage_is_still_explained() -> None:
    result = run("run")
    assert result.exit_code == 2 and "name one port" in result.stderr
    assert run("nonsense").exit_code == 2 and run("--help").exit_code == 0
    assert isinstance(matrix_command.judge_all, click.Command)


@pytest.mark.parametrize("command", ["site", "matrix", "list", "bench", "accuracy", "garden"])
def test_a_package_without_the_repository_says_so(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(paths, "ports_dir", lambda: tmp_path / "none")
    result = run(command)
    assert result.exit_code == 2
    assert f"conform {command} works on the project's repository" in text(result) and "clone" in text(result)
