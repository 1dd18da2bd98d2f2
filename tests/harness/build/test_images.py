"""Images: built once for each content, failures explained, and containers shut in on every side."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from tiny_port import PORT, of_port, tiny

from conformance.messages import Request
from harness.build import base, images, manifest
from harness.build.runners import DockerRunner
from harness.errors import BuildFailed, LimitExceeded, MachineFault
from harness.run.limits import MIB, Limits
from harness.run.reaper import LABEL, owner, python_environment
from harness.run.session import Session

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("bounded")]


@pytest.fixture(autouse=True)
def clean(client: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own, and no image of the test port left, nor any container of a build."""
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    yield
    for image in of_port(client):
        client.remove_image(image, force=True)
    for label in (f"{LABEL}.port={PORT}", f"{LABEL}.session={owner().session}"):
        assert client.containers(all=True, filters={"label": label}) == []


def test_a_container_is_shut_in_on_every_side(tmp_path: Path) -> None:
    runner = DockerRunner(replace(Limits(), memory=64 * MIB, pids=50))
    prepared = runner.prepare(tiny(tmp_path))
    assert prepared.toolchain == "tiny 1.0"
    with Session(lambda: runner.launch(["classic", "two words"])) as session:
        reply = session.ask(Request("hello", "h"))
    assert set(reply.lines) == {
        "user 65534 65534",
        "arguments 2",
        "interfaces lo",
        "scratch /tmp",
        "capabilities 0000000000000000",
        "bounding 0000000000000000",
        "privileges 1",
        f"memory {64 * MIB}",
        "pids 50",
        "core 0",
        "built yes",
    }


def test_an_image_is_built_once_for_each_content(tmp_path: Path, client: docker.APIClient) -> None:
    shown: list[str] = []
    port = tiny(tmp_path)
    first = images.prepare(port, Limits(), shown.append)
    assert not first.reused and any(line.startswith("Step ") for line in shown)
    assert "Step " in (tmp_path / "cache" / "logs" / f"{PORT}-build.log").read_text()
    again = images.prepare(port, Limits())
    assert again.reused and again.tag == first.tag and again.id == first.id

    (port.folder / ".notes").write_text("hidden files are no sources")
    (port.folder / "port.yaml").write_text((port.folder / "port.yaml").read_text() + "# a comment\n")
    assert images.prepare(tiny(tmp_path), Limits()).tag == first.tag

    (port.folder / "more.sh").write_text("echo more\n")
    second = images.prepare(port, Limits())
    assert not second.reused and second.tag != first.tag
    assert of_port(client) == [second.id], "the older image of the port is removed"

    (port.folder / "more.sh").chmod(0o755)
    third = images.prepare(port, Limits())
    assert third.tag != second.tag, "whether a file can be executed is part of its content"
    assert not images.prepare(port, Limits(), force=True).reused


def test_a_failed_build_shows_its_command_and_last_lines(tmp_path: Path) -> None:
    build = "for i in $(seq 30); do echo line $i >&2; done; exit 3"
    with pytest.raises(BuildFailed) as caught:
        images.prepare(tiny(tmp_path, build), Limits())
    fault = caught.value
    assert fault.command == build
    assert build in fault.message and "ended with exit code 3" in fault.message
    assert {"line 29", "line 30"} <= set(fault.log) and len(fault.log) == 20
    assert f"{PORT}-build.log" in fault.hint


def test_a_build_without_end_is_stopped(tmp_path: Path, client: docker.APIClient) -> None:
    with pytest.raises(LimitExceeded) as caught:
        images.prepare(tiny(tmp_path, "echo begun; sleep 1234"), replace(Limits(), build=6))
    assert "took longer than 6 s; it was at step 6/" in caught.value.message
    assert caught.value.option == "--build-timeout"
    assert "begun" in caught.value.log
    assert not [c for c in client.containers() if "sleep 1234" in c["Command"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_build_outlives_a_harness_that_is_ended_by(
    number: signal.Signals, tmp_path: Path, client: docker.APIClient
) -> None:
    port = tiny(tmp_path, "echo begun; sleep 2345")
    code = f"""
from pathlib import Path
from harness.build import images, manifest
from harness.run.limits import Limits
port = manifest.load_folder(Path({str(port.folder)!r}))
images.prepare(port, Limits(), lambda line: print(line, flush=True))
"""
    harness = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=python_environment(),
        text=True,
    )
    assert harness.stdout is not None
    assert any(line == "begun\n" for line in harness.stdout)
    harness.send_signal(number)
    assert harness.wait() != 0
    harness.stdout.close()
    for _ in range(100):
        left = [c for c in client.containers(all=True) if "sleep 2345" in c["Command"]]
        if not left:
            break
        time.sleep(0.1)
    assert not left


def test_a_misspelt_package_is_the_ports_fault(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        port = tiny(tmp_path)
        images.prepare(replace(port, apt=("no-such-package-at-all",)), Limits())
    assert any("Unable to locate package" in line for line in caught.value.log)


def test_a_mirror_out_of_reach_is_the_machines_fault(tmp_path: Path) -> None:
    """A proxy that nobody runs stands for a network that is down."""
    folder = tiny(tmp_path).folder
    broken = (
        "RUN http_proxy=http://127.0.0.1:9 apt-get -o Acquire::Retries=0 update && apt-get install -y gcc"
    )
    (folder / "Dockerfile").write_text(f"FROM {base.name()}\n{broken}\n")
    with pytest.raises(MachineFault) as caught:
        images.prepare(manifest.load_folder(folder), Limits())
    assert caught.value.code == "network"


def test_a_full_disk_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(MachineFault) as caught:
        images.prepare(tiny(tmp_path, "cat port.sh > /dev/full"), Limits())
    assert caught.value.code == "disk-full"


def test_a_port_may_bring_its_own_dockerfile(tmp_path: Path) -> None:
    folder = tiny(tmp_path).folder
    own = f'FROM {base.name()}\nCOPY port.sh /own.sh\nENTRYPOINT ["sh", "/own.sh"]\n'
    (folder / "Dockerfile").write_text(own)
    port = manifest.load_folder(folder)
    assert images.dockerfile(port) == own
    runner = DockerRunner(Limits())
    runner.prepare(port)
    with Session(runner.launch) as session:
        assert {"user 65534 65534", "arguments 0"} <= set(session.ask(Request("hello", "h")).lines)


def test_a_broken_dockerfile_is_the_ports_fault(tmp_path: Path) -> None:
    folder = tiny(tmp_path).folder
    (folder / "Dockerfile").write_text(f"FROM {base.name()}\nCOPY nothing.sh /\n")
    with pytest.raises(BuildFailed, match="COPY nothing.sh"):
        images.prepare(manifest.load_folder(folder), Limits())
