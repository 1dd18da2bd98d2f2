"""Claims about the harness's own parser: whatever a port says becomes a reply or a fault."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance import verbs
from conformance.messages import Reply, Request, golden_of, parse_reply
from harness.errors import LimitExceeded, ProtocolFault
from harness.fuzz.requests import good
from harness.judge.compare import compare
from harness.run.protocol import ReplyReader

pytestmark = pytest.mark.slow

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)

PIECES = st.sampled_from(
    [b"ok fuzz", b"error fuzz no", b"ok other", b"ok", b"error", b"end", b"end ", b"\n", b"\n", b"\n", b"\r"]
    + [b" ", b"value 3ff0000000000000", b"tensor x 1 1", b"row", b"row 3ff0000000000000", b"tensor x y z"]
    + [b"\x00", b"\xff", b"step 0", b"sample 1", b"print 1114112", b"print -1", b"\t", b"x" * 65537]
)
NOISE = st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join)


@st.composite
def damaged_replies(draw: st.DrawFn) -> tuple[Request, bytes]:
    """A request, and its golden reply with some bytes cut out, put in or replaced."""
    request = draw(st.sampled_from(verbs.NAMES[:9]).flatmap(good))
    data = golden_of(request).text().encode()
    for _ in range(draw(st.integers(0, 3))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 20))
        data = data[:start] + draw(NOISE) + data[start + length :]
    return request, data


def read(data: bytes, cuts: Iterable[int] = ()) -> Reply | str | None:
    """The reply, or the fault, or nothing yet, when the bytes come in pieces that are cut there."""
    # No limit of a whole reply here: whether it or a line's is met first hangs on the cuts.
    reader = ReplyReader("fuzz")
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    reply = None
    try:
        for start, end in zip(places, places[1:], strict=False):
            if start < end:
                reply = reader.feed(data[start:end])
    except (ProtocolFault, LimitExceeded) as fault:
        return type(fault).__name__
    assert reader.progress() and reader.incomplete().message
    return reply


@settings(QUIET, max_examples=300)
@given(damaged_replies(), st.lists(st.integers(0, 10**6), max_size=8))
def test_the_reader_gives_a_reply_or_a_fault_however_the_bytes_come(
    damaged: tuple[Request, bytes], cuts: list[int]
):
    request, data = damaged
    whole = read(data)
    assert read(data, cuts) == whole
    assert read(data, range(len(data)) if len(data) < 500 else ()) == whole
    if isinstance(whole, Reply):
        assert parse_reply(whole.text()) == whole
        found = compare(request, golden_of(request), whole, "port")
        assert found.agrees == (found.first is None) == (found.different == 0)


@settings(QUIET, max_examples=300)
@given(NOISE)
def test_noise_is_never_more_than_a_fault(data: bytes):
    whole = read(data)
    assert whole is None or isinstance(whole, (str, Reply))
    try:
        parse_reply(data.decode("latin-1"))
    except ValueError as fault:
        assert str(fault)


WORDS = st.sampled_from(
    ["3ff0000000000000", "7ff8000000000001", "none", "1", "-1", "x", "99999999999999999999"]
)
LINES_OF_REPLIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["value", "gradient", "tensor", "row", "step", "sample", "print", "kept", "name", "x"]
        ),
        st.lists(WORDS, max_size=4),
    ).map(lambda drawn: " ".join([drawn[0], *drawn[1]])),
    max_size=8,
)


@settings(QUIET, max_examples=300)
@given(st.sampled_from(verbs.NAMES[:9]).flatmap(good), LINES_OF_REPLIES, st.booleans())
def test_no_reply_is_too_odd_to_be_compared(request_: Request, lines: list[str], ok: bool):
    reply = Reply("fuzz", True, "", tuple(lines)) if ok else Reply("fuzz", False, "unsupported")
    found = compare(request_, golden_of(request_), reply, "port")
    assert found.agrees == (tuple(lines) == golden_of(request_).lines if ok else False)
