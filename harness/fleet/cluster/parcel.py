"""A port's files on their way to a worker, which judges the port as it is on the client's machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.build.manifest import Manifest
from harness.run.reaper import scratch


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
    names = [*map(str, manifest.files()), *(["Dockerfile"] if manifest.own_dockerfile() is not None else [])]
    files = (File(name, manifest.read(name), manifest.path(name).stat().st_mode) for name in names)
    return Parcel(manifest, tuple(files))


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
        yield replace(parcel.manifest, folder=folder, sources=())
