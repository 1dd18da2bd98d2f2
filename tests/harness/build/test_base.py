"""The base image: found first, pulled next, made from Debian's packages last, and a word if nothing helps."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import docker
import pytest

from harness.build import base
from harness.build.base import Worked
from harness.errors import MachineFault
from harness.run.subprocesses import Finished

UNREACHABLE = json.dumps(
    {
        "fault": "the container engine could not pull debian:trixie-slim: no route",
        "hint": "",
        "code": "engine",
    }
)


class Machine:
    """A machine whose engine has no image until a job of the kind `gives` brings it."""

    def __init__(self, gives: str) -> None:
        self.gives = gives
        self.jobs: list[str] = []
        self.has = gives == "nothing to do"

    def connect(self) -> Machine:
        return self

    def close(self) -> None:
        pass

    def image_id(self, client: object, image: str) -> str | None:
        return "sha256:abc" if self.has else None

    def work(self, job: Sequence[str], *more: object) -> Worked:
        self.jobs.append(job[0])
        worked = Worked()
        worked.finished = Finished(0, (), 1.0)
        if job[0] == self.gives:
            self.has = True
        else:
            worked.translate(UNREACHABLE)
        return worked

    def run(self, command: Sequence[str], **more: object) -> Finished:
        self.jobs.append(command[0])
        return Finished(0, (), 1.0)


@pytest.fixture
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(request.param)
    for name in ("connect", "image_id", "work"):
        monkeypatch.setattr(base, name, getattr(made, name))
    monkeypatch.setattr("harness.build.base.subprocesses.run", made.run)
    monkeypatch.setattr("harness.build.base.shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("CONFORM_BASE", raising=False)
    return made


@pytest.mark.parametrize(
    "machine, jobs",
    [("nothing to do", []), ("pull", ["pull"]), ("import", ["pull", "mmdebstrap", "import"])],
    indirect=["machine"],
)
def test_the_base_image_is_found_pulled_or_made(machine: Machine, jobs: list[str]) -> None:
    assert base.ensure_base() == "sha256:abc"
    assert machine.jobs == jobs


@pytest.mark.parametrize("machine", ["nothing"], indirect=True)
def test_without_registry_and_mmdebstrap_the_message_says_what_to_type(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.build.base.shutil.which", lambda name: None)
    with pytest.raises(MachineFault) as caught:
        base.ensure_base()
    assert caught.value.code == "no-base"
    assert "cannot be pulled, and mmdebstrap is missing" in caught.value.message
    assert "sudo apt install mmdebstrap, then make base" in caught.value.hint


@pytest.mark.parametrize("machine", ["import"], indirect=True)
def test_another_base_image_is_never_made_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFORM_BASE", "registry.example/other:1")
    with pytest.raises(MachineFault, match="registry.example/other:1 is not here and could not be pulled"):
        base.ensure_base()
    assert machine.jobs == ["pull"]


@pytest.mark.parametrize("machine", ["nothing"], indirect=True)
def test_a_failed_bootstrap_is_the_machines_fault(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "harness.build.base.subprocesses.run", lambda *a, **k: Finished(25, ("E: no mirror",), 1.0)
    )
    with pytest.raises(MachineFault) as caught:
        base.ensure_base()
    assert "mmdebstrap, which makes the base image from Debian's packages, ended with exit code 25" in str(
        caught.value
    )
    assert caught.value.log == ("E: no mirror",)


@pytest.mark.docker
@pytest.mark.usefixtures("bounded")
def test_an_image_that_no_registry_has_is_the_machines_fault(
    client: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path))
    monkeypatch.setenv("CONFORM_BASE", "127.0.0.1:9/nothing:1")
    with pytest.raises(MachineFault) as caught:
        base.ensure_base()
    assert caught.value.code == "no-base" and caught.value.log


@pytest.mark.docker
@pytest.mark.usefixtures("bounded")
def test_an_archive_becomes_an_image(
    client: docker.APIClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path))
    (tmp_path / "hello").write_text("hello\n" * 100_000)
    with tarfile.open(tmp_path / "root.tar", "w") as archive:
        archive.add(tmp_path / "hello", "hello")
    job = ["import", "test-import:1", str(tmp_path / "root.tar"), "LABEL made=here"]
    imported = base.work(job, "import", 60, lambda line: None)
    assert not imported.fault and imported.finished.code == 0
    try:
        assert client.inspect_image("test-import:1")["Config"]["Labels"] == {"made": "here"}
    finally:
        client.remove_image("test-import:1")


def test_the_lines_of_a_build_are_whole_although_the_engine_cuts_its_stream() -> None:
    worked, shown = Worked(), list[str]()
    for text in (
        "Step 1/2 : RUN ma",
        "ke\n ---> Running in 0123abcd\n",
        "half ",
        "a line\n\x1b[91mred\x1b[0m\n",
        "rest",
    ):
        shown += worked.translate(json.dumps({"stream": text}))
    shown += worked.translate(json.dumps({"error": "The command failed"}))
    assert shown == [
        *(
            "Step 1/2 : RUN make",
            " ---> Running in 0123abcd",
            "half a line",
            "red",
            "rest",
            "The command failed",
        )
    ]
    assert (worked.step, worked.container, worked.error) == (
        "Step 1/2 : RUN make",
        "0123abcd",
        "The command failed",
    )
