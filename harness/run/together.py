"""Several requests in one write, without waiting for replies in between: SPEC.md, section 11, allows it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from conformance.messages import Reply, Request
from harness.errors import ConformError, LimitExceeded, PortCrashed
from harness.run.limits import OPTIONS, Limits, seconds, size
from harness.run.process import Process
from harness.run.protocol import ReplyReader

_END = b"\nend\n"


def ask(process: Process, requests: Sequence[Request], limits: Limits, wait: float) -> Iterator[Reply]:
    """The replies in order, all within `wait` seconds, from a process just started, killed at the end.

    Raises LimitExceeded, PortCrashed or ProtocolFault at the first reply that does not come as it should.
    """
    deadline = time.monotonic() + wait
    output = bytearray()
    try:
        process.send(b"".join(request.data() for request in requests), deadline)
        for request in requests:
            searched = 0
            while (found := output.find(_END, searched)) < 0:
                searched = max(0, len(output) - len(_END))
                chunk = process.read(deadline)
                if not chunk:
                    raise PortCrashed(f"the port ended its output before it had answered '{request.id}'")
                output += chunk
                if len(output) > limits.output:
                    raise LimitExceeded(f"it wrote more than {size(limits.output)}", option=OPTIONS["output"])
            cut = found + len(_END)
            reply = ReplyReader(request.id, limits.output).feed(bytes(output[:cut]))
            assert reply is not None
            del output[:cut]
            yield reply
    except TimeoutError:
        raise LimitExceeded(
            f"the port did not answer {len(requests)} requests in one write within {seconds(wait)}",
            option=OPTIONS["request"],
            log=process.stderr_tail(),
        ) from None
    except ConformError as error:
        error.log = error.log or process.stderr_tail()
        raise
    finally:
        process.kill()
