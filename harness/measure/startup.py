"""Start-up: from the start of a port's process to its end, with one `hello` in between.

It is timed inside the container, whose own start takes many times as long as most ports'.
"""

from __future__ import annotations

import statistics
import time

from harness.build.manifest import Manifest
from harness.build.runners import Prepared
from harness.run.container import ContainerProcess
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.process import Process

STARTS = 7
SCRIPT = """
for start in $(seq {count}); do
    began=$(date +%s%N)
    printf 'hello h\\nend\\n' | ( {run} ) >/dev/null 2>&1 || exit 1
    echo $(( $(date +%s%N) - began ))
done
"""
_SECONDS = 120.0


def milliseconds(manifest: Manifest, prepared: Prepared, limits: Limits) -> float | None:
    """The median of several starts of a port that has been built; None where it cannot be told.

    A port with a Dockerfile of its own says there, and not in `run`, how it starts.
    """
    if manifest.own_dockerfile() is not None and prepared.image_id is not None:
        return None
    process = _process(SCRIPT.format(count=STARTS, run=manifest.run), prepared, limits)
    deadline = time.monotonic() + _SECONDS
    said = b""
    try:
        process.close_input()
        while chunk := process.read(deadline):
            said += chunk
    except TimeoutError:
        return None
    finally:
        process.kill()
    taken = [int(line) for line in said.split()]
    return statistics.median(taken) / 1e6 if len(taken) == STARTS else None


def _process(script: str, prepared: Prepared, limits: Limits) -> Process:
    if prepared.image_id is not None:
        return ContainerProcess(prepared.image_id, limits, entrypoint=["sh", "-c", script])
    assert prepared.folder is not None
    return LocalProcess("sh -c", prepared.folder, limits, [script])
