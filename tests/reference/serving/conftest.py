"""A folder with a small model, made once."""

from pathlib import Path

import pytest
from serving import SMALL

from reference.__main__ import main


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model, `small`."""
    folder = tmp_path_factory.mktemp("models")
    options = [word for key, value in SMALL.items() for word in (f"--{key}", str(value))]
    save = ["--save", str(folder / "small.json"), "--engine", "reference"]
    assert main(["garden", "train", "timezones", *options, *save]) == 0
    return folder
