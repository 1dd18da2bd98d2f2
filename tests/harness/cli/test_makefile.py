"""What a user gives to make reaches `conform` as it was written, whatever else it might mean."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import paths


@pytest.fixture
def told(tmp_path: Path):
    """Runs make with a program in conform's place that writes down its arguments; the list of these."""
    (tmp_path / "ready").touch()
    os.utime(tmp_path / "ready", (4e9, 4e9))
    for name in ("conform", "python"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done\n')
        program.chmod(0o755)

    def make(target: str, *given: str, **environment: str) -> list[str]:
        ready = [f"{name}={tmp_path / 'ready'}" for name in ("READY", "DEV")]
        done = subprocess.run(
            ["make", "-s", "-C", str(paths.root()), target, f"BIN={tmp_path}", *ready, *given],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **environment},  # nothing of `make test`
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\0")[:-1]

    return make


HOSTILE = [
    "$(shell touch HIT)",
    "$(touch HIT)",
    "`touch HIT`",
    "c; touch HIT",
    "c'; touch HIT; '",
    'c"; touch HIT; "',
    "$PATH",
    "$$PATH",
    "${PATH}",
    "a\ntouch HIT",
    "#",
    "a b",
    "\\",
    "%",
    "*",
]


@pytest.mark.parametrize("value", [given.replace("HIT", "{hit}") for given in HOSTILE])
def test_it_is_text(value: str, told, tmp_path: Path) -> None:
    value = value.format(hit=tmp_path / "hit") if "{hit}" in value else value
    for given in ({"given": True}, {"given": False}):
        pairs = [f"PORT={value}", f"CASE={value}"]
        where = {} if given["given"] else {"PORT": value, "CASE": value}
        words = told("conform", *(pairs if given["given"] else ()), **where)
        assert words == ["run", value, "--runner", "docker", "--case", value]
    assert told("try", f"PORT={value}", f"CASE={value}")[:3] == ["try", value, value]
    assert told("plan", f"SINCE={value}") == ["plan", "--since", value]
    assert told("history", f"PORT={value}") == ["history", value]
    several = told("fuzz", f"PORT={value}", f"SEED={value}")
    assert several == ["fuzz", *value.split(), "--runner", "docker", "--seed", value]
    assert not (tmp_path / "hit").exists()


def test_every_option_arrives(told) -> None:
    given = [
        "PORT=c",
        "RUNNER=local",
        "LEVEL=6",
        "CASE=adam/x",
        "AFTER=a/b",
        "LONG=1",
        "MATH=native",
        "FORCE=1",
    ]
    assert told("conform", *given, "ARGS=--memory 3") == [
        *("run", "c", "--runner", "local", "--level", "6", "--case", "adam/x", "--after", "a/b", "--long"),
        *("--math", "native", "--force", "--memory", "3"),
    ]
    assert told("fuzz", "PORT=c go", "COUNT=5", "TIME=3", "KIND=bad", "VERB=math", "KEEP=1") == [
        *("fuzz", "c", "go", "--runner", "docker", "--time", "3", "--count", "5", "--kind", "bad"),
        *("--verb", "math", "--keep"),
    ]
    assert told("fuzz", "PORT=c") == ["fuzz", "c", "--runner", "docker"]
    assert told("new-port", "LANG=lua", "NAME=x") == ["new", "lua", "--name", "x"]
    assert told("junit") == ["render", "junit", "--out", "junit.xml"]
    assert told("diff", "OLD=a b") == ["diff", "a b", "results/published"]
    assert told("check-math", "COUNT=7") == ["-m", "conformance.check_math", "--count", "7"]
    assert told("check-math", "PORT=c") == ["check-math", "c", "--runner", "docker"]


def test_a_language_is_named_on_the_command_line() -> None:
    done = subprocess.run(
        ["make", "-s", "-C", str(paths.root()), "new-port", "READY=Makefile"],
        capture_output=True,
        text=True,
        env={**os.environ, "LANG": "C.UTF-8"},
    )
    assert done.returncode == 2 and "name a language" in done.stdout


def test_the_action_names_files_that_exist() -> None:
    folder = paths.root() / ".github" / "actions" / "conform"
    comments = "\n".join(
        line for line in (folder / "action.yml").read_text().splitlines() if line.startswith("#")
    )
    named = re.findall(r"[\w-]+\.(?:md|yml)\b", comments)
    assert named and all((folder / name).is_file() for name in named)
