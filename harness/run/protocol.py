"""The framing of the protocol: requests to text, bytes to replies, a sentence for everything that is neither.

Not for what the lines mean: keys, counts and numbers are the comparison's business.

    request   <verb> <id>            reply   ok <id>       or   error <id> <reason>
              <key> <value> ...              <key> <value> ...
              end                            end                end

Printable ASCII, single spaces, LF. Nothing may follow `end`, and an error has no lines of its own.
"""

from __future__ import annotations

import re

from conformance.messages import Reply
from harness.errors import LimitExceeded, ProtocolFault
from harness.run.limits import MIB, OPTIONS, size

MAX_LINE = 65_536
"""Longest line in bytes without its LF: a port may read lines into a fixed buffer."""
MAX_REPLY = 64 * MIB

_LINE = re.compile(rb"[!-~]+(?: [!-~]+)*")
_GOOD_BYTES = bytes(range(0x20, 0x7F)) + b"\n"
_BAD_PAIRS = (b"  ", b" \n", b"\n ", b"\n\n")
_VERB = re.compile(r"[a-z][a-z0-9_-]*")
_NAMED_BYTES = {0x00: "a zero byte", 0x09: "a tab", 0x0D: "a carriage return"}
_EXCERPT = 60


def excerpt(data: bytes) -> str:
    """Bytes as they can be shown in a sentence: quoted, escaped, and cut when long."""
    shown = repr(data[:_EXCERPT])[1:]
    return shown if len(data) <= _EXCERPT else f"{shown}... ({len(data):,} bytes)"


def line_fault(line: bytes) -> str:
    """What is wrong with the form of one line (without its LF), as words after 'which is'; '' if nothing."""
    if len(line) > MAX_LINE:
        return f"longer than the {MAX_LINE:,} bytes a line may have"
    if _LINE.fullmatch(line):
        return ""
    if not line:
        return "empty; the protocol has no empty lines"
    if line.endswith(b"\r"):
        return "ended by CR LF; the protocol ends lines with LF alone"
    bad = next((i for i, byte in enumerate(line) if not 0x20 <= byte <= 0x7E), None)
    if bad is not None:
        name = _NAMED_BYTES.get(line[bad], f"the byte 0x{line[bad]:02x}")
        return f"not printable ASCII: {name} is its byte {bad + 1}"
    if line.startswith(b" "):
        return "indented; a line starts with its key"
    if line.endswith(b" "):
        return "followed by a space before its LF"
    return f"spaced wrongly: its byte {line.index(b'  ') + 2} is a second space"


class ReplyReader:
    """Reads one reply from bytes as they come.

    `feed` returns None until the reply is complete, then the reply. `request_id` is the id it must carry.
    """

    def __init__(self, request_id: str, max_reply: int = MAX_REPLY) -> None:
        self.request_id = request_id
        self.max_reply = max_reply
        self.bytes_read = 0
        self._pending = bytearray()
        self._lines: list[str] = []
        self._reply: Reply | None = None

    @property
    def lines_read(self) -> int:
        return len(self._lines)

    def feed(self, data: bytes) -> Reply | None:
        """Take more bytes. Raises ProtocolFault for what no reply may hold, LimitExceeded if too long."""
        if self._reply is not None:
            self._pending += data
            raise self._extra()
        self.bytes_read += len(data)
        if self.bytes_read > self.max_reply:
            raise LimitExceeded(
                f"the reply to '{self.request_id}' is longer than {size(self.max_reply)}; "
                f"{self.lines_read:,} lines of it were read{self._last_line()}",
                option=OPTIONS["output"],
            )
        start = len(self._pending)
        self._pending += data
        if self._pending.find(b"\n", start) < 0:
            if len(self._pending) > MAX_LINE:
                raise self._fault(bytes(self._pending), f"longer than the {MAX_LINE:,} bytes a line may have")
            return None
        cut = self._pending.rindex(b"\n") + 1
        if self._take_plain_lines(bytes(self._pending[:cut])):
            del self._pending[:cut]
            return None
        *complete, rest = bytes(self._pending).split(b"\n")
        for number, line in enumerate(complete):
            if self._take(line):
                self._pending = bytearray(b"\n".join((*complete[number + 1 :], rest)))
                if self._pending:
                    raise self._extra()
                return self._reply
        self._pending = bytearray(rest)
        if len(rest) > MAX_LINE:
            raise self._fault(rest, f"longer than the {MAX_LINE:,} bytes a line may have")
        return None

    def progress(self) -> str:
        """How far the reply had come, as words that follow 'after'."""
        if not self.bytes_read:
            return "no answer at all"
        lines = "1 line" if self.lines_read == 1 else f"{self.lines_read:,} lines"
        if self._pending:
            text = f"a line without an end, {excerpt(bytes(self._pending))},"
            return f"{lines} of the reply and {text}" if self._lines else text
        return f"{lines} of the reply{self._last_line()} and no 'end'"

    def incomplete(self) -> ProtocolFault:
        """The fault of a reply that stops here."""
        return ProtocolFault(
            f"the reply to '{self.request_id}' stops after {self.progress()}", line=self.lines_read + 1
        )

    def _take_plain_lines(self, block: bytes) -> bool:
        """Keep a block of lines in the middle of an ok reply; false, with nothing kept, for anything else.

        Only for speed: a long reply is judged by one search per block, by lines where that finds something.
        """
        if not self._lines or not self._lines[0].startswith("ok ") or block[:1] in (b" ", b"\n"):
            return False
        if block.startswith(b"end") or b"\nend" in block or block.translate(None, _GOOD_BYTES):
            return False
        if any(pair in block for pair in _BAD_PAIRS):
            return False
        lines = block.decode("ascii").split("\n")
        if max(map(len, lines)) > MAX_LINE:
            return False
        lines.pop()
        self._lines += lines
        return True

    def _take(self, line: bytes) -> bool:
        """Judge one complete line and keep it; true when it ends the reply."""
        if fault := line_fault(line):
            raise self._fault(line, fault)
        text = line.decode("ascii")
        if not self._lines:
            self._check_first(line, text)
        elif text == "end":
            self._reply = self._finished()
            return True
        elif text.startswith("end "):
            raise self._fault(line, "wrong: 'end' stands alone on its line")
        elif self._lines[0].startswith("error "):
            raise self._fault(line, "wrong: after its first line an error reply has only 'end'")
        self._lines.append(text)
        return False

    def _check_first(self, line: bytes, text: str) -> None:
        word, _, rest = text.partition(" ")
        name, _, reason = rest.partition(" ")
        wanted = f"expected 'ok {self.request_id}' or 'error {self.request_id} <reason>'"
        if word not in ("ok", "error"):
            raise self._fault(line, f"no reply: {wanted}")
        if not name:
            raise self._fault(line, f"without an id: {wanted}")
        if name != self.request_id:
            raise self._fault(line, f"the answer to another request: {wanted}")
        if word == "ok" and reason:
            raise self._fault(line, f"too long: expected 'ok {self.request_id}' and nothing more on its line")
        if word == "error" and not reason:
            raise self._fault(line, f"an error without a reason: expected 'error {self.request_id} <reason>'")

    def _finished(self) -> Reply:
        word, name, *reason = self._lines[0].split(" ")
        return Reply(name, word == "ok", " ".join(reason), tuple(self._lines[1:]))

    def _last_line(self) -> str:
        return f", the last one {excerpt(self._lines[-1].encode())}," if self._lines else ""

    def _fault(self, line: bytes, what: str) -> ProtocolFault:
        number = self.lines_read + 1
        where = f"line {number:,} of the reply to '{self.request_id}'"
        return ProtocolFault(f"{where} is {excerpt(line)}, which is {what}", line=number)

    def _extra(self) -> ProtocolFault:
        return ProtocolFault(
            f"after 'end', the last line of the reply to '{self.request_id}', "
            f"came {excerpt(bytes(self._pending))}; a port answers once and then waits for the next request",
            line=self.lines_read + 2,
        )
