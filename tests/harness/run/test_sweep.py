"""What killed harnesses left is removed before work begins, by label and age, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.build import images, manifest
from harness.build.runners import DockerRunner, LocalRunner
from harness.errors import MachineFault
from harness.run import reaper, sweep
from harness.run.limits import Limits
from harness.run.reaper import LABEL, OWNER_FILE, SCRATCH_PREFIX, owner_word, python_environment

OLD = 3 * 24 * 3600


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sweep.tempfile, "gettempdir", lambda: str(tmp_path))
    return tmp_path


def folder(temporary: Path, name: str, owner: str | None = None, age: float = 0.0) -> Path:
    made = temporary / f"{SCRATCH_PREFIX}{name}"
    made.mkdir()
    (made / "context.tar").write_text("x")
    if owner is not None:
        (made / OWNER_FILE).write_text(owner)
    os.utime(made, (time.time() - age, time.time() - age))
    return made


def test_folders_of_dead_owners_and_old_ones_go(temporary: Path) -> None:
    machine, _, here = owner_word(os.getpid()).partition(" ")
    pid = here.partition(" ")[0]
    dead = folder(temporary, "dead", f"{machine} {pid} 1")
    old = folder(temporary, "context-old", age=OLD)
    kept = {
        folder(temporary, "alive", owner_word(os.getpid()), OLD),
        folder(temporary, "elsewhere", "another/pid 1 1", OLD),
        folder(temporary, "context-new"),
    }
    (temporary / "other-project").mkdir()
    (temporary / f"{SCRATCH_PREFIX}link").symlink_to(temporary / "other-project")
    assert sweep.folders() == 2
    assert not dead.exists() and not old.exists()
    assert all(path.exists() for path in kept) and (temporary / "other-project").exists()


def test_scratch_space_says_whose_it_is() -> None:
    with reaper.scratch() as made:
        assert not reaper.owner_is_dead((made.parent / OWNER_FILE).read_text())
    assert not made.exists()


def test_a_usual_end_leaves_no_scratch_space(tmp_path: Path) -> None:
    code = "from harness.run.reaper import scratch\nwith scratch() as made: print(made)"
    environment = {**python_environment(), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


class Engine:
    """An engine that lists what it is given and remembers what was removed."""

    def __init__(self, containers: dict[str, tuple[dict[str, str], float]], images: dict[str, float]) -> None:
        self._containers, self._images = containers, images
        self.removed: list[str] = []

    def containers(self, all: bool, filters: dict[str, str]) -> list[dict[str, object]]:
        label = filters["label"].partition("=")[0]
        return [
            {"Id": name, "Labels": labels, "Created": int(time.time() - age)}
            for name, (labels, age) in self._containers.items()
            if label in labels
        ]

    def images(self, filters: dict[str, object]) -> list[dict[str, object]]:
        assert filters == {"label": f"{LABEL}.kind=port", "dangling": True}
        return [{"Id": name, "Created": int(time.time() - age)} for name, age in self._images.items()]

    def remove_container(self, name: str, **options: bool) -> None:
        self.removed.append(name)

    def remove_image(self, name: str) -> None:
        self.removed.append(name)


def test_containers_go_by_owner_and_by_age() -> None:
    here = {f"{LABEL}.owner": owner_word(os.getpid())}
    elsewhere = {f"{LABEL}.owner": "another/pid 1 1"}
    machine = here[f"{LABEL}.owner"].partition(" ")[0]
    engine = Engine(
        {
            "alive": (here, 60.0),
            "elsewhere": (elsewhere, 60.0),
            "forgotten": (elsewhere, OLD),
            "dead": ({f"{LABEL}.owner": f"{machine} 1 0"}, 60.0),
            "of a new build": ({f"{LABEL}.kind": "port"}, 60.0),
            "of an old build": ({f"{LABEL}.kind": "port"}, OLD),
        },
        {},
    )
    assert sweep.containers(engine) == 3  # type: ignore[arg-type]
    assert engine.removed == ["forgotten", "dead", "of an old build"]


def test_what_failed_builds_left_goes_after_a_day() -> None:
    engine = Engine({}, {"a cache": 3600.0, "left": OLD})
    assert sweep.images(engine) == 1  # type: ignore[arg-type]
    assert engine.removed == ["left"]


def test_every_run_begins_with_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "port.yaml").write_text("language: sh\nrun: sh x\n")
    port = manifest.load_folder(tmp_path / "x")

    def swept() -> None:
        raise MachineFault("swept")

    monkeypatch.setattr(images.base, "ensure_base", lambda *asked: "")
    monkeypatch.setattr(images, "sweep_once", swept)
    monkeypatch.setattr(sweep, "folders", swept)
    for runner in (DockerRunner(Limits()), LocalRunner(Limits())):
        with pytest.raises(MachineFault, match="swept"):
            runner.prepare(port)
