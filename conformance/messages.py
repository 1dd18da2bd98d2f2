"""Requests and replies as values: what the protocol says (SPEC.md, section 11), already read.

Not for reading what a port writes: `harness/run/protocol.py` does that, and trusts nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

from reference.protocol import replies, wire


@dataclass(frozen=True)
class Request:
    """One piece of work for a port. `lines` stand between the first line and `end`.

    `raw` is sent in their place where a request breaks the protocol; `id` is then what its reply must carry.
    """

    verb: str
    id: str
    lines: tuple[str, ...] = ()
    raw: bytes = b""

    def text(self) -> str:
        """The request as it can be shown."""
        if self.raw:
            return self.raw.decode("latin-1")
        return "\n".join((f"{self.verb} {self.id}", *self.lines, "end", ""))

    def data(self) -> bytes:
        """The bytes to be sent."""
        return self.raw or self.text().encode("ascii")

    @property
    def ends_input(self) -> bool:
        """Whether nothing can follow: its last line is not `end`, or has no LF."""
        return bool(self.raw) and self.raw != b"end\n" and not self.raw.endswith(b"\nend\n")


@dataclass(frozen=True)
class Reply:
    """What a port answered. `reason` is empty when `ok`, `lines` are empty when not."""

    id: str
    ok: bool
    reason: str = ""
    lines: tuple[str, ...] = ()

    def text(self) -> str:
        first = f"ok {self.id}" if self.ok else f"error {self.id} {self.reason}"
        return "\n".join((first, *self.lines, "end", ""))


def request_of(data: bytes) -> Request:
    """The request in these bytes, whatever is wrong with it: wrong requests are cases too.

    One that ends before its `end` is to be the last of the input. Raises ValueError if there is not one.
    """
    found = list(wire.blocks(io.BytesIO(data)))
    if len(found) != 1:
        raise ValueError(f"there are {len(found)} in it" if found else "it is empty")
    [(lines, complete)] = found
    try:
        verb, name = wire.Fields(lines).header()
    except wire.BadRequest:
        verb, name = "-", "-"
    request = Request(verb, name, tuple(lines[1:]))
    is_plain = complete and data.isascii() and request.text().encode("latin-1") == data
    return request if is_plain else replace(request, raw=data)


def parse_reply(text: str) -> Reply:
    """The reply that a golden trace holds. Raises ValueError if it is cut short or is no reply."""
    first, *lines = text.split("\n")
    status, _, rest = first.partition(" ")
    name, _, reason = rest.partition(" ")
    if lines[-2:] != ["end", ""]:
        raise ValueError(f"a golden trace must close with the line 'end', not with {text[-40:]!r}")
    if status not in ("ok", "error") or not name or (status == "error") != bool(reason):
        raise ValueError(f"a golden trace opens with 'ok <id>' or 'error <id> <reason>', not {first[:40]!r}")
    return Reply(name, status == "ok", reason, tuple(lines[:-2]))


def golden_of(request: Request) -> Reply:
    """The reference's reply to any request, computed now."""
    [(lines, complete)] = wire.blocks(io.BytesIO(request.data()))
    return parse_reply("\n".join([*replies.answer(lines, complete), ""]))
