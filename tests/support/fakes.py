"""Ports that misbehave, each in its own way, and a port without any process.

A fake is a script for sh (and perl, which every Debian has), so that it runs on this machine and in the bare
base image alike. Each says in one line what it does wrong, and which fault the harness must find in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from conformance.messages import Request
from harness.errors import ConformError, LimitExceeded, PortCrashed, ProtocolFault
from harness.run.limits import KIB, MIB, Limits
from harness.run.process import Exit

LIMITS = Limits(start=20, request=20, memory=100 * MIB, output=256 * KIB, stderr=256 * KIB)
"""Small where a fake runs into them, generous with time, so that a busy machine changes nothing."""
HASTY = replace(LIMITS, start=2.5, request=0.5)
"""For the fakes that run out of time."""

_ASK = """
ask() {
    IFS=' ' read -r verb id || exit 0
    while read -r line; do [ "$line" = end ] && return; done
    exit 0
}
ok() { printf 'ok %s\\nend\\n' "$id"; }
"""

HONEST = _ASK + "while ask; do ok; done"
_BIG = ("x" * 999 + " " + "y" * 999,) * 1000
"""More than any pipe holds."""


@dataclass(frozen=True)
class Fake:
    """`script` behaves for `good` requests and then does what `does` says; the fault is an `error` that
    `says`.
    """

    does: str
    script: str
    error: type[ConformError]
    says: str
    good: int = 0
    big: bool = False

    @property
    def limits(self) -> Limits:
        return HASTY if "within" in self.says else LIMITS

    def request(self, name: str) -> Request:
        return Request("arith", name, _BIG if self.big else ())


def _fake(
    does: str, script: str, error: type[ConformError], says: str, good: int = 0, big: bool = False
) -> Fake:
    return Fake(does, _ASK + script, error, says, good, big)


MISBEHAVING = {
    fake.does: fake
    for fake in (
        _fake("exits at once", "exit 3", PortCrashed, "ended with exit code 3"),
        _fake(
            "exits after its first answer", "ask; ok; exit 4", PortCrashed, "ended with exit code 4", good=1
        ),
        _fake("is killed by a signal", "ask; kill -SEGV $$", PortCrashed, "segmentation fault"),
        _fake("is not there", "exec ./no-such-program", PortCrashed, "its command was not found"),
        _fake("hangs", "ask; exec sleep 1000", LimitExceeded, "gave no answer at all to 'bad' within 3 s"),
        _fake(
            "hangs at the second request",
            "ask; ok; ask; exec sleep 1000",
            LimitExceeded,
            "gave no answer at all to 'bad' within 0.5 s",
            good=1,
        ),
        _fake(
            "never reads its input",
            "exec sleep 1000",
            LimitExceeded,
            "of the 2,000,014 bytes of the request 'bad' within 3 s",
            big=True,
        ),
        _fake(
            "answers before it has read a big request",
            "while :; do echo early; done",
            LimitExceeded,
            "more than 256 KiB before it had read the request",
            big=True,
        ),
        _fake("floods its output", "exec yes", ProtocolFault, "line 1 of the reply to 'bad' is 'y'"),
        _fake(
            "floods its output with good lines",
            "ask; echo ok $id; exec yes value 1",
            LimitExceeded,
            "the reply to 'bad' is longer than 256 KiB",
        ),
        _fake(
            "floods its standard error",
            "ask; yes >&2",
            LimitExceeded,
            "more than 256 KiB to its standard error, while 'bad' was being answered",
        ),
        _fake(
            "answers with another id",
            "ask; printf 'ok other\\nend\\n'; ask",
            ProtocolFault,
            "line 1 of the reply to 'bad' is 'ok other', which is the answer to another request",
        ),
        _fake(
            "gives half a reply and falls silent",
            "ask; printf 'ok %s\\nsum 1\\n' $id; exec sleep 1000",
            LimitExceeded,
            "gave 2 lines of the reply, the last one 'sum 1', and no 'end' to 'bad' within 3 s",
        ),
        _fake(
            "gives half a line and falls silent",
            "ask; printf 'ok %s\\nsum' $id; exec sleep 1000",
            LimitExceeded,
            "1 line of the reply and a line without an end, 'sum', to 'bad' within 3 s",
        ),
        _fake(
            "gives half a reply and exits",
            "ask; printf 'ok %s\\nsum 1\\n' $id; exit 0",
            PortCrashed,
            "ended with exit code 0; it had given 2 lines of the reply, the last one 'sum 1', and no 'end'",
        ),
        _fake(
            "answers twice",
            "ask; printf 'ok %s\\nend\\nok %s\\nend\\n' $id $id; ask",
            ProtocolFault,
            "after 'end', the last line of the reply to 'bad', came 'ok bad\\nend\\n'",
        ),
        _fake(
            "talks unasked",
            "ask; ok; sleep 0.2; echo are you there; ask; ok; ask",
            ProtocolFault,
            "are you there",
            good=1,
        ),
        _fake(
            "sends binary noise",
            "ask; printf 'ok %s\\n\\001\\377\\000\\n' $id; ask",
            ProtocolFault,
            "is '\\x01\\xff\\x00', which is not printable ASCII: the byte 0x01 is its byte 1",
        ),
        _fake(
            "never ends a line",
            "ask; printf 'ok %s\\n' $id; perl -e 'print \"x\" x 200000'; exec sleep 1000",
            ProtocolFault,
            "which is longer than the 65,536 bytes a line may have",
        ),
        _fake(
            "ends lines with CR LF",
            "ask; printf 'ok %s\\r\\nend\\r\\n' $id; ask",
            ProtocolFault,
            "line 1 of the reply to 'bad' is 'ok bad\\r', which is ended by CR LF",
        ),
        _fake(
            "says more than end",
            "ask; printf 'ok %s\\nend %s\\n' $id $id; ask",
            ProtocolFault,
            "line 2 of the reply to 'bad' is 'end bad', which is wrong: 'end' stands alone",
        ),
        _fake(
            "eats memory",
            "ask; exec perl -e '@a = map { \"x\" x 1e6 } 1..2000; sleep 1000'",
            LimitExceeded,
            "memory",
        ),
        _fake(
            "eats memory in a child",
            "ask; perl -e '@a = map { \"x\" x 1e6 } 1..2000; sleep 1000'; ok",
            LimitExceeded,
            "memory",
        ),
        _fake(
            "leaves children behind that hold its output",
            "ask; sleep 1000 & setsid sleep 1000 & exit 5",
            PortCrashed,
            "ended with exit code 5",
        ),
        _fake(
            "ignores every polite signal",
            "trap '' TERM INT HUP QUIT; ask; while :; do sleep 1; done",
            LimitExceeded,
            "gave no answer at all to 'bad' within 3 s",
        ),
        _fake(
            "closes its output and lives on",
            "ask; exec sleep 1000 >&- 2>&-",
            ProtocolFault,
            "closed its standard output and went on running",
        ),
    )
}


class FunctionProcess:
    """A Process that is a function: what was sent goes in, the pieces of its answer come out.

    A piece is bytes to be read, or an Exit, after which the output ends. Nothing ever waits: a read with
    nothing to come is a TimeoutError at once.
    """

    def __init__(
        self, answer: Callable[[bytes], Iterable[bytes | Exit]], stderr: tuple[str, ...] = ()
    ) -> None:
        self.killed = False
        self.received: list[bytes] = []
        self._answer = answer
        self._pieces: list[bytes | Exit] = []
        self._exit: Exit | None = None
        self._stderr = stderr

    def send(self, data: bytes, deadline: float) -> int:
        self.received.append(data)
        self._pieces += self._answer(data)
        return len(data)

    def read(self, deadline: float) -> bytes:
        if self._exit is not None:
            return b""
        if not self._pieces:
            raise TimeoutError
        piece = self._pieces.pop(0)
        if isinstance(piece, Exit):
            self._exit = piece
            return b""
        return piece

    def close_input(self) -> None:
        self._pieces.append(Exit(code=0))

    def exit_reason(self, deadline: float) -> Exit | None:
        return self._exit

    def stderr_tail(self) -> tuple[str, ...]:
        return self._stderr

    def kill(self) -> None:
        self.killed = True
