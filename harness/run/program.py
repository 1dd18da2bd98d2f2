"""A port as a program for people: started with arguments, given its input, read to the end of its output."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.errors import ConformError, LimitExceeded
from harness.run.limits import OPTIONS, Limits, seconds, size
from harness.run.process import Exit, Process


@dataclass(frozen=True)
class Ended:
    """All that a program wrote to standard output, how it ended, and the last lines of its standard error."""

    output: bytes
    exit: Exit
    log: tuple[str, ...]


def run(process: Process, data: bytes, limits: Limits) -> Ended:
    """Give `data` to a process just started, and see it end. Raises LimitExceeded; leaves nothing running."""
    deadline = time.monotonic() + limits.start + limits.request
    output = bytearray()
    try:
        process.send(data, deadline)
        process.close_input()
        while chunk := process.read(deadline):
            output += chunk
            if len(output) > limits.output:
                raise LimitExceeded(f"it printed more than {size(limits.output)}", option=OPTIONS["output"])
            if time.monotonic() > deadline:
                raise TimeoutError
        end = process.exit_reason(deadline)
        if end is None:
            raise TimeoutError
        return Ended(bytes(output), end, process.stderr_tail())
    except TimeoutError:
        raise LimitExceeded(
            f"it did not end within {seconds(limits.start + limits.request)}; "
            f"it had printed {len(output):,} bytes",
            option=OPTIONS["request"],
            log=process.stderr_tail(),
        ) from None
    except ConformError as error:
        error.log = error.log or process.stderr_tail()
        raise
    finally:
        process.kill()
