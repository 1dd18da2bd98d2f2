"""A port's files on their way to a worker, which judges the port as it is on the client's machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from harness.build.manifest import Manifest
from harness.run.reaper import owner


class File(NamedTuple):
    """One file of a port. `inside` is its path in the port's folder."""

    inside: str
    data: bytes
    mode: int


@dataclass(frozen=True)
class Parcel:
    """A port: its manifest and all files that a build of it can see."""

    manifest: Manifest
    files: tuple[File, ...]


def pack(manifest: Manifest) -> Parcel:
    paths = [manifest.folder / inside for inside in manifest.files()]
    if own := manifest.own_dockerfile():
        paths.append(own)
    files = (
        File(str(path.relative_to(manifest.folder)), path.read_bytes(), path.stat().st_mode) for path in paths
    )
    return Parcel(manifest, tuple(files))


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, even if this worker is killed: its reaper removes it then."""
    name = owner().hold()
    folder = owner().scratch(name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner().release(name)


@contextmanager
def unpacked(parcel: Parcel) -> Iterator[Manifest]:
    """The port in a folder of its own, for as long as it is needed."""
    with scratch() as above:
        folder = above / parcel.manifest.name
        folder.mkdir()
        for file in parcel.files:
            path = folder / file.inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            path.chmod(file.mode)
        yield replace(parcel.manifest, folder=folder)
