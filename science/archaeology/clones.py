"""Repositories at their pinned commits, read from clones: bare or not, no work tree is looked at.

Not for changing anything: but for `fetch`, which clones what is missing, git is only asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml

from harness import paths
from harness.errors import ConformError, MachineFault

HERE = Path(__file__).parent
ADDRESS = "https://github.com/karpathy/{name}"


class DigError(ConformError):
    """What was to be dug up is not where it was said to be."""

    outcome: ClassVar = "usage"
    code = "archaeology"


@dataclass(frozen=True)
class Site:
    """A repository as repositories.yaml has it: `commit` or `own`, a file of this project, is empty."""

    name: str
    about: str
    commit: str = ""
    own: str = ""
    parents: tuple[str, ...] = ()
    says: str = ""


@dataclass(frozen=True)
class Commit:
    """A commit and its day, as yyyy-mm-dd, by the committer's clock."""

    hash: str
    day: str


def sites() -> list[Site]:
    """Every repository that is measured, oldest first."""
    rows: list[dict[str, Any]] = yaml.safe_load((HERE / "repositories.yaml").read_text(encoding="utf-8"))
    return [
        Site(
            row["name"],
            row["is"],
            row.get("commit", ""),
            row.get("own", ""),
            tuple(row.get("parents", ())),
            row.get("says", ""),
        )
        for row in rows
    ]


def git(folder: Path, *words: str, given: bytes = b"") -> bytes:
    """What git prints. Raises DigError if it fails, MachineFault if there is no git."""
    if shutil.which("git") is None:
        raise MachineFault("git is needed to read the clones, and is not installed")
    asked = ["git", "-C", str(folder), *words]
    done = subprocess.run(asked, input=given, capture_output=True, env=os.environ | {"LC_ALL": "C"})
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DigError(f"git {words[0]} failed in {folder}: {said[-1] if said else 'it says nothing'}")
    return done.stdout


@dataclass(frozen=True)
class Clone:
    """One repository's clone, asked at its pinned commit."""

    site: Site
    folder: Path

    def files(self, commit: str = "") -> dict[str, bytes]:
        """Every plain file of a commit, or of the pinned one: its content by its path, in order."""
        listed = git(self.folder, "ls-tree", "-r", "-z", commit or self.site.commit).split(b"\0")
        plain = [entry.split(b"\t", 1) for entry in listed if entry.startswith(b"100")]
        names = [path.decode("utf-8", errors="replace") for _, path in plain]
        blobs = self._blobs([about.split()[2] for about, _ in plain])
        return dict(sorted(zip(names, blobs, strict=True)))

    def _blobs(self, hashes: Sequence[bytes]) -> list[bytes]:
        answer = git(self.folder, "cat-file", "--batch", given=b"".join(one + b"\n" for one in hashes))
        found, at = [], 0
        for one in hashes:
            head, at = answer[at : (end := answer.index(b"\n", at))], end + 1
            if head.endswith(b"missing"):
                raise DigError(f"{self.site.name}: the clone lacks object {one.decode()}")
            size = int(head.split()[2])
            found.append(answer[at : at + size])
            at += size + 1
        return found

    def history(self) -> list[Commit]:
        """The commits from the first to the pinned one, along first parents."""
        text = git(self.folder, "log", "--first-parent", "--reverse", "--format=%H %cs", self.site.commit)
        return [Commit(*line.split()) for line in text.decode().splitlines()]

    def count(self) -> int:
        """How many commits led to the pinned one, merged branches included."""
        return int(git(self.folder, "rev-list", "--count", self.site.commit))


def place_of(name: str, folder: Path) -> Path:
    """The clone of this name in a folder of clones, with or without `.git`. Raises DigError."""
    for one in (folder / name, folder / f"{name}.git"):
        if one.is_dir():
            return one
    raise DigError(
        f"{folder} has no clone of {name}: a folder {name} or {name}.git was expected",
        hint=f"conform archaeology --fetch --folder {folder}",
    )


def find(site: Site, folder: Path) -> Clone:
    """The clone of a repository. Raises DigError if it is not there or lacks the pinned commit."""
    clone = Clone(site, place_of(site.name, folder))
    try:
        git(clone.folder, "cat-file", "-e", f"{site.commit}^{{commit}}")
    except DigError:
        raise DigError(
            f"{clone.folder} has no commit {site.commit[:12]}, which {site.name} is pinned to",
            hint=f"git -C {clone.folder} fetch {ADDRESS.format(name=site.name)} {site.commit}",
        ) from None
    return clone


def fetch(folder: Path, addresses: Mapping[str, str], told: Callable[[str], None]) -> None:
    """Clone what is missing in `folder`; `addresses` by name. Raises MachineFault if that cannot be done."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, address in addresses.items():
        if any((folder / one).is_dir() for one in (name, f"{name}.git")):
            continue
        told(f"cloning {name}")
        try:
            git(folder, "clone", "--quiet", "--bare", address, f"{name}.git")
        except DigError as error:
            raise MachineFault(
                f"{name} cannot be cloned: {error}",
                hint="where GitHub is out of reach, name a folder with clones: --folder DIR",
            ) from None


def own_files(site: Site) -> dict[str, bytes]:
    """The file of this project that stands for a repository."""
    return {site.own: (paths.root() / site.own).read_bytes()}
