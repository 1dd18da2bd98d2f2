"""Claims about the wheel: it carries every file that its programs read, so that they work from any folder."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from harness import paths

PROJECT = tomllib.loads((paths.root() / "pyproject.toml").read_text(encoding="utf-8"))
DATA: dict[str, list[str]] = PROJECT["tool"]["setuptools"]["package-data"]


@pytest.mark.parametrize("package", DATA)
def test_what_is_not_python_is_package_data(package: str) -> None:
    folder = paths.root() / package
    listed = subprocess.run(
        ["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, text=True, check=True
    )
    files = {Path(name) for name in listed.stdout.split("\0") if name and not name.endswith((".py", ".md"))}
    carried = {path.relative_to(folder) for pattern in DATA[package] for path in folder.glob(pattern)}
    assert files
    assert sorted(map(str, files - carried)) == []
