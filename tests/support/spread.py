"""For tests of `--scheduler`: fake ports, some of which wait at a gate, and runs over dask_cluster.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dask_cluster import DaskCluster, dask_cluster, wait_until

from harness import paths
from harness.cli import main as cli
from harness.fleet import matrix
from harness.fleet.choice import Choice
from harness.fleet.cluster import ports as cluster_ports
from harness.fleet.listener import Listener
from harness.run.limits import Limits

ROOT = Path(__file__).parents[2]
LIMITS = Limits(start=60.0, request=60.0)
LEVEL_2 = Choice("local", level=2, fresh_seed=1)
SCRIPT = f"{sys.executable} port.py"
RIGHT = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from reference.protocol import replies
replies.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""
GATED = """
import os, time
with open({started!r}, "a") as file:
    print(os.getpid(), os.getppid(), file=file, flush=True)
while not os.path.exists({gate!r}):
    time.sleep(0.02)
"""
"""Says who it is and who started it, then waits until the gate is there."""


class Ports:
    """A folder of ports with results of its own, and a port that waits at a gate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "ports"
        self.results = folder / "results"
        self.folder.mkdir()

    def add(self, name: str, source: str, more: str = "", run: str = SCRIPT) -> str:
        (self.folder / name).mkdir()
        (self.folder / name / "port.yaml").write_text(f"language: Test\nrun: {run}\n{more}")
        (self.folder / name / "port.py").write_text(source)
        return name

    def add_gated(self, name: str = "gated") -> str:
        """A port that waits before it answers, in each of its runs, until `open` was called."""
        gate, started = self._gate(name), self._started(name)
        return self.add(name, GATED.format(started=str(started), gate=str(gate)) + RIGHT)

    def open(self, name: str = "gated") -> None:
        self._gate(name).touch()

    def runs(self, name: str = "gated") -> list[tuple[int, int]]:
        """Process and worker of every run of a gated port so far."""
        lines = self._started(name).read_text().splitlines() if self._started(name).exists() else []
        return [(int(port), int(worker)) for port, worker in map(str.split, lines)]

    def _gate(self, name: str) -> Path:
        return self.folder.parent / f"{name}.gate"

    def _started(self, name: str) -> Path:
        return self.folder.parent / f"{name}.started"


@pytest.fixture
def ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ports:
    made = Ports(tmp_path)
    monkeypatch.setattr(paths, "ports_dir", lambda: made.folder)
    monkeypatch.setenv("CONFORM_RESULTS", str(made.results))
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder) as started:
        started.start_scheduler()
        yield started


def spread(dask: DaskCluster, *names: str, choice: Choice = LEVEL_2, force: bool = True) -> list[matrix.Row]:
    over = cluster_ports.over(dask.address, choice.runner == "docker", lambda text: None)
    return matrix.run_matrix(names, LIMITS, choice, lambda name: Listener(), over, force=force)


class InBackground:
    """A spread run in a thread of its own; `rows` waits for it."""

    def __init__(self, dask: DaskCluster, *names: str, choice: Choice = LEVEL_2) -> None:
        pool = ThreadPoolExecutor(1)
        self._run = pool.submit(spread, dask, *names, choice=choice)
        pool.shutdown(wait=False)

    def until(self, condition: Callable[[], object]) -> None:
        wait_until(lambda: condition() or self._run.done())
        assert condition(), f"the run ended early: {self._run.result()}"

    def rows(self) -> list[matrix.Row]:
        return self._run.result()


def conform(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


def said(result: Result) -> str:
    return " ".join(result.stderr.replace("│", " ").split())
