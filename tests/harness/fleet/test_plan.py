"""Claims on `conform plan`: what a change calls for, and no port is forgotten or judged twice."""

import json
import subprocess
from pathlib import Path

import pytest
import records
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from harness import paths
from harness.cli import main as cli
from harness.fleet.plan import plan, shards

KNOWN = ("c", "go", "lua")


@pytest.mark.parametrize(
    ("changed", "ports"),
    [
        ([], ()),
        (["README.md", "conformance/SPEC.md", "results/c.json", "tests/test_plan.py", "LICENSE"], ()),
        (["ports/lua/microgpt.lua"], ("lua",)),
        (["ports/lua/port.yaml", "README.md", "ports/c/run.c"], ("c", "lua")),
        (["ports/gone/port.yaml"], ()),
        (["ports/README.md"], ()),
        (["harness/judge.py"], KNOWN),
        (["reference/microgpt.py", "ports/lua/microgpt.lua"], ("lua", "c", "go")),
        (["conformance/levels/09-adam/example.golden"], KNOWN),
        (["Makefile"], KNOWN),
        (["pyproject.toml"], KNOWN),
        ([".github/workflows/conform.yml"], KNOWN),
        (["something-nobody-thought-of"], KNOWN),
    ],
)
def test_changed_ports_come_first_and_alone_unless_the_core_changed(
    changed: list[str], ports: tuple[str, ...]
):
    assert plan(KNOWN, changed).ports == ports


def test_a_port_that_takes_files_from_a_changed_one_is_judged_too():
    assert plan(KNOWN, ["ports/c/graph.h"], {"lua": {"c"}}).ports == ("c", "lua")


def test_the_reason_names_a_file():
    assert (
        plan(KNOWN, ["harness/a.py", "harness/b.py"]).reason == "every port: harness/a.py and 1 more changed"
    )


@given(
    st.lists(st.sampled_from("abcdefghijklmnop"), unique=True),
    st.integers(1, 20),
    st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.floats(0, 1000)),
)
def test_every_port_is_in_one_group(ports: list[str], number: int, seconds: dict[str, float]):
    groups = shards(ports, number, seconds)
    assert sorted(name for group in groups for name in group) == sorted(ports)
    assert len(groups) == min(number, len(ports)) and all(groups)


def test_groups_take_about_the_same_time_and_keep_the_order():
    seconds = {"a": 10.0, "b": 90.0, "c": 50.0, "d": 40.0}
    assert shards(("a", "b", "c", "d"), 2, seconds) == [("a", "b"), ("c", "d")]
    assert shards(("d", "c", "b", "a"), 4, seconds) == [("d",), ("c",), ("b",), ("a",)]
    assert shards((), 3, {}) == []


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project under git with two ports, and a branch `feature` that has left `main`."""
    monkeypatch.setattr(paths, "root", lambda: tmp_path)
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    for name in ("c", "lua"):
        (tmp_path / "ports" / name).mkdir(parents=True)
        (tmp_path / "ports" / name / "port.yaml").write_text("language: Test\nrun: env true\n")
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path)
    git(tmp_path, "checkout", "--quiet", "-b", "feature")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    options = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "a change")


def planned(*arguments: str) -> list[str]:
    result = CliRunner().invoke(cli.main, ["plan", "--json", *arguments])
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    jobs = [job["ports"] for job in told["matrix"]["include"]]
    assert told["count"] == len(jobs)
    return jobs


def test_what_a_branch_changed_is_found_committed_or_not(repository: Path):
    assert planned("--since", "main") == []
    (repository / "ports" / "lua" / "new file.lua").write_text("")
    assert planned("--since", "main") == ["lua"]
    commit(repository)
    assert planned("--since", "main") == ["lua"]
    assert planned("--since", "HEAD") == []


def test_what_main_changed_meanwhile_is_not_the_branchs(repository: Path):
    (repository / "ports" / "lua" / "port.yaml").write_text("language: Lua\nrun: env true\n")
    commit(repository)
    git(repository, "checkout", "--quiet", "main")
    (repository / "ports" / "c" / "port.yaml").write_text("language: C\nrun: env true\n")
    commit(repository)
    git(repository, "checkout", "--quiet", "feature")
    assert planned("--since", "main") == ["lua"]


@pytest.mark.parametrize("since", ["", "0" * 40, "no-such-branch", "--all"])
def test_without_a_known_beginning_everything_is_planned(repository: Path, since: str):
    assert planned(f"--since={since}") == ["c", "lua"]


def test_a_file_that_was_moved_from_one_port_to_another_changed_both(repository: Path):
    (repository / "ports" / "c" / "table").write_text("a long enough text to be recognized" * 20)
    commit(repository)
    git(repository, "mv", "ports/c/table", "ports/lua/table")
    assert planned("--since", "HEAD") == ["c", "lua"]


def test_jobs_have_names_that_tell_them_apart(repository: Path):
    records.save_all(repository / "results", [records.made()])
    result = CliRunner().invoke(cli.main, ["plan", "--json", "--shards", "1"])
    assert json.loads(result.stdout)["matrix"]["include"] == [{"name": "c-and-1-more", "ports": "c lua"}]
    assert result.stderr == "every port\n"
    people = CliRunner().invoke(cli.main, ["plan", "--shards", "1"])
    assert people.stdout == "every port\n  c lua\n"
