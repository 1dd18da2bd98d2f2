"""Times public programs beside the ports: whole programs, as their authors build and start them.

All write to a terminal of their own, so every line is seen when it is printed, and the time from the first
step seen to the last, divided by the steps between, is the time of a step. The programs take turns on one
core, and what counts are medians. Whether their numbers are right, `conform check` says of what they printed.
"""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.resources import files as package_files
from pathlib import Path

import yaml

from harness import files, paths
from harness.build import manifest, runners
from harness.errors import BuildFailed, ManifestError
from harness.measure.first import alone, attentive
from harness.run.limits import Limits
from harness.run.reaper import scratch

LONGEST = 4.0  # seconds of training that are enough; then a program is ended
ROUNDS = 9
_STEP = re.compile(rb"[Ss]tep\s+(\d+)\D")
_ALL_AT_ONCE = 0.2  # of a run: lines that come in a shorter time than this were not printed step by step
_SHOWN_ERROR = 300  # characters of what a compiler says


@dataclass(frozen=True)
class Peer:
    """A row of peers.yaml."""

    repository: str
    commit: str
    files: tuple[str, ...]
    build: str
    run: str
    names: str
    width: str
    method: str

    @property
    def folder_names(self) -> tuple[str, str]:
        """How a clone may be called."""
        return self.repository.replace("/", "-"), self.repository.partition("/")[2]


@dataclass(frozen=True)
class Timed:
    """One program's median time of a step, and the verdict of `conform check` on what it printed."""

    name: str
    width: str
    method: str
    step_microseconds: float
    agreement: str
    sentence: str


@dataclass
class _Program:
    name: str
    command: tuple[str, ...]
    folder: Path
    width: str
    method: str
    times: list[float] = field(default_factory=list)
    printed: bytes = b""


def table() -> tuple[Peer, ...]:
    """The programs that are known."""
    text = (Path(__file__).parent / "peers.yaml").read_text(encoding="utf-8")
    return tuple(Peer(**{**row, "files": tuple(row["files"])}) for row in yaml.safe_load(text))


def measure(
    ports: Sequence[str], clones: Path, say: Callable[[str], None], rounds: int = ROUNDS
) -> list[Timed]:
    """Time the reference, the ports, and the peers of the table that lie in `clones`, the fastest first.

    Raises BuildFailed, and ManifestError if no peer is there or a clone has not the commit of the table.
    """
    peers = [(peer, place) for peer in table() if (place := _clone(peer, clones)) is not None]
    if not peers:
        known = ", ".join(f"github.com/{peer.repository}" for peer in table())
        raise ManifestError(
            f"{paths.shown(clones)} holds no clone of a program of the table", hint=f"clone some of: {known}"
        )
    with ExitStack() as stack:
        root = stack.enter_context(scratch())
        names = root / "names.txt"
        names.write_bytes(_names())
        programs = [_reference()]
        for name in ports:
            say(f"building {name}")
            programs.append(_port(name, stack))
        for peer, place in peers:
            say(f"building {peer.repository}")
            programs.append(_peer(peer, place, root))
        for number in range(1, rounds + 1):
            say(f"round {number} of {rounds}")
            for program in programs:
                if (
                    number == 1 or program.times[0] < LONGEST / 100
                ):  # slow ones once: they do not hang on noise
                    _time(program, names)
        timed = [_judged(program, root) for program in programs]
    return sorted(timed, key=lambda one: one.step_microseconds)


def _clone(peer: Peer, clones: Path) -> Path | None:
    return next((clones / name for name in peer.folder_names if (clones / name / ".git").exists()), None)


def _names() -> bytes:
    return package_files("reference").joinpath("garden/names.txt").read_bytes()


def _reference() -> _Program:
    command = (sys.executable, "-m", "reference", "run", "classic")
    return _Program("the reference", command, paths.root(), "float64", "CPython, a graph")


def _port(name: str, stack: ExitStack) -> _Program:
    loaded = manifest.load(name)
    runner = runners.runner("local", Limits())
    stack.callback(lambda: runner)  # what it has built is in use until then
    folder = runner.prepare(loaded).folder
    assert folder is not None, "the local runner builds in a folder"
    method = f"{loaded.language}, {'fused' if loaded.engine == 'fused' else 'a graph'}"
    command = (*shlex.split(loaded.run), "run", "classic")
    return _Program(f"ports/{name}", command, folder, "float64", method)


def _peer(peer: Peer, clone: Path, root: Path) -> _Program:
    """Build a copy of the files at the table's commit; the clone itself stays as it is."""
    folder = root / peer.folder_names[0]
    folder.mkdir()
    command = ["git", "-C", str(clone), "archive", peer.commit, *peer.files]
    packed = subprocess.run(command, capture_output=True)
    if packed.returncode != 0:
        raise ManifestError(
            f"{paths.shown(clone)} has no commit {peer.commit[:12]} with {' '.join(peer.files)}",
            hint=f"git -C {paths.shown(clone)} fetch --unshallow",
        )
    subprocess.run(["tar", "x", "-C", str(folder)], input=packed.stdout, check=True)
    built = subprocess.run(["sh", "-c", peer.build], cwd=folder, capture_output=True, text=True)
    if built.returncode != 0:
        raise BuildFailed(
            f"{peer.repository} cannot be built: {built.stderr.strip()[-_SHOWN_ERROR:]}", command=peer.build
        )
    (folder / peer.names).write_bytes(_names())
    return _Program(peer.repository, tuple(shlex.split(peer.run)), folder, peer.width, peer.method)


def _time(program: _Program, names: Path) -> None:
    """One run: the time of a step in seconds, and what was printed."""
    import pty  # no other system has it

    parent, child = pty.openpty()
    launched = time.perf_counter()
    with (
        names.open("rb") as documents,
        attentive(),
        subprocess.Popen(
            program.command,
            cwd=program.folder,
            stdin=documents,
            stdout=child,
            stderr=child,
            start_new_session=True,
            preexec_fn=alone,
        ) as process,
    ):
        os.close(child)
        try:
            seen, printed = _watch(parent)
        finally:
            process.kill()
            os.close(parent)
    if not seen:
        said = printed.decode(errors="replace").strip()[-_SHOWN_ERROR:]
        raise ManifestError(f"{program.name} printed no steps; it said: {said}")
    (first, began), (last, ended) = seen[0], seen[-1]
    if ended - began < _ALL_AT_ONCE * (ended - launched):
        first, began = 0, launched  # it keeps its lines back: then its start counts, too
    program.times.append((ended - began) / (last - first))
    program.printed = printed


def _watch(terminal: int) -> tuple[list[tuple[int, float]], bytes]:
    """(step, seconds) for each time that a step was seen, and all that was printed."""
    printed, rest = bytearray(), b""
    seen: list[tuple[int, float]] = []
    while not seen or seen[-1][1] - seen[0][1] < LONGEST:
        try:
            chunk = os.read(terminal, 1 << 16) if select.select([terminal], [], [], 600.0)[0] else b""
        except OSError:  # the other end is closed
            chunk = b""
        if not chunk:
            break
        now = time.perf_counter()
        printed += chunk
        rest += chunk
        steps = list(_STEP.finditer(rest))
        if steps and (not seen or int(steps[-1][1]) > seen[-1][0]):
            seen.append((int(steps[-1][1]), now))
            rest = rest[steps[-1].end() - 1 :]
    return seen, bytes(printed).replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _judged(program: _Program, root: Path) -> Timed:
    log = root / "printed.log"
    files.write_whole(log, program.printed)
    command = [sys.executable, "-m", "harness.cli", "check", str(log), "--json"]
    done = subprocess.run(command, cwd=paths.root(), capture_output=True, text=True)
    try:
        verdict = json.loads(done.stdout)
        agreement, sentence = verdict["agreement"], verdict["sentence"]
    except (ValueError, KeyError):
        agreement, sentence = "unknown", "what it printed cannot be judged"
    step = statistics.median(program.times) * 1e6
    return Timed(program.name, program.width, program.method, round(step, 2), agreement, sentence)
