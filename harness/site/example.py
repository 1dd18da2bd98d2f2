"""The example of a wrong port: what the harness says of ports/javascript after one line of it was changed.

`python -m harness.site.example` plants the mistake in a copy, judges it, and writes example.json.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from harness import manifest, paths, record, runners
from harness.conform import Choice, Listener, conform
from harness.errors import ManifestError
from harness.limits import Limits
from harness.record import Record

PORT, FILE = "javascript", "microgpt.js"
RIGHT = "const scale = tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), -0.5);"
WRONG = "const scale = tape.pow(tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), 0.5), -1);"
STORED = Path(__file__).parent / "example.json"


def plant(folder: Path) -> Path:
    """A copy of the port, with the mistake, below `folder`."""
    copy = folder / PORT
    shutil.copytree(paths.ports_dir() / PORT, copy)
    source = (copy / FILE).read_text(encoding="utf-8")
    if source.count(RIGHT) != 1:
        raise ManifestError(f"{FILE} holds the line to be changed {source.count(RIGHT)} times, not once")
    (copy / FILE).write_text(source.replace(RIGHT, WRONG), encoding="utf-8")
    return copy


def judge(runner: str, case: str | None = None) -> Record:
    """The record of the mistaken port."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = manifest.load_folder(plant(Path(folder)))
        limits = loaded.limits(Limits())
        where = runners.runner(runner, limits)
        return conform(loaded, where, limits, Choice(runner, case=case), Listener())


def stored() -> Record:
    return record.read(STORED)


if __name__ == "__main__":
    STORED.write_text(json.dumps(judge(sys.argv[1] if sys.argv[1:] else "docker")) + "\n", encoding="utf-8")
