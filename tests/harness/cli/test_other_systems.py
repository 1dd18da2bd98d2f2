"""Claims on macOS and Windows, as far as they can be tried here: what needs no container needs no Unix."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import paths

# Other people's packages have versions for every system, so they are loaded first.
AS_ON_WINDOWS = """
import os, signal, sys
import click, concurrent.futures, docker, hypothesis, multiprocessing
import psutil, rich.progress, subprocess, tempfile
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("SIGKILL", "SIGPIPE", "SIGBUS", "SIGHUP", "SIGALRM", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("getuid", "getgid", "fork", "killpg", "setsid"):
    delattr(os, name)
from pathlib import Path
read = Path.read_text
def read_text(self, *a, **k):
    if str(self).startswith("/proc"):
        raise FileNotFoundError(self)
    return read(self, *a, **k)
Path.read_text = read_text
from harness.cli.main import main
main()
"""


def conform(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_ON_WINDOWS, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PYTHONPATH": str(paths.root()), "PATH": "/usr/bin:/bin", "HOME": str(cwd)},
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list",), "JavaScript"),
        (("cases", "--level", "9"), "adam/example"),
        (("new", "lua", "--into", "."), "port.yaml"),
        (("check", "--names"), "init.wte"),
        (("dockerfile", "c"), "FROM debian"),
        (("plan",), "every port"),
    ],
)
def test_it_works_without_what_windows_lacks(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    done = conform(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and says in done.stdout


def test_a_log_is_judged_without_what_windows_lacks(tmp_path: Path) -> None:
    (tmp_path / "my.log").write_text("step 1 / 1000 | loss 3.3660\nstep 2 / 1000 | loss 3.4243\n")
    done = conform("check", "my.log", cwd=tmp_path)
    assert "2 of 1,000 losses" in done.stdout and "Traceback" not in done.stderr
