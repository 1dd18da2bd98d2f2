"""A port's files as one thing: hashed, packed for the engine, or copied for a local build.

The same set of files serves all three, so a hash that is unchanged means a result that can be reused.
"""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
from pathlib import Path, PurePosixPath

from harness.build.manifest import Manifest


def content_hash(manifest: Manifest, *parts: str) -> str:
    """SHA-256, in hex, over the port's files, its toolchain and `parts`, such as the Dockerfile."""
    digest = hashlib.sha256()
    for part in parts:
        _add(digest, part.encode())
    if manifest.toolchain is not None:
        _add(digest, repr(manifest.toolchain).encode())
    for inside in manifest.files():
        _add(digest, f"{inside} {'x' if _executable(manifest.path(inside)) else '-'}".encode())
        _add(digest, manifest.read(inside))
    return digest.hexdigest()


def source_hash(manifest: Manifest) -> str:
    """What the port itself consists of, wherever it is built: its files, packages and commands."""
    return content_hash(manifest, *manifest.apt, manifest.build or "", manifest.run)


def pack(manifest: Manifest, dockerfile: str, toolchain: Path | None, archive: Path) -> None:
    """Write the build context: Dockerfile, the toolchain in toolchain/, and the port's files in port/.

    A port's own Dockerfile finds the files at the top.
    """
    place = PurePosixPath("port") if manifest.own_dockerfile() is None else PurePosixPath()
    with tarfile.open(archive, "w") as context:
        _add_file(context, PurePosixPath("Dockerfile"), dockerfile.encode(), executable=False)
        if toolchain is not None:
            for path in sorted(toolchain.rglob("*")):
                if path.is_file():
                    inside = PurePosixPath("toolchain") / path.relative_to(toolchain).as_posix()
                    _add_file(context, inside, path.read_bytes(), _executable(path))
        folder = tarfile.TarInfo("port")  # for a port without a file
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        context.addfile(folder)
        for inside in manifest.files():
            _add_file(context, place / inside, manifest.read(inside), _executable(manifest.path(inside)))


def copy(manifest: Manifest, folder: Path) -> None:
    """Copy the port's files into `folder`, which is made."""
    for inside in manifest.files():
        target = folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(manifest.read(inside))
        target.chmod(0o755 if _executable(manifest.path(inside)) else 0o644)
    folder.mkdir(parents=True, exist_ok=True)


def _add(digest: hashlib._Hash, data: bytes) -> None:
    """Length first, so that no two different lists of parts hash alike."""
    digest.update(len(data).to_bytes(8, "big"))
    digest.update(data)


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _add_file(context: tarfile.TarFile, inside: PurePosixPath, data: bytes, executable: bool) -> None:
    """Owner, group and time are left at zero: the engine's layer cache must see equal files as equal."""
    entry = tarfile.TarInfo(str(inside))
    entry.size = len(data)
    entry.mode = 0o755 if executable else 0o644
    context.addfile(entry, io.BytesIO(data))
