"""Claims about `--scheduler`: many machines find what one finds, each result once, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import docker
import msgspec
import pytest
from dask_cluster import DaskCluster, alive, dask_cluster, wait_until
from spread import LEVEL_2, LIMITS, RIGHT, InBackground, Ports, dask, ports, spread

from harness.fleet import matrix
from harness.fleet.choice import Choice
from harness.fleet.cluster import client as cluster_client
from harness.fleet.listener import Listener
from harness.report import store
from harness.report.record import Record
from harness.run.limits import Limits
from harness.run.reaper import LABEL

__all__ = ["dask", "ports"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bounded")]

FAKES = {
    "right": RIGHT,
    "right-too": RIGHT,
    "crashes": "import sys; print('no more', file=sys.stderr); sys.exit(3)",
    "babbles": "print('hello, world', flush=True)",
}


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the record of each port was saved."""
    counts: Counter[str] = Counter()
    save = store.save

    def count(found: Record) -> Path:
        counts[found.port] += 1
        return save(found)

    monkeypatch.setattr(store, "save", count)
    return counts


def timeless(value: Any) -> Any:
    """A record without what differs between two runs of the same port on the same machine."""
    if isinstance(value, dict):
        return {
            key: timeless(kept)
            for key, kept in value.items()
            if key not in ("seconds", "finished", "reused", "image_bytes")
        }
    return [timeless(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def folders_of(port: str) -> list[Path]:
    """Where workers keep the files of a port that they are at work on."""
    return list(Path(tempfile.gettempdir()).glob(f"microgpt-conformance-*/*/{port}"))


def findings(rows: list[matrix.Row]) -> list[Any]:
    return [
        timeless(msgspec.to_builtins(row.record)) if row.record else (row.port, str(row.fault))
        for row in rows
    ]


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
    assert row.record is not None and (row.record.outcome, row.cached) == ("crashed", False)


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
        "import signal; from pathlib import Path\n"
        "from harness import paths; from harness.cli import main as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"paths.ports_dir = lambda: Path({str(ports.folder)!r})\n"
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


@pytest.mark.docker
def test_real_ports_come_out_of_containers_on_workers_as_they_do_here(
    dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CONFORM_RESULTS", str(tmp_path / "results"))
    dask.start_worker("one")
    dask.start_worker("two")
    choice, names = Choice("docker", level=2, fresh_seed=1), ("c", "lua")
    there = spread(dask, *names, choice=choice, force=False)
    here = matrix.run_matrix(names, Limits(), choice, lambda name: Listener())
    assert [row.conforms for row in there] == [True, True]
    assert [row.cached for row in here] == [True, True], "the records of the workers hold on this machine"
    (store.mine() / "c.json").unlink()
    [again] = matrix.run_matrix(("c",), Limits(), choice, lambda name: Listener())
    for key, value in findings([again])[0].items():
        assert value == findings(there[:1])[0][key], key


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
