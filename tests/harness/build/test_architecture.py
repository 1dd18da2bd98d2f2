"""Claims about another architecture: it has images of its own, and a machine that cannot run it says so."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_port import tiny

from conformance.messages import Request
from harness.build import architecture, base, images
from harness.build.base import Worked
from harness.build.runners import DockerRunner
from harness.cli import main as cli
from harness.errors import MachineFault, ManifestError
from harness.run import engine
from harness.run.limits import Limits
from harness.run.session import Session
from harness.run.subprocesses import Finished

FOREIGN = next(known for known in architecture._KNOWN if architecture.other(known.name))


def test_this_machines_own_architecture_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, name in (("x86_64", "arm64"), ("aarch64", "amd64"), ("arm64", "amd64")):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert [known for known in architecture.NAMES if architecture.other(known)] == [name]
    assert architecture.other(None) is None


def test_it_begins_with_debians_image_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORM_BASE", "mine:1")
    port = tiny(tmp_path)
    assert f"\nFROM {FOREIGN.base}\n" in images.dockerfile(port, FOREIGN)
    assert "\nFROM mine:1\n" in images.dockerfile(port)


def test_a_dockerfile_of_its_own_is_for_one_architecture(tmp_path: Path) -> None:
    port = tiny(tmp_path)
    (port.folder / "Dockerfile").write_text("FROM debian\n")
    with pytest.raises(ManifestError, match=f"cannot be built for {FOREIGN.name}: it has a Dockerfile"):
        images.dockerfile(port, FOREIGN)


def test_only_times_are_longer() -> None:
    slow = Limits().slower(20)
    assert (slow.request, slow.build) == (2400, 36000)
    assert replace(slow, build=1800, start=30, request=120, run=3600) == Limits()


@pytest.mark.parametrize("says", ["standard_init_linux.go: exec user process caused: exec format error"])
def test_a_machine_without_an_emulator_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    worked = Worked()
    worked.finished = Finished(0, (), 1.0)
    worked.translate(json.dumps({"error": says}))
    monkeypatch.setattr(base, "work", lambda *job, **more: worked)
    conditions = images.Conditions(Limits(), "none", lambda line: None, FOREIGN)
    with pytest.raises(MachineFault) as caught:
        images._build(tiny(tmp_path), "FROM scratch\n", "x:1", conditions)
    assert caught.value.code == "no-emulator" and "qemu-user-static" in caught.value.hint


def test_it_goes_with_containers() -> None:
    result = CliRunner().invoke(cli.main, ["run", "c", "--runner", "local", "--arch", FOREIGN.name])
    assert result.exit_code == 2 and "goes with --runner docker" in result.output


@pytest.mark.docker
@pytest.mark.slow
def test_a_port_is_built_and_run_for_it(tmp_path: Path) -> None:
    emulator = Path(f"/proc/sys/fs/binfmt_misc/qemu-{FOREIGN.machine}")
    client = engine.connect()
    if not emulator.exists() or base.image_id(client, FOREIGN.base) is None:
        pytest.skip(f"this machine has no emulator of {FOREIGN.name}, or no {FOREIGN.base}")
    port = tiny(tmp_path, "uname -m > built")
    runner = DockerRunner(Limits(), architecture=FOREIGN)
    prepared = runner.prepare(port)
    try:
        assert prepared.image and f"{port.name}-{FOREIGN.name}:" in prepared.image
        with Session(runner.launch, Limits().slower(20)) as session:
            assert f"built {FOREIGN.machine}" in session.ask(Request("hello", "h")).lines
    finally:
        client.remove_image(str(prepared.image), force=True)
        client.close()
