"""What the tests of the command line share: ways to call it and to disturb it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from reference import microgpt
from reference.__main__ import main

ROOT = Path(__file__).parents[2]
Child = subprocess.Popen[bytes]
SHORT = ("--steps", "6")
# A child that obeys Ctrl-C even if this process, and so its children, were started to ignore it.
CHILD = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); \
from reference.__main__ import main; sys.exit(main())"


def child(*arguments: str, env: Mapping[str, str] = MappingProxyType({}), **options: Any) -> Child:
    """Start the command. Python buffers its output as it does for users, whatever this process was told."""
    options = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | options
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | env
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], cwd=ROOT, env=environment, **options)


def refusal(arguments: Sequence[str], capsys: pytest.CaptureFixture[str], status: int = 2) -> str:
    """The one sentence with which the command line refuses."""
    capsys.readouterr()
    assert main(arguments) == status
    printed, sentence = capsys.readouterr()
    assert printed == ""
    assert sentence.startswith("microgpt: ") and sentence.count("\n") == 1
    return sentence


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Do `action` in the middle of a training step, counted from 1."""
    advance = microgpt.Training.advance

    def advance_and_act(training: microgpt.Training, tokens: Sequence[int]) -> tuple[float, list[float]]:
        result = advance(training, tokens)
        if training.step == step:
            action()
        return result

    monkeypatch.setattr(microgpt.Training, "advance", advance_and_act)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def left_behind(model: str) -> list[str]:
    return [path.name for path in Path(model).parent.iterdir() if path.name.endswith(".part")]
