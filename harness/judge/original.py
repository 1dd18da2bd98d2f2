"""The original program: found by its hash, run on the garden's names, compared with what it once printed.

    the gist's versions -> the one with SHA256 -> runs in an empty folder -> its lines beside printed.txt

The reference and the ports have no part in it: they are compared with the same figures by tests.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import reference
from harness import files
from harness.errors import ConformError, MachineFault, ManifestError

GIST = "8627fe009c40f57531cb18360106ce95"
HISTORY = f"https://api.github.com/gists/{GIST}"
VERSION = f"https://gist.githubusercontent.com/karpathy/{GIST}/raw/{{version}}/microgpt.py"
SHA256 = "d47d88c2fd432c8ebdc1048beab7f7eb64ea7e0e664e11b812d72a6d95ebccee"
"""Of the version that the preset `classic` follows."""
MOST_BYTES = 1 << 20
PATIENCE = 30.0
"""Seconds for the server to answer."""


class OriginalFailed(ConformError):
    """The original program ended with an error on this machine."""

    outcome = "machine"
    code = "original-failed"


@dataclass(frozen=True)
class Agreement:
    """How many lines were compared, and the first that differs as (number, expected, printed)."""

    lines: int
    first: tuple[int, str, str] | None


def download() -> bytes:
    """The version of the gist that has SHA256, the newest ones tried first. Raises MachineFault."""
    try:
        versions = [str(entry["version"]) for entry in json.loads(_get(HISTORY))["history"]]
    except (ValueError, KeyError, TypeError) as error:
        raise MachineFault(f"{HISTORY} did not answer with the versions of a gist: {error!r}") from None
    for name in versions:
        program = _get(VERSION.format(version=name))
        if hashlib.sha256(program).hexdigest() == SHA256:
            return program
    raise MachineFault(
        f"none of the {len(versions)} versions of the gist has the SHA-256 {SHA256}",
        hint="conform original --file microgpt.py, if you have that version",
    )


def read(path: Path) -> bytes:
    """A copy of the original that somebody has. Raises ManifestError if it is another version."""
    try:
        program = files.read_whole(path, MOST_BYTES)
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {files.reason(error)}") from None
    found = hashlib.sha256(program).hexdigest()
    if found != SHA256:
        raise ManifestError(f"{path} is another version: its SHA-256 is {found}, not {SHA256}")
    return program


def _get(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            data: bytes = answer.read(MOST_BYTES)
            return data
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = error.reason if isinstance(error, urllib.error.URLError) else error
        raise MachineFault(
            f"the original program could not be downloaded from {url}: {why}",
            hint="it needs the internet; with a copy at hand: conform original --file microgpt.py",
        ) from None


def lines(program: bytes) -> Iterator[str]:
    """What the program prints on the garden's names, line by line and without empty lines.

    It runs in a folder of its own, where it finds the names as its input. Raises OriginalFailed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "microgpt.py").write_bytes(program)
        shutil.copy(_package() / "garden" / "names.txt", folder / "input.txt")
        command = [sys.executable, "-I", "-u", "microgpt.py"]
        with (
            open(folder / "errors", "w+", encoding="utf-8", errors="replace") as errors,
            subprocess.Popen(
                command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
            ) as process,
        ):
            assert process.stdout is not None
            try:
                for line in process.stdout:  # carriage returns end a line, too
                    if text := line.rstrip("\n"):
                        yield text
            except BaseException:
                process.kill()
                raise
            errors.seek(0)
            if process.wait() != 0:
                raise OriginalFailed(
                    f"the original program ended with exit code {process.returncode}",
                    log=errors.read().splitlines()[-10:],
                )


def witness() -> list[str]:
    """What the original once printed."""
    return (_package() / "witness" / "printed.txt").read_text(encoding="utf-8").splitlines()


def compare(expected: list[str], printed: list[str]) -> Agreement:
    for number in range(max(len(expected), len(printed))):
        pair = [texts[number] if number < len(texts) else "nothing" for texts in (expected, printed)]
        if pair[0] != pair[1]:
            return Agreement(number, (number + 1, pair[0], pair[1]))
    return Agreement(len(expected), None)


def _package() -> Path:
    return Path(reference.__path__[0])
