"""Claims about `--scheduler`: what cannot be used is refused with a sentence, and no wait is in vain."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

import pytest
from dask_cluster import DaskCluster
from spread import RIGHT, ROOT, Ports, conform, dask, ports, said

from harness.fleet.cluster import client as cluster_client
from harness.fleet.cluster import worker
from harness.fleet.listener import Listener

__all__ = ["dask", "ports"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("bounded")]


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
