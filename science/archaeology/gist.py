"""The public versions of microgpt itself: stations of one gist, each known by the SHA-256 of its only file.

A gist is a git repository, so it is read from a clone as the others are. Which commit holds a version does
not matter: its content is looked for by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from reference import microgpt
from science.archaeology.clones import HERE, DigError, git, place_of

NAME = "microgpt"
GIST = "8627fe009c40f57531cb18360106ce95"
ADDRESS = f"https://gist.github.com/{GIST}.git"


@dataclass(frozen=True)
class Version:
    """One version. day, said: when and where its author spoke of it. numbers: the preset whose numbers it
    has, but for those in `but`. gradients, tokens: what it does differently, in words.
    """

    name: str
    sha256: str
    said: str
    numbers: str
    gradients: str
    tokens: str
    day: str = ""
    but: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """The numbers that tell the versions apart."""
        preset = microgpt.PRESETS[self.numbers]
        flat = {**vars(preset), **vars(preset.config), **vars(preset.optimizer)}
        return {name: self.but.get(name, flat[name]) for name in NUMBERS}


NUMBERS = (
    *("block", "activation", "sigma", "output_sigma", "schedule"),
    *("beta1", "beta2", "steps", "temperature"),
)


def versions() -> list[Version]:
    """Oldest first."""
    rows: list[dict[str, Any]] = yaml.safe_load((HERE / "gist.yaml").read_text(encoding="utf-8"))
    return [replace(Version(**row), day=str(row.get("day", ""))) for row in rows]


def contents(known: list[Version], folder: Path) -> list[bytes]:
    """The file of each version, from the clone of the gist in a folder of clones.

    Raises DigError if there is no clone, or none of its commits holds a version.
    """
    clone = place_of(NAME, folder)
    names = git(clone, "rev-list", "--objects", "--all").splitlines()
    blobs = {line.split()[0] for line in names if line.endswith(b".py")}
    found = {}
    for blob in sorted(blobs):
        content = git(clone, "cat-file", "blob", blob.decode())
        found[hashlib.sha256(content).hexdigest()] = content
    for version in known:
        if version.sha256 not in found:
            raise DigError(
                f"{clone} lacks a version of microgpt, {version.name}: no file has the SHA-256"
                f" {version.sha256[:12]}...",
                hint=f"git -C {clone} fetch {ADDRESS}",
            )
    return [found[version.sha256] for version in known]
