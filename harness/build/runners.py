"""The two places where a port can run: in a container, or as a plain process on this machine.

Both get a port ready once (`prepare`) and then start as many processes of it as are asked for (`launch`).
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

from harness import locks, paths
from harness.build import base, images, sources, toolchains
from harness.build.architecture import SLOWER, Architecture
from harness.build.manifest import Manifest
from harness.errors import BuildFailed, ConformError, LimitExceeded, MachineFault
from harness.run import subprocesses, sweep
from harness.run.circumstances import USUAL, Circumstances
from harness.run.container import ContainerProcess
from harness.run.limits import KIB, OPTIONS, Limits, seconds
from harness.run.local import LocalProcess, environment
from harness.run.process import Process, printable
from harness.run.reaper import scratch
from harness.run.subprocesses import OnLine, silent

_VERSION_SECONDS = 20.0
_VERSION_BYTES = 64 * KIB


@dataclass(frozen=True)
class Prepared:
    """A port that is ready to start. `image` or `folder` is set, by runner; `seconds` is 0 when it was
    reused.

    `toolchain` is what the manifest's version command printed, None without one or when it failed.
    """

    runner: str
    content_hash: str
    reused: bool
    seconds: float
    toolchain: str | None = None
    image: str | None = None
    image_id: str | None = None
    base_id: str | None = None
    image_bytes: int | None = None
    folder: Path | None = None


class Runner(Protocol):
    """Where a port runs. `prepare` comes first; `args` of `launch` are the port's command-line arguments."""

    def content_hash(self, manifest: Manifest) -> str: ...

    def prepare(self, manifest: Manifest, on_line: OnLine = silent) -> Prepared: ...

    def launch(self, args: Sequence[str] = (), circumstances: Circumstances = USUAL) -> Process: ...

    def another(self) -> Runner:
        """One of the same kind, for another build."""
        ...


class DockerRunner:
    """Builds an image, for this or another `architecture`; runs every process in a container of its own."""

    def __init__(self, limits: Limits, force: bool = False, architecture: Architecture | None = None) -> None:
        self._architecture = architecture
        self._limits = limits
        self._force = force
        self._image: images.Image | None = None
        self._run: str | None = None

    def content_hash(self, manifest: Manifest) -> str:
        """What `prepare` would call the port's content, without building it."""
        base_id = base.ensure_base(architecture=self._architecture)
        return images.content_hash(manifest, base_id, self._architecture)

    def prepare(self, manifest: Manifest, on_line: OnLine = silent) -> Prepared:
        """Raises BuildFailed, LimitExceeded, MachineFault or ManifestError."""
        self._limits = manifest.limits(self._limits)
        if self._architecture:
            manifest = replace(manifest, name=f"{manifest.name}-{self._architecture.name}")
            self._limits = self._limits.slower(SLOWER)
        image = images.prepare(manifest, self._limits, on_line, self._force, self._architecture)
        self._image = image
        self._run = manifest.run if manifest.own_dockerfile() is None else None
        return Prepared(
            runner="docker",
            content_hash=image.content_hash,
            reused=image.reused,
            seconds=image.seconds,
            toolchain=_remembered_version(manifest, image.id.removeprefix("sha256:"), self._ask_version),
            image=image.tag,
            image_id=image.id,
            base_id=image.base,
            image_bytes=image.bytes,
        )

    def launch(self, args: Sequence[str] = (), circumstances: Circumstances = USUAL) -> Process:
        assert self._image is not None, "prepare comes before launch"
        start = None
        if circumstances.elsewhere and self._run is not None:
            start = ["sh", "-c", circumstances.script(self._run), "microgpt"]
        return ContainerProcess(self._image.id, self._limits, args, start, circumstances)

    def another(self) -> Runner:
        return DockerRunner(self._limits, self._force, self._architecture)

    def _ask_version(self, command: str) -> Process:
        assert self._image is not None
        return ContainerProcess(self._image.id, self._limits, entrypoint=["sh", "-c", command])


class LocalRunner:
    """Builds a copy of the port in the cache folder and runs it as a process: limited, but not sandboxed."""

    def __init__(self, limits: Limits, force: bool = False) -> None:
        self._limits = limits
        self._force = force
        self._folder: Path | None = None
        self._run = ""
        self._path: tuple[Path, ...] = ()
        self._in_use: IO[str] | None = None

    def content_hash(self, manifest: Manifest) -> str:
        """What `prepare` would call the port's content, without building it."""
        return sources.content_hash(manifest, manifest.build or "", *map(str, self._path))

    def prepare(self, manifest: Manifest, on_line: OnLine = silent) -> Prepared:
        """Raises BuildFailed, LimitExceeded, MachineFault or ManifestError."""
        sweep.folders()
        self._limits = manifest.limits(self._limits)
        if manifest.toolchain is not None:
            unpacked = toolchains.fetch(manifest.toolchain, self._limits.build, on_line)
            self._path = (toolchains.programs(manifest.toolchain, unpacked),)
        digest = self.content_hash(manifest)
        folder = paths.cache_dir() / "local" / f"{manifest.name}-{digest[:12]}"
        self._in_use = _mark_used(folder)
        with _only_one(folder.with_suffix(".lock")):
            ready = folder.with_suffix(".ready")
            reused = ready.exists() and folder.is_dir() and not self._force
            began = time.monotonic()
            if not reused:
                ready.unlink(missing_ok=True)
                self._build(manifest, folder, on_line)
                ready.touch()
                _remove_older(folder, manifest.name)
        self._folder, self._run = folder, manifest.run
        return Prepared(
            runner="local",
            content_hash=digest,
            reused=reused,
            seconds=0.0 if reused else time.monotonic() - began,
            toolchain=_version(manifest, self._ask_version),
            folder=folder,
        )

    def launch(self, args: Sequence[str] = (), circumstances: Circumstances = USUAL) -> Process:
        assert self._folder is not None, "prepare comes before launch"
        return LocalProcess(
            self._run, self._folder, self._limits, args, self._path, circumstances=circumstances
        )

    def another(self) -> Runner:
        return LocalRunner(self._limits, self._force)

    def _ask_version(self, command: str) -> Process:
        assert self._folder is not None
        return LocalProcess("sh -c", self._folder, self._limits, [command], self._path)

    def _build(self, manifest: Manifest, folder: Path, on_line: OnLine) -> None:
        log = paths.logs_dir() / f"{manifest.name}-build.log"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            sources.copy(manifest, folder)
        except OSError as error:
            raise MachineFault(
                f"the files of {manifest.name} cannot be copied to {folder}: {error}"
            ) from None
        if manifest.build is None:
            return
        on_line(f"$ {manifest.build}")
        with scratch() as home:
            finished = subprocesses.run(
                ["sh", "-c", manifest.build],
                log=log,
                seconds=self._limits.build,
                on_line=on_line,
                how=subprocesses.How(folder, environment(home, self._path)),
            )
        if finished.code is None:
            raise LimitExceeded(
                f"the build of {manifest.name}, '{manifest.build}', "
                f"took longer than {seconds(self._limits.build)}",
                option=OPTIONS["build"],
                log=finished.tail,
            )
        if finished.code != 0:
            if "no space left on device" in "\n".join(finished.tail).lower():
                raise MachineFault(
                    f"{manifest.name} cannot be built here: the disk is full",
                    hint=f"free disk space; {paths.shown(paths.cache_dir())} can be removed at any time",
                    log=finished.tail,
                    code="disk-full",
                )
            raise BuildFailed(
                f"the build of {manifest.name} failed: the command '{manifest.build}' "
                f"ended with exit code {finished.code}",
                command=manifest.build,
                hint=f"the whole log is in {paths.shown(log)}",
                log=finished.tail,
            )


def runner(
    name: str, limits: Limits, force: bool = False, architecture: Architecture | None = None
) -> Runner:
    """The runner called `name`: docker or local. The latter knows this machine's architecture alone."""
    return DockerRunner(limits, force, architecture) if name == "docker" else LocalRunner(limits, force)


def _remembered_version(manifest: Manifest, image: str, start: Callable[[str], Process]) -> str | None:
    """The toolchain's version in an image: asked once, since an image does not change."""
    if manifest.version is None:
        return None
    shelf = paths.cache_dir() / "versions" / f"{image[:24]}.txt"
    asked = f"{manifest.version}\n"
    with contextlib.suppress(OSError):
        known = shelf.read_text(encoding="utf-8")
        if known.startswith(asked):
            return known.removeprefix(asked)
    answer = _version(manifest, start)
    if answer is not None:
        shelf.parent.mkdir(parents=True, exist_ok=True)
        shelf.write_text(asked + answer, encoding="utf-8")
    return answer


def _version(manifest: Manifest, start: Callable[[str], Process]) -> str | None:
    """The first line that the manifest's version command prints, None when it fails or does not end."""
    if manifest.version is None:
        return None
    process = start(f"{manifest.version} 2>&1")
    deadline = time.monotonic() + _VERSION_SECONDS
    output = b""
    try:
        process.close_input()
        while chunk := process.read(deadline):
            output += chunk
            if len(output) > _VERSION_BYTES or time.monotonic() > deadline:
                return None
        end = process.exit_reason(deadline)
    except (TimeoutError, ConformError):
        return None
    finally:
        process.kill()
    lines = [line for line in output.decode("utf-8", errors="replace").splitlines() if line.strip()]
    return printable(lines[0].strip(), 100) if lines and end is not None and end.code == 0 else None


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    """Two harnesses never build in the same folder at the same time."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        locks.exclusive(file)
        yield


def _mark_used(folder: Path) -> IO[str]:
    """As long as this file is open, no other harness removes the folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".used").open("w")
    locks.shared(file)
    return file


def _remove_older(folder: Path, name: str) -> None:
    """Remove the builds of other contents of the same port that nobody uses."""
    for other in folder.parent.glob(f"{name}-????????????"):
        if other == folder or not other.is_dir():
            continue
        with other.with_suffix(".used").open("w") as file, contextlib.suppress(BlockingIOError):
            locks.exclusive(file, wait=False)
            other.with_suffix(".ready").unlink(missing_ok=True)
            shutil.rmtree(other, ignore_errors=True)
