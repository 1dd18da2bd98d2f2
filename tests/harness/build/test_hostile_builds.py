"""Builds that want too much get no more than their limits; each fault is held against whom it belongs to."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from tiny_port import PORT, of_port, tiny

from harness.build import base, images, manifest, worker
from harness.build.base import Worked
from harness.errors import BuildFailed, LimitExceeded, MachineFault, ManifestError
from harness.run.limits import MIB, Limits
from harness.run.reaper import LABEL
from harness.run.sweep import KIND

pytestmark = pytest.mark.usefixtures("bounded")
SMALL = replace(Limits(), build_memory=64 * MIB, build_pids=24, build_disk=48 * MIB)


@pytest.fixture
def engine(
    client: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[docker.APIClient]:
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    yield client
    for image in of_port(client):
        client.remove_image(image, force=True)


def own(tmp_path: Path, text: str) -> manifest.Manifest:
    folder = tiny(tmp_path).folder
    (folder / "Dockerfile").write_text(text)
    return manifest.load_folder(folder)


@pytest.mark.docker
def test_a_build_is_shut_in(tmp_path: Path, engine: docker.APIClient) -> None:
    address = "sockaddr_in(80, inet_aton(q(169.254.169.254)))"
    look = (
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; "
        "sleep 1; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; "
        f"perl -MSocket -e 'socket(S, 2, 2, 0); alarm 5; connect(S, {address}); print qq(link: $!\\n)'; "
        "grep -q eth0 /proc/net/route && echo there is a network"
    )
    shown: list[str] = []
    images.prepare(own(tmp_path, f"FROM {base.name()}\nRUN {look}\n"), SMALL, shown.append)
    assert str(64 * MIB) in shown
    assert "24" in shown
    assert "link: No route to host" in shown
    assert "there is a network" in shown


@pytest.mark.docker
def test_a_build_that_fills_the_disk_is_stopped(tmp_path: Path, engine: docker.APIClient) -> None:
    build = "head -c 150000000 /dev/zero > big; sleep 300"
    with pytest.raises(LimitExceeded, match="wrote more than 48 MiB") as caught:
        images.prepare(tiny(tmp_path, build), SMALL)
    assert caught.value.option == "--build-disk"


@pytest.mark.docker
def test_a_build_that_fills_the_memory_is_stopped(tmp_path: Path, engine: docker.APIClient) -> None:
    build = "exec perl -e '@a = map { q(x) x 1e6 } 1..500'"
    with pytest.raises(BuildFailed, match="exit code 137") as caught:
        images.prepare(tiny(tmp_path, build), SMALL)
    assert "--build-memory" in caught.value.hint


@pytest.mark.docker
def test_processes_without_end_are_stopped(tmp_path: Path, engine: docker.APIClient) -> None:
    build = "sleep 1; for i in $(seq 60); do sleep 30 & done"
    with pytest.raises(BuildFailed) as caught:
        images.prepare(tiny(tmp_path, build), SMALL)
    assert any("fork" in line.lower() for line in caught.value.log)


@pytest.mark.docker
def test_a_volume_is_refused_wherever_it_comes_from(tmp_path: Path, engine: docker.APIClient) -> None:
    tag = f"volumes-of-{PORT}"
    made = engine.create_container(base.ensure_base(), command=["true"])
    engine.commit(made["Id"], repository=tag, changes="VOLUME /data")
    engine.remove_container(made["Id"])
    try:
        with pytest.raises(ManifestError, match="has volumes, /data"):
            images.prepare(own(tmp_path, f"FROM {tag}\nRUN true\n"), Limits())
        assert of_port(engine) == []
    finally:
        engine.remove_image(tag, force=True)


@pytest.mark.docker
def test_a_port_on_another_ports_image_is_none(tmp_path: Path, engine: docker.APIClient) -> None:
    """Named by its digest, which says nothing."""
    first = images.prepare(tiny(tmp_path), Limits())
    (more := tmp_path / "more").mkdir()
    short = first.id.removeprefix("sha256:")[:12]
    with pytest.raises(ManifestError, match="another port's program"):
        images.prepare(own(more, f"FROM {short}\nRUN true\n"), Limits())
    engine.tag(first.id, "innocent-name", PORT)
    with pytest.raises(ManifestError, match="another port's program"):
        images.prepare(own(more, f"FROM innocent-name:{PORT}\nRUN true\n"), Limits())
    engine.remove_image(f"innocent-name:{PORT}")


@pytest.mark.docker
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FORM debian\n", "cannot be built"),
        ("", "cannot be built"),
        ("FROM {base}\nFETCH x\n", "FETCH"),
        ("FROM {base}\nUSER\n", "USER"),
        ('FROM {base}\nSHELL ["/nothing"]\nRUN x\n', "RUN x|x"),
        ("FROM {base}\nCOPY --from=nothing /x /x\n", "COPY|cannot be built"),
        ("FROM UPPER CASE\n", "FROM|cannot be built"),
    ],
)
def test_a_wrong_dockerfile_is_the_ports_fault(
    text: str, says: str, tmp_path: Path, engine: docker.APIClient
) -> None:
    with pytest.raises(BuildFailed, match=says):
        images.prepare(own(tmp_path, text.format(base=base.name())), Limits())


ENGINE_SAYS = [
    "failed to create endpoint x on network bridge: adding interface veth1 to bridge docker0 failed: "
    "could not find bridge docker0: route ip+net: no such network interface",
    "layer does not exist",
    "failed to export image: failed to create image: failed to get layer sha256:12: layer does not exist",
    "No such image: sha256:0123",
    "context canceled",
]


@pytest.mark.parametrize("said", ENGINE_SAYS)
def test_what_the_engine_cannot_do_is_the_machines_fault(said: str, tmp_path: Path) -> None:
    worked = Worked()
    worked.step, worked.error = "Step 3/5 : RUN make", said
    worked.finished = replace(worked.finished, code=0)
    fault = images._build_fault(tiny(tmp_path), worked, Limits())
    assert isinstance(fault, MachineFault)


def test_the_same_words_from_a_command_are_the_ports(tmp_path: Path) -> None:
    worked = Worked()
    worked.step = "Step 3/5 : RUN make"
    worked.error = "The command '/bin/sh -c make' returned a non-zero code: 2"
    worked.finished = replace(worked.finished, code=0, tail=ENGINE_SAYS)
    assert isinstance(images._build_fault(tiny(tmp_path), worked, Limits()), BuildFailed)


@pytest.mark.docker
def test_an_engine_that_goes_away_during_a_build_is_the_machines_fault(
    tmp_path: Path, engine: docker.APIClient
) -> None:
    """A worker that is killed stands for it: either way the stream of events just ends."""

    def kill(line: str) -> None:
        if line == "begun":
            for process in os.listdir("/proc"):
                if process.isdigit() and _runs_the_worker(int(process)):
                    os.kill(int(process), signal.SIGKILL)

    with pytest.raises(MachineFault):
        images.prepare(tiny(tmp_path, "echo begun; sleep 20"), Limits(), kill)


def _runs_the_worker(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return worker.__name__.encode() in words and any(PORT.encode() in word for word in words)


@pytest.mark.docker
def test_what_a_failed_build_leaves_carries_our_label(tmp_path: Path, engine: docker.APIClient) -> None:
    began = time.time() - 1
    with pytest.raises(BuildFailed):
        images.prepare(own(tmp_path, f"FROM {base.name()}\nRUN echo {PORT} > /x\nRUN exit 3\n"), Limits())
    left = engine.images(filters={"dangling": True})
    mine = [image for image in left if image["Created"] >= began]
    assert [image for image in mine if KIND.partition("=")[0] in (image["Labels"] or {})]
    for image in mine:
        if LABEL in str(image["Labels"]):
            engine.remove_image(image["Id"])


@pytest.mark.docker
def test_names_of_files_mean_nothing_to_the_engine(tmp_path: Path, engine: docker.APIClient) -> None:
    port = tiny(tmp_path, "ls > listed && cat listed")
    names = {"$x.pl", "[a].pl", "a*b", "-x", "Dockerfile.pl", "toolchain", "port", "a b", "ä"}
    for name in names:
        (port.folder / name).write_text("x")
    shown: list[str] = []
    images.prepare(port, Limits(), shown.append)
    assert names <= set(shown)
