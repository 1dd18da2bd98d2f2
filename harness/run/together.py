"""Several requests in one write, without waiting for replies in between: SPEC.md, section 11, allows it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

from conformance.messages import Reply, Request
from harness.errors import ConformError, LimitExceeded, PortCrashed
from harness.run.limits import OPTIONS, Limits, seconds, size
from harness.run.process import Process
from harness.run.protocol import ReplyReader

_END = b"\nend\n"


def ask(
    process: Process, writes: Sequence[Sequence[Request]], limits: Limits, wait: float
) -> Generator[Reply, None, None]:
    """The replies in order, all within `wait` seconds, from a process just started, killed at the end.

    The requests of a write are sent at once, when those of the write before it are answered. Raises
    LimitExceeded, PortCrashed or ProtocolFault at the first reply that does not come as it should.
    """
    deadline = time.monotonic() + wait
    output = bytearray()
    try:
        for requests in writes:
            process.send(b"".join(request.data() for request in requests), deadline)
            for request in requests:
                yield _reply(process, request, output, limits, deadline)
    except TimeoutError:
        count = sum(map(len, writes))
        raise LimitExceeded(
            f"the port did not answer {count} requests, several in one write, within {seconds(wait)}",
            option=OPTIONS["request"],
            log=process.stderr_tail(),
        ) from None
    except ConformError as error:
        error.log = error.log or process.stderr_tail()
        raise
    finally:
        process.kill()


def _reply(process: Process, request: Request, output: bytearray, limits: Limits, deadline: float) -> Reply:
    """The next reply, cut off the front of `output`, which holds what has come so far."""
    searched = 0
    while (found := output.find(_END, searched)) < 0:
        searched = max(0, len(output) - len(_END))
        chunk = process.read(deadline)
        if not chunk:
            raise PortCrashed(f"the port ended its output before it had answered '{request.id}'")
        output += chunk
        if len(output) > limits.output:
            raise LimitExceeded(f"it wrote more than {size(limits.output)}", option=OPTIONS["output"])
    reader = ReplyReader(request.id, limits.output)
    head = output.index(b"\n") + 1
    for part in (output[:head], output[head : found + 1]):
        if part:  # the lines in the middle are judged as one
            reader.feed(bytes(part))
    del output[: found + len(_END)]
    reply = reader.feed(_END[1:])
    assert reply is not None
    return reply
