"""Fixtures for the tests of the reference and its command line."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import SHORT
from containers import bounded, client, pytest_runtest_setup
from in_chromium import base, chromium, open_page, server
from once import shared_folder
from sites import site

from reference import microgpt
from reference.__main__ import main

# A shell without job control starts background jobs with Ctrl-C ignored, and their children inherit that.
# The tests that press Ctrl-C need it to work, wherever they are run.
if (
    signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

NAMES = "ab\n ba \n\nc\n"
__all__ = [
    "base",
    "bounded",
    "chromium",
    "client",
    "open_page",
    "pytest_runtest_setup",
    "server",
    "shared_folder",
    "site",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked long, unless --long is given."""
    if not config.getoption("--long"):
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def exact_math() -> Iterator[None]:
    """The kind of math is global: whoever changes it, the next test finds it as it was."""
    yield
    microgpt.use_math("exact")


@pytest.fixture
def names(tmp_path: Path) -> str:
    """A small dataset: three documents of five characters."""
    path = tmp_path / "names.txt"
    path.write_text(NAMES)
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    """Where a model may be saved. There is none yet."""
    return str(tmp_path / "model.json")


@pytest.fixture(scope="session")
def trained_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "names.txt").write_text(NAMES)
    arguments = [
        "train",
        "--dataset",
        str(folder / "names.txt"),
        "--save",
        str(folder / "model.json"),
        *SHORT,
    ]
    assert main(arguments) == 0
    return (folder / "model.json").read_bytes()


@pytest.fixture
def trained(model: str, trained_bytes: bytes) -> str:
    """A model, trained on `names` and saved."""
    Path(model).write_bytes(trained_bytes)
    return model
