"""The example of a wrong port, made when the site is built: the reference with one known mistake planted.

It needs no toolchain but this Python, and never goes stale.
"""

from __future__ import annotations

import difflib
import shutil
import sys
import tempfile
from pathlib import Path

import reference
from harness.build import runners
from harness.build.manifest import Manifest
from harness.explain.mutants import hunt, mutant
from harness.fleet.choice import Choice
from harness.fleet.conform import conform
from harness.fleet.listener import Listener
from harness.report.site.data import Example
from harness.run.limits import Limits

MISTAKE = "norm-by-true-division"
LEVEL = 7
PATIENCE = 300  # seconds: the diagnosis must not depend on how busy the machine is


def plant(folder: Path) -> tuple[str, str]:
    """A copy of the reference with the mistake, in `folder`; returns the lines before and after."""
    [package] = reference.__path__
    ignored = shutil.ignore_patterns("__pycache__", "garden")
    shutil.copytree(package, folder / "reference", ignore=ignored)
    before = mutant.source("microgpt")
    after = mutant.edited("microgpt", hunt.find(MISTAKE).changes)
    (folder / "reference" / "microgpt.py").write_text(after, encoding="utf-8")
    changed = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[3:]
    return _with(changed, "-"), _with(changed, "+")


def _with(lines: list[str], sign: str) -> str:
    return "\n".join(line[1:] for line in lines if line.startswith(sign))


def judge() -> Example:
    """Plant the mistake, ask the level that sees it first, and keep what the harness says."""
    with tempfile.TemporaryDirectory() as name:
        right, wrong = plant(Path(name))
        port = Manifest(
            "reference", "Python", f"{sys.executable} -m reference conform", Path(name), slow=True
        )
        limits = Limits()
        where = runners.runner("local", limits)
        return Example(
            conform(port, where, limits, Choice("local", level=LEVEL, patience=PATIENCE), Listener()),
            right,
            wrong,
        )
