"""Packages of PyPI, npm and Debian: fetched from a pinned address, held to a pinned hash, not installed."""

import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

SECONDS = 120.0
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes; the name is in the first 16, the size in bytes 48 to 57


class BadPackage(Exception):
    """The message is a sentence: which package, what is wrong, what mends it."""


class Package:
    """The files of one archive, by their paths inside it."""

    def __init__(self, name: str, data: bytes) -> None:
        """`name` decides the format by its ending: .whl, .tgz or .deb. Raises BadPackage for any other."""
        self.name = name
        if name.endswith(".whl"):
            archive = zipfile.ZipFile(io.BytesIO(data))
            self.paths = archive.namelist()
            self._read: Callable[[str], bytes] = archive.read
        elif name.endswith((".tgz", ".deb")):
            content = io.BytesIO(_data_of_deb(name, data) if name.endswith(".deb") else data)
            tar = tarfile.open(fileobj=content)  # noqa: SIM115
            members = {member.name.removeprefix("./"): member for member in tar if member.isfile()}
            self.paths, self._read = list(members), _reader(tar, members)
        else:
            raise BadPackage(f"{name} is no package that can be read here: .whl, .tgz and .deb are")

    def read(self, path: str) -> bytes:
        """Raises BadPackage if there is no such file."""
        try:
            return self._read(path)
        except KeyError:
            raise BadPackage(
                f"{self.name} has no file {path}: the card names another version's path"
            ) from None


def _reader(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> Callable[[str], bytes]:
    def read(path: str) -> bytes:
        file = tar.extractfile(members[path])
        if file is None:
            raise KeyError(path)
        return file.read()

    return read


def _data_of_deb(name: str, data: bytes) -> bytes:
    """The member data.tar.* of an ar archive (man 5 ar)."""
    if not data.startswith(AR_MAGIC):
        raise BadPackage(f"{name} is no Debian package: it does not begin with {AR_MAGIC!r}")
    at = len(AR_MAGIC)
    while at + AR_HEADER <= len(data):
        member, size = data[at : at + 16].decode("ascii").strip(" /"), int(data[at + 48 : at + 58])
        at += AR_HEADER
        if member.startswith("data.tar"):
            return data[at : at + size]
        at += size + size % 2
    raise BadPackage(f"{name} is no Debian package: it has no data.tar")


def fetch(url: str, sha256: str, folder: Path) -> Package:
    """The package, from `folder` if it is there, else from `url` and kept there.

    Raises BadPackage if it cannot be fetched or its hash is another.
    """
    name = url.rsplit("/", 1)[-1]
    path = folder / name
    if path.exists():
        data = path.read_bytes()
    else:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:
                data = answer.read()
        except (urllib.error.URLError, OSError) as problem:
            raise BadPackage(
                f"{url} cannot be fetched ({problem}): put {name} into {folder} by hand"
            ) from None
    came = hashlib.sha256(data).hexdigest()
    if came != sha256:
        raise BadPackage(
            f"{name} has SHA-256 {came}, but the card pins {sha256}: delete {path} or get the pinned version"
        )
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{name}.{os.getpid()}.part")
        part.write_bytes(data)
        part.replace(path)
    return Package(name, data)
