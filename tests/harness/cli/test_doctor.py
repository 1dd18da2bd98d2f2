"""The machine's faults are told apart, each with what to type, and none of them stops the doctor."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import doctor
from harness.cli.doctor import Check
from harness.errors import MachineFault
from harness.run import engine


def refusal(monkeypatch: pytest.MonkeyPatch, host: str) -> MachineFault:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(MachineFault) as caught:
        engine.connect()
    return caught.value


def test_no_socket_is_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fault = refusal(monkeypatch, f"unix://{tmp_path}/docker.sock")
    assert fault.code == "no-engine" and "docker.sock does not exist" in fault.message
    assert "sudo apt install docker.io" in fault.hint and "RUNNER=local" in fault.hint


def test_a_socket_without_a_listener_is_an_engine_that_does_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    fault = refusal(monkeypatch, f"unix://{path}")
    assert "is not running" in fault.message and "sudo systemctl start docker" in fault.hint


def test_a_refused_permission_is_told_from_a_missing_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    class Refusing(socket.socket):
        connect = refuse  # type: ignore[assignment]

    monkeypatch.setattr("harness.run.engine.socket.socket", Refusing)
    fault = engine.unreachable("unix:///var/run/docker.sock", PermissionError())
    assert fault.code == "no-permission" and "permission denied on /var/run/docker.sock" in fault.message
    assert "usermod -aG docker" in fault.hint


def test_an_engine_elsewhere_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert f"the container engine at tcp://127.0.0.1:{port} does not answer" in (
        refusal(monkeypatch, f"tcp://127.0.0.1:{port}").message
    )


def test_the_doctor_examines_a_machine_without_an_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    found = {check.name: check for check in doctor.checks()}
    assert not found["container engine"].ok and found["container engine"].required
    assert "base image" not in found
    assert found["python"].ok and {"disk", "memory", "processor", "git"} <= found.keys()


@pytest.mark.docker
@pytest.mark.usefixtures("client")
def test_the_doctor_finds_engine_and_base_image() -> None:
    found = {check.name: check for check in doctor.checks()}
    assert found["container engine"].ok and "API 1." in found["container engine"].detail
    assert found["base image"].ok


def test_the_doctor_looks_for_the_compiler_of_every_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    found = [check for check in doctor.checks() if check.name.startswith("local runner")]
    missing = [check for check in found if "comes from PyPI" not in check.detail]
    assert missing and not any(check.ok or check.required for check in missing)
    assert all("apt install" in check.mend for check in missing)


@pytest.mark.parametrize(
    "check, status, says",
    [
        (Check("x", True, "fine"), 0, "ok       x  fine\n"),
        (Check("x", False, "gone", "type this"), 1, "MISSING  x  gone\n            type this\n"),
        (
            Check("x", False, "gone", "type this", required=False),
            0,
            "without  x  gone\n            type this\n",
        ),
    ],
)
def test_only_what_is_required_fails(check: Check, status: int, says: str) -> None:
    out = io.StringIO()
    assert doctor.show([check], Console(file=out, width=40)) == status
    assert out.getvalue() == says


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("gcc -O2 x.c", "gcc"),
        ("CGO_ENABLED=0 GOCACHE=/tmp go build", "go"),
        ("env LC_ALL=C node main.js", "node"),
        ("export GOCACHE=/tmp/cache; go build", "go"),
        ('export GOCACHE="$(mktemp -d)" && go build', "go"),
    ],
)
def test_the_program_of_a_command_is_found_behind_its_settings(command: str, program: str):
    assert doctor._program(command) == program
