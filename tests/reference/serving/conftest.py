"""A folder with a small model, made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import SMALL

from reference.__main__ import main
from reference.app import judging


@pytest.fixture(scope="session", autouse=True)
def few_samples() -> Iterator[None]:
    """Judging takes seconds otherwise, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "SAMPLES", 5)
        yield


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, few_samples: None) -> Path:
    """A folder with one model, `small`."""
    folder = tmp_path_factory.mktemp("models")
    options = [word for key, value in SMALL.items() for word in (f"--{key}", str(value))]
    save = ["--save", str(folder / "small.json"), "--engine", "reference"]
    assert main(["garden", "train", "timezones", *options, *save]) == 0
    return folder
