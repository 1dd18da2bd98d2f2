"""Claims about `--scheduler`: many machines find what one finds, whoever dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import pytest
from click.testing import CliRunner, Result
from dask_cluster import DaskCluster, alive, dask_cluster, wait_until

from harness import cli, matrix, paths, record
from harness.cluster import client as cluster_client
from harness.cluster import ports as cluster_ports
from harness.cluster import worker
from harness.conform import Choice, Listener
from harness.fuzz import found
from harness.limits import Limits
from harness.reaper import LABEL

pytestmark = pytest.mark.usefixtures("bounded")

ROOT = Path(__file__).parent.parent
LIMITS = Limits(start=60.0, request=60.0)
LEVEL_2 = Choice("local", level=2)
SCRIPT = f"{sys.executable} port.py"
RIGHT = f"""
import os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from reference import conform
conform.answer_all(sys.stdin.buffer, sys.stdout.buffer)
"""
GATED = """
import os, time
with open({started!r}, "a") as file:
    print(os.getpid(), os.getppid(), file=file, flush=True)
while not os.path.exists({gate!r}):
    time.sleep(0.02)
"""
"""Says who it is and who started it, then waits until the gate is there."""
FAKES = {
    "right": RIGHT,
    "right-too": RIGHT,
    "crashes": "import sys; print('no more', file=sys.stderr); sys.exit(3)",
    "babbles": "print('hello, world', flush=True)",
}


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
    monkeypatch.setattr(record, "results_dir", lambda: made.results)
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    return made


@pytest.fixture
def dask(tmp_path: Path) -> Iterator[DaskCluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    with dask_cluster(folder) as started:
        started.start_scheduler()
        yield started


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the record of each port was saved."""
    counts: Counter[str] = Counter()
    save = record.save

    def count(found: record.Record) -> Path:
        counts[found["port"]] += 1
        return save(found)

    monkeypatch.setattr(record, "save", count)
    return counts


def spread(dask: DaskCluster, *names: str, choice: Choice = LEVEL_2, force: bool = True) -> list[matrix.Row]:
    over = cluster_ports.over(dask.address, choice.runner == "docker", lambda text: None)
    return matrix.run_matrix(names, LIMITS, choice, lambda name: Listener(), force, over)


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


def timeless(value: Any) -> Any:
    """A record without what differs between two runs of the same port on the same machine."""
    if isinstance(value, dict):
        return {
            key: timeless(kept) for key, kept in value.items() if key not in ("seconds", "finished", "reused")
        }
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


def folders_of(port: str) -> list[Path]:
    """Where workers keep the files of a port that they are at work on."""
    return list(Path(tempfile.gettempdir()).glob(f"microgpt-conformance-*/*/{port}"))


def findings(rows: list[matrix.Row]) -> list[Any]:
    return [timeless(row.record) if row.record else (row.port, str(row.fault)) for row in rows]


def test_a_worker_killed_in_the_middle_of_a_job_changes_no_result(
    ports: Ports, dask: DaskCluster, saved: Counter[str]
):
    names = [ports.add(name, source) for name, source in FAKES.items()]
    names += [ports.add("unbuildable", "", "build: 'false'\n"), ports.add("misspelt", "", "bulid: make\n")]
    names.append(ports.add_gated("doomed"))
    for name in ("one", "two"):
        dask.start_worker(name)
    spread_run = InBackground(dask, *names)
    spread_run.until(lambda: ports.runs("doomed"))
    [(first_process, first_worker)] = ports.runs("doomed")
    assert len(folders_of("doomed")) == 1
    os.kill(first_worker, signal.SIGKILL)
    ports.open("doomed")
    rows = spread_run.rows()

    assert first_worker in {daemon.pid for daemon in dask.workers.values()}
    [_, (_, second_worker)] = ports.runs("doomed")
    assert second_worker != first_worker
    assert saved == Counter({name: 1 for name in names if name != "misspelt"})
    wait_until(lambda: not alive(first_process) and not folders_of("doomed"))
    here = matrix.run_matrix(names, LIMITS, LEVEL_2, lambda name: Listener(), force=True)
    assert [row.conforms for row in rows].count(True) >= 3
    assert findings(rows) == findings(here)


def test_an_edited_port_is_judged_as_it_is_here_and_an_unchanged_one_comes_from_results(
    ports: Ports, dask: DaskCluster
):
    ports.add("edited", RIGHT, "build: test -x tool.sh\n")
    tool = ports.folder / "edited" / "tool.sh"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    dask.start_worker("one")
    assert [(row.conforms, row.cached) for row in spread(dask, "edited", force=False)] == [(True, False)]
    assert [(row.conforms, row.cached) for row in spread(dask, "edited", force=False)] == [(True, True)]
    (ports.folder / "edited" / "port.py").write_text("raise SystemExit(3)")
    [row] = spread(dask, "edited", force=False)
    assert row.record is not None and (row.record["outcome"], row.cached) == ("crashed", False)


def test_a_port_that_kills_every_worker_is_the_machines_fault_and_costs_the_others_nothing(
    ports: Ports, tmp_path: Path
):
    names = [ports.add_gated(), ports.add("right", RIGHT)]
    with dask_cluster(tmp_path) as dask:
        dask.start_scheduler(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
        dask.start_worker("one")
        dask.start_worker("two")
        run = InBackground(dask, *names)
        run.until(ports.runs)
        os.kill(ports.runs()[0][1], signal.SIGKILL)
        gated, right = run.rows()
    assert right.conforms
    assert gated.fault is not None and gated.fault.outcome == "machine"
    assert "1 workers died while they worked on gated" in gated.fault.message


def test_when_all_workers_are_gone_the_rest_is_the_machines_fault(
    ports: Ports, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_client, "WORKERLESS_SECONDS", 1.0)
    dask.start_worker("one")
    run = InBackground(dask, ports.add_gated())
    run.until(ports.runs)
    dask.workers["one"].kill()
    [row] = run.rows()
    assert row.fault is not None and row.fault.code == "no-workers"


def test_when_the_scheduler_dies_the_rest_is_the_machines_fault(ports: Ports, dask: DaskCluster):
    dask.start_worker("one")
    run = InBackground(dask, ports.add_gated())
    run.until(ports.runs)
    dask.scheduler.kill()
    [row] = run.rows()
    assert row.fault is not None and "the connection to the scheduler" in row.fault.message


def test_a_job_that_fails_for_its_machines_sake_is_done_on_another(ports: Ports, dask: DaskCluster):
    names = [ports.add(f"right-{number}", RIGHT) for number in range(4)]
    dask.start_worker("broken", CONFORM_CACHE="/dev/null/nowhere")
    [row] = spread(dask, names[0])
    assert row.fault is not None and row.fault.outcome == "machine" and "NotADirectoryError" in str(row.fault)
    dask.start_worker("sound")
    assert all(row.conforms for row in spread(dask, *names))


def test_a_job_that_failed_on_one_machine_and_lost_the_other_is_not_waited_for(
    ports: Ports, dask: DaskCluster
):
    ports.add_gated("holder"), ports.add_gated()
    sound = dask.start_worker("sound")
    holding = InBackground(dask, "holder")
    holding.until(lambda: ports.runs("holder"))
    dask.start_worker("broken", CONFORM_CACHE="/dev/null/nowhere")
    run = InBackground(dask, "gated")  # goes to the idle worker, fails there, and waits for the other
    ports.open("holder")
    assert [row.conforms for row in holding.rows()] == [True]
    run.until(ports.runs)
    sound.kill()
    [row] = run.rows()
    assert row.fault is not None and "NotADirectoryError" in row.fault.message


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_client_that_leaves_takes_its_jobs_with_it(ports: Ports, dask: DaskCluster, sent: signal.Signals):
    """The workers go on with the next client's jobs."""
    names = [ports.add_gated(), ports.add("right", RIGHT)]
    dask.start_worker("one")
    program = (
        "import signal, sys; from pathlib import Path; from harness import cli, paths, record\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"paths.ports_dir = lambda: Path({str(ports.folder)!r})\n"
        f"record.results_dir = lambda: Path({str(ports.results)!r})\n"
        f"cli.main(['matrix', 'gated', '--runner', 'local', '--scheduler', {dask.address!r}])"
    )
    client = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: ports.runs() or client.poll() is not None)
        client.send_signal(sent)
        _, printed = client.communicate()
    finally:
        client.kill()
    assert client.returncode == (130 if sent == signal.SIGINT else -sent)
    assert "Traceback" not in printed
    [(process, _)] = ports.runs()
    wait_until(lambda: not alive(process))
    assert [row.conforms for row in spread(dask, names[1])] == [True]


def test_a_worker_with_another_version_of_the_project_is_refused(
    ports: Ports, dask: DaskCluster, tmp_path: Path
):
    ports.add("right", RIGHT)
    other = tmp_path / "other"
    shutil.copytree(ROOT / "harness", other / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("reference", "conformance"):
        (other / package).symlink_to(ROOT / package)
    (other / "harness" / "extra.py").write_text("ANSWER = 42\n")
    dask.start_worker("other", PYTHONPATH=str(other))
    result = conform("matrix", "right", "--runner", "local", "--scheduler", dask.address)
    assert result.exit_code == 3, result.output
    assert "has another version of this project: the hash of its code is" in said(result)
    assert f"the client's is {worker.version()[0][:12]}" in said(result)


def test_a_worker_of_another_version_that_comes_late_ends_the_run(ports: Ports, dask: DaskCluster):
    dask.start_worker("one")
    with cluster_client.Cluster(dask.address, False, print) as connected:
        connected._version = ("0" * 64, connected._version[1])
        with pytest.raises(
            cluster_client.MachineFault, match="has another version .* client's is 000000000000"
        ):
            list(connected.results({"x": (print,)}, lambda name: Listener()))


def test_a_worker_without_the_project_is_refused(ports: Ports, dask: DaskCluster, tmp_path: Path):
    ports.add("right", RIGHT)
    (tmp_path / "bare" / "harness").mkdir(parents=True)
    (tmp_path / "bare" / "harness" / "__init__.py").write_text("raise ImportError('no harness here')")
    dask.start_worker("bare", PYTHONPATH=str(tmp_path / "bare"))
    result = conform("matrix", "right", "--runner", "local", "--scheduler", dask.address)
    assert result.exit_code == 3, result.output
    assert "cannot import this project: ImportError('no harness here')" in said(result)


def test_a_worker_without_an_engine_is_refused_when_containers_are_asked_for(ports: Ports, dask: DaskCluster):
    ports.add("right", RIGHT)
    dask.start_worker("one", DOCKER_HOST="unix:///nowhere/docker.sock")
    result = conform("matrix", "right", "--scheduler", dask.address)
    assert result.exit_code == 3, result.output
    assert "cannot run containers: there is no container engine: /nowhere/docker.sock" in said(result)


def test_a_scheduler_without_workers_is_waited_for_and_then_given_up(
    ports: Ports, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_client, "WORKERLESS_SECONDS", 0.5)
    ports.add("right", RIGHT)
    result = conform("matrix", "right", "--runner", "local", "--scheduler", dask.address)
    assert result.exit_code == 3, result.output
    assert "has no worker yet; waiting for one" in said(result)
    assert "has had no worker for 0.5 s" in said(result)


DIES_OF_TOKENS = RIGHT.replace(
    "conform.answer_all", "conform.VERBS['tokens'] = lambda fields: os._exit(7)\nconform.answer_all"
)


def fuzzed(dask: DaskCluster, *arguments: str) -> tuple[int, dict[str, Any]]:
    wanted = (
        "--seed",
        "5",
        "--count",
        "30",
        "--shards",
        "2",
        "--kind",
        "good",
        "--verb",
        "tokens",
        "--verb",
        "arith",
    )
    spread_over = ("--runner", "local", "--scheduler", dask.address, "--json")
    result = conform("fuzz", *arguments, *wanted, *spread_over)
    return result.exit_code, json.loads(result.stdout)


def test_fuzzing_is_spread_in_shards_and_what_they_find_is_kept_here(
    ports: Ports, dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(found, "folder", lambda: tmp_path / "found")
    ports.add("right", RIGHT)
    ports.add("dies", DIES_OF_TOKENS)
    dask.start_worker("one")
    dask.start_worker("two")
    code, result = fuzzed(dask, "right", "dies")
    assert code == 1
    assert [shard["port"] for shard in result["shards"]] == ["right", "right", "dies", "dies"]
    assert len({shard["seed"] for shard in result["shards"]}) == 4
    assert result["requests"] == sum(shard["requests"] for shard in result["shards"]) == 4 * 30
    assert {(entry["port"], entry["verb"]) for entry in result["found"]} == {("dies", "tokens")}
    cases = {Path(entry["path"]).resolve() for entry in result["found"]}
    assert cases == {path.resolve() for path in (tmp_path / "found").glob("*.request")}
    for case in cases:
        assert case.with_suffix(".golden").read_text().startswith("ok ")


def test_the_shards_do_not_depend_on_the_number_of_workers(ports: Ports, dask: DaskCluster):
    ports.add("right", RIGHT)
    dask.start_worker("one")
    alone = fuzzed(dask, "right")[1]
    dask.start_worker("two")
    together = fuzzed(dask, "right")[1]
    assert (alone["shards"], alone["verbs"]) == (together["shards"], together["verbs"])


def test_a_campaign_that_cannot_be_run_says_why_and_the_others_count(ports: Ports, dask: DaskCluster):
    ports.add("right", RIGHT)
    ports.add("unbuildable", RIGHT, "build: 'false'\n")
    dask.start_worker("one")
    result = conform(
        *("fuzz", "right", "unbuildable", "--count", "3", "--verb", "arith", "--runner", "local"),
        *("--scheduler", dask.address),
    )
    assert result.exit_code == 1
    assert "the build of unbuildable failed" in said(result)
    assert "nothing found" in result.output


def _silent_address() -> tuple[str, socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}", listener


def test_a_scheduler_that_is_not_there_or_does_not_answer_gets_a_sentence_and_status_3(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cluster_client, "CONNECT_SECONDS", 1)
    ports.add("right", RIGHT)
    silent, listener = _silent_address()
    closed, other = _silent_address()
    other.close()
    with listener:
        for address in (silent, closed, "tcp://no.such.host.invalid:8786", "http://localhost:1", "nonsense"):
            result = conform("matrix", "right", "--runner", "local", "--scheduler", address)
            assert (address, result.exit_code) == (address, 3)
            assert f"there is no Dask scheduler at {address}:" in said(result)


def test_without_dask_the_command_that_installs_it_is_named(ports: Ports, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    ports.add("right", RIGHT)
    result = conform("matrix", "right", "--runner", "local", "--scheduler", "tcp://127.0.0.1:1")
    assert result.exit_code == 3, result.output
    assert ".venv/bin/pip install -e '.[cluster]'" in said(result)


@pytest.mark.docker
def test_real_ports_come_out_of_containers_on_workers_as_they_do_here(
    dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(record, "results_dir", lambda: tmp_path / "results")
    dask.start_worker("one")
    dask.start_worker("two")
    choice, names = Choice("docker"), ("c", "lua")
    there = spread(dask, *names, choice=choice, force=False)
    here = matrix.run_matrix(names, Limits(), choice, lambda name: Listener())
    assert [row.conforms for row in there] == [True, True]
    assert [row.cached for row in here] == [True, True], "the records of the workers hold on this machine"
    (tmp_path / "results" / "c.json").unlink()
    [again] = matrix.run_matrix(("c",), Limits(), choice, lambda name: Listener())
    assert findings([again]) == findings(there[:1])


@pytest.mark.docker
def test_a_killed_worker_leaves_no_container_behind(
    ports: Ports, dask: DaskCluster, client: docker.APIClient, monkeypatch: pytest.MonkeyPatch
):
    def containers() -> list[dict[str, Any]]:
        """Those of the worker."""
        started = client.containers(all=True, filters={"label": f"{LABEL}.owner"})
        return [found for found in started if f" {one.pid} " in found["Labels"][f"{LABEL}.owner"]]

    monkeypatch.setattr(cluster_client, "WORKERLESS_SECONDS", 1.0)
    ports.add("sleeper", "", run="sleep 1000")
    one = dask.start_worker("one")
    run = InBackground(dask, "sleeper", choice=Choice("docker", level=1))
    run.until(containers)
    one.kill()
    wait_until(lambda: not containers())
    [row] = run.rows()
    assert row.fault is not None and row.fault.outcome == "machine"
    for image in client.images("microgpt-conformance/sleeper", quiet=True):
        client.remove_image(image, force=True)
