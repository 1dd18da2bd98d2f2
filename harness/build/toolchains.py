"""Compilers that come from PyPI as a wheel: fetched once on the host, checked against their hash, unpacked.

Why on the host: a build inside a container may have no way to PyPI, and the cache serves all runners.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

from harness import paths
from harness.build.manifest import Toolchain
from harness.errors import LimitExceeded, MachineFault, ManifestError
from harness.run import subprocesses
from harness.run.limits import OPTIONS, seconds
from harness.run.subprocesses import OnLine, silent


def fetch(toolchain: Toolchain, limit: float, on_line: OnLine = silent, foreign: str | None = None) -> Path:
    """The folder with the unpacked wheel, downloaded when the cache has none. `foreign` is PyPI's word for
    another processor than this machine's.

    Raises ManifestError for a wheel with another hash or without `path`, MachineFault when PyPI cannot be
    reached, LimitExceeded after `limit` seconds.
    """
    shelf = paths.cache_dir() / "toolchains" / (foreign or "")
    for known in toolchain.sha256:
        folder = shelf / known
        if folder.is_dir():
            return _checked(toolchain, folder)
    shelf.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shelf, prefix=".fetching-") as work:
        wheel = _download(toolchain, Path(work), limit, on_line, foreign)
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        if found not in toolchain.sha256:
            raise ManifestError(
                f"{wheel.name} from PyPI has the SHA-256 {found}, "
                f"but toolchain.sha256 in port.yaml says {' or '.join(toolchain.sha256)}",
                hint="if the new file is to be trusted, put its hash into port.yaml",
            )
        on_line(f"unpacking {wheel.name}")
        unpacked = Path(work) / "unpacked"
        _unpack(wheel, unpacked)
        _checked(toolchain, unpacked)
        folder = shelf / found
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    return folder


def programs(toolchain: Toolchain, folder: Path) -> Path:
    """The folder that goes on PATH."""
    return folder / toolchain.path


def _checked(toolchain: Toolchain, folder: Path) -> Path:
    if not programs(toolchain, folder).is_dir():
        there = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        raise ManifestError(f"toolchain.path is {toolchain.path!r}, but the wheel has these folders: {there}")
    return folder


def _download(toolchain: Toolchain, work: Path, limit: float, on_line: OnLine, foreign: str | None) -> Path:
    platforms = [f"--platform=manylinux{kind}_{foreign}" for kind in ("2014", "_2_17")] if foreign else []
    wanted = f"{toolchain.pypi}=={toolchain.version}"
    finished = subprocesses.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
            *(
                "--disable-pip-version-check",
                "--no-input",
                "--progress-bar",
                "off",
                "--dest",
                str(work),
                *platforms,
                wanted,
            ),
        ],
        log=paths.logs_dir() / f"{re.sub('[^A-Za-z0-9.-]', '-', toolchain.pypi)}-download.log",
        seconds=limit,
        on_line=on_line,
    )
    if finished.code is None:
        raise LimitExceeded(
            f"downloading {wanted} from PyPI took longer than {seconds(limit)}",
            option=OPTIONS["build"],
            log=finished.tail,
        )
    text = "\n".join(finished.tail)
    wheels = list(work.glob("*.whl"))
    if finished.code == 0 and len(wheels) == 1:
        return wheels[0]
    if "No module named pip" in text:
        raise MachineFault(
            "this Python has no pip, which fetches the toolchain",
            hint=f"{sys.executable} -m ensurepip",
            log=finished.tail,
        )
    if "from versions: none" not in text and "No matching distribution found" in text:
        raise ManifestError(
            f"PyPI has no wheel of {wanted} for this machine; toolchain.version in port.yaml may be wrong",
            log=finished.tail,
        )
    raise MachineFault(f"{wanted} could not be downloaded from PyPI", log=finished.tail)


def _unpack(wheel: Path, folder: Path) -> None:
    """Like zipfile's extractall, but programs stay executable."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            if not entry.is_dir() and (entry.external_attr >> 16) & 0o111:
                path.chmod(0o755)
    for leftover in folder.glob("*.dist-info"):
        shutil.rmtree(leftover)
