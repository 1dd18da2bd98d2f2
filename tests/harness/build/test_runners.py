"""The local runner, toolchains from PyPI, and long commands: built once, limited, logged, and ended for
certain.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from conformance.messages import Request
from harness.build import images, manifest, runners, toolchains
from harness.build.manifest import Manifest, Toolchain
from harness.build.runners import LocalRunner
from harness.errors import BuildFailed, LimitExceeded, MachineFault, ManifestError
from harness.run import engine, subprocesses
from harness.run.limits import Limits
from harness.run.session import Session

SCRIPT = """
IFS=' ' read -r verb id
say() { printf '%s\\n' "$*"; }
say "ok $id"
say "built $(cat built)"
say "home $HOME"
say "arguments $#"
say "secret ${SECRET:-none}"
say end
"""

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFORM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tiny(tmp_path: Path, build: str = "echo yes > built", version: str = "echo tiny 1.0") -> Manifest:
    folder = tmp_path / "tiny"
    folder.mkdir(exist_ok=True)
    (folder / "port.sh").write_text(SCRIPT)
    text = f"language: sh\nbuild: {build!r}\nrun: sh port.sh\nversion: {version!r}\n"
    (folder / "port.yaml").write_text(text)
    return manifest.load_folder(folder)


def test_a_port_is_built_in_a_copy_and_reused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of this machine")
    port, runner, shown = tiny(tmp_path), LocalRunner(Limits()), list[str]()
    first = runner.prepare(port, shown.append)
    assert not first.reused and first.toolchain == "tiny 1.0"
    assert shown == ["$ echo yes > built"]
    assert not (port.folder / "built").exists(), "the port's own folder stays as it was"
    with Session(lambda: runner.launch(["a", "b c"])) as session:
        reply = session.ask(Request("hello", "h"))
    assert {"built yes", "arguments 2", "secret none"} <= set(reply.lines)
    assert f"home {Path.home()}" not in reply.lines

    assert LocalRunner(Limits()).prepare(port).reused
    assert not LocalRunner(Limits(), force=True).prepare(port).reused
    (port.folder / "port.sh").write_text(SCRIPT + "# changed\n")
    second = LocalRunner(Limits()).prepare(port)
    assert not second.reused and second.content_hash != first.content_hash
    assert first.folder is not None and first.folder.exists(), "somebody still uses the older build"
    runner = LocalRunner(Limits())  # the one that used it is gone
    (port.folder / "port.sh").write_text(SCRIPT + "# changed again\n")
    LocalRunner(Limits()).prepare(port)
    assert not first.folder.exists() and second.folder is not None and not second.folder.exists()


def test_a_failed_local_build_shows_its_command_and_last_lines(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as caught:
        LocalRunner(Limits()).prepare(tiny(tmp_path, "echo trying; echo bad luck >&2; exit 7"))
    assert "ended with exit code 7" in caught.value.message
    assert caught.value.command.startswith("echo trying")
    assert caught.value.log == ("trying", "bad luck")
    with pytest.raises(BuildFailed):
        LocalRunner(Limits()).prepare(tiny(tmp_path, "echo trying; echo bad luck >&2; exit 7"))


def test_a_local_build_without_end_is_stopped_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded) as caught:
        LocalRunner(replace(Limits(), build=1)).prepare(tiny(tmp_path, "setsid sleep 4321 & sleep 4321"))
    assert caught.value.option == "--build-timeout" and "took longer than 1 s" in caught.value.message
    assert not [p for p in psutil.process_iter(["cmdline"]) if "4321" in (p.info["cmdline"] or [])]


def test_a_full_disk_is_not_held_against_the_port(tmp_path: Path) -> None:
    with pytest.raises(MachineFault) as caught:
        LocalRunner(Limits()).prepare(tiny(tmp_path, "cat port.sh > /dev/full"))
    assert caught.value.code == "disk-full"


def test_a_version_command_that_fails_or_hangs_is_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.build.runners._VERSION_SECONDS", 1)
    port = tiny(tmp_path)
    for command in ("no-such-compiler --version", "sleep 1000", "true"):
        assert LocalRunner(Limits()).prepare(replace(port, version=command)).toolchain is None


def test_a_command_that_floods_fills_neither_memory_nor_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.subprocesses._LONGEST_LOG", 1000)
    log = tmp_path / "log"
    finished = subprocesses.run(
        ["sh", "-c", "yes | head -n 100000; printf '10%%\\r20%%\\rdone'"], log=log, seconds=60
    )
    assert finished.code == 0 and finished.tail == (*["y"] * 19, "done")
    assert log.stat().st_size <= 1002


def test_a_silent_command_is_given_up_early(tmp_path: Path) -> None:
    finished = subprocesses.run(
        ["sleep", "1000"], log=tmp_path / "log", seconds=1000, how=subprocesses.How(quiet_seconds=0.3)
    )
    assert finished.code is None


def test_a_command_ends_although_its_child_holds_the_output(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo done; sleep 1000 & exit 4"]
    finished = subprocesses.run(command, log=tmp_path / "log", seconds=1000)
    assert (finished.code, finished.tail) == (4, ("done",))


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler, or so it says, in a wheel that pip finds without a network."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    path = folder / "tinycompiler-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        program = zipfile.ZipInfo("tinycompiler/tcc")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!/bin/sh\necho compiled > built\n")
        archive.writestr("tinycompiler/lib/core.h", "int core;\n")
        archive.writestr(
            "tinycompiler-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: tinycompiler\nVersion: 1.2\n"
        )
        archive.writestr(
            "tinycompiler-1.2.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tinycompiler-1.2.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return path


def tools(wheel: Path, **more: object) -> Toolchain:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return replace(Toolchain("tinycompiler", "1.2", ("0" * 64, digest), "tinycompiler"), **more)  # type: ignore[arg-type]


def test_a_toolchain_is_fetched_once_and_put_on_the_path(tmp_path: Path, wheel: Path) -> None:
    port = replace(tiny(tmp_path, "tcc"), toolchain=tools(wheel))
    runner = LocalRunner(Limits())
    runner.prepare(port)
    with Session(runner.launch) as session:
        assert "built compiled" in session.ask(Request("hello", "h")).lines
    wheel.unlink()
    folder = toolchains.fetch(port.toolchain, 60)  # type: ignore[arg-type]
    assert sorted(path.name for path in folder.iterdir()) == ["tinycompiler"]


def test_a_toolchain_with_another_hash_is_refused(wheel: Path) -> None:
    with pytest.raises(ManifestError, match="has the SHA-256 .* but toolchain.sha256 in port.yaml says 1111"):
        toolchains.fetch(tools(wheel, sha256=("1" * 64,)), 60)


def test_a_toolchain_without_its_folder_is_refused(wheel: Path) -> None:
    with pytest.raises(ManifestError, match="'bin', but the wheel has these folders: tinycompiler"):
        toolchains.fetch(tools(wheel, path="bin"), 60)


def test_a_toolchain_that_pypi_does_not_give_is_no_fault_of_the_build(wheel: Path) -> None:
    with pytest.raises(ManifestError, match="PyPI has no wheel of tinycompiler==9.9 for this machine"):
        toolchains.fetch(tools(wheel, version="9.9", sha256=("1" * 64,)), 60)
    with pytest.raises(MachineFault, match="nocompiler==1.2 could not be downloaded"):
        toolchains.fetch(tools(wheel, pypi="nocompiler", sha256=("1" * 64,)), 60)


@pytest.mark.docker
@pytest.mark.usefixtures("client")
def test_a_toolchain_is_in_the_image_and_on_its_path(tmp_path: Path, wheel: Path) -> None:
    from harness.build.runners import DockerRunner

    port = replace(
        tiny(tmp_path, "tcc && test -f /opt/toolchain/tinycompiler/lib/core.h"), toolchain=tools(wheel)
    )
    runner = DockerRunner(Limits())
    prepared = runner.prepare(port)
    try:
        with Session(runner.launch) as session:
            assert "built compiled" in session.ask(Request("hello", "h")).lines
    finally:
        client = engine.connect()
        client.remove_image(prepared.image, force=True)
        client.close()


def test_a_build_that_was_removed_is_built_again(tmp_path: Path) -> None:
    """A folder that somebody has cleaned away, while the file that says it is ready is still there."""
    port = tiny(tmp_path)
    folder = LocalRunner(Limits()).prepare(port).folder
    assert folder is not None
    shutil.rmtree(folder)
    assert not LocalRunner(Limits()).prepare(port).reused and folder.is_dir()


@pytest.mark.parametrize("command", ["yes", "yes | tr -d '\\n'", "sleep 100"])
def test_a_version_without_end_is_none(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runners, "_VERSION_SECONDS", 3.0)
    assert LocalRunner(Limits()).prepare(tiny(tmp_path, version=command)).toolchain is None


def test_the_rendered_dockerfile_puts_packages_first_and_sources_last(tmp_path: Path) -> None:
    port = tiny(tmp_path)
    tool = Toolchain("ziglang", "0.17.1", ("0" * 64,), "ziglang")
    port = replace(port, apt=("gcc", "libc6-dev"), toolchain=tool)
    lines = [line for line in images.dockerfile(port).splitlines() if not line.startswith("#")]
    assert [line.split(" ")[0] for line in lines if not line.startswith(" ")] == [
        *("FROM", "LABEL", "RUN", "RUN", "COPY", "ENV", "LABEL", "WORKDIR", "COPY", "RUN", "USER"),
        "ENTRYPOINT",
    ]
    assert "--no-install-recommends gcc libc6-dev" in lines[4]
    assert "COPY port/ ./" in lines, "no name of a file can mean something to the engine"
    assert lines[-1] == 'ENTRYPOINT ["sh", "-c", "exec sh port.sh \\"$@\\"", "microgpt"]'


def test_this_python_can_fetch_toolchains() -> None:
    """The tests above rest on it."""
    assert (
        subprocesses.run([sys.executable, "-m", "pip", "--version"], log=Path("/dev/null"), seconds=60).code
        == 0
    )
