"""Framing: what is written is read back, however it is cut, and everything else gets the sentence it
deserves.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.messages import Reply, Request, parse_reply, request_of
from harness.errors import LimitExceeded, ProtocolFault
from harness.run.protocol import MAX_LINE, ReplyReader, line_fault

words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)
lines = st.lists(words, min_size=1, max_size=5).map(" ".join).filter(lambda line: line.split(" ")[0] != "end")
requests = st.builds(
    Request,
    st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    st.lists(lines, max_size=8).map(tuple),
)
answers = st.builds(Reply, words, st.just(True), st.just(""), st.lists(lines, max_size=8).map(tuple))
errors = st.builds(Reply, words, st.just(False), st.lists(words, min_size=1, max_size=5).map(" ".join))
replies = st.one_of(answers, errors)


@given(requests)
def test_a_request_is_read_as_it_was_written(request: Request) -> None:
    assert request_of(request.data()) == request


@given(replies)
def test_a_reply_is_read_as_it_was_written(reply: Reply) -> None:
    assert parse_reply(reply.text()) == reply


@given(replies, st.data())
def test_a_reply_may_come_in_any_pieces(reply: Reply, data: st.DataObject) -> None:
    text = reply.text().encode()
    reader, start = ReplyReader(reply.id), 0
    while start < len(text):
        end = data.draw(st.integers(start + 1, len(text)))
        result = reader.feed(text[start:end])
        assert (result is None) == (end < len(text))
        start = end
    assert result == reply


@given(replies, st.data())
def test_the_cut_of_the_pieces_changes_no_fault(reply: Reply, data: st.DataObject) -> None:
    text = bytearray(reply.text().encode() + b"ok 2\nend\n")
    position = data.draw(st.integers(0, len(text) - 10))
    text[position] = data.draw(st.integers(0, 255))

    def outcome(pieces: list[bytes]) -> str:
        reader = ReplyReader(reply.id)
        try:
            found = [reader.feed(piece) for piece in pieces]
        except ProtocolFault as fault:
            return f"{fault.line}"
        return repr(next(reply for reply in found if reply))

    whole = outcome([bytes(text)])
    assert outcome([bytes(text[i : i + 1]) for i in range(len(text))]) == whole
    cut = data.draw(st.integers(0, len(text) - 1))
    assert outcome([bytes(text[:cut]), bytes(text[cut:])]) == whole


@given(st.binary(max_size=40))
def test_a_line_is_at_fault_unless_it_is_words_with_single_spaces(line: bytes) -> None:
    words = line.split(b" ")
    good = all(word and all(0x21 <= byte <= 0x7E for byte in word) for word in words)
    assert (line_fault(line) == "") == good


FAULTS = {
    "wrong id": (
        b"ok a0\n",
        1,
        "line 1 of the reply to 'a1' is 'ok a0', which is the answer to another request",
    ),
    "wrong id of an error": (b"error a0 no\n", 1, "is the answer to another request: expected 'ok a1' or"),
    "no id": (b"ok\n", 1, "is without an id"),
    "neither ok nor error": (
        b"done a1\n",
        1,
        "'done a1', which is no reply: expected 'ok a1' or 'error a1 <reason>'",
    ),
    "end first": (b"end\n", 1, "'end', which is no reply"),
    "more on the first line": (b"ok a1 fine\n", 1, "expected 'ok a1' and nothing more on its line"),
    "error without a reason": (b"error a1\n", 1, "which is an error without a reason"),
    "lines in an error": (
        b"error a1 no\nhint x\n",
        2,
        "line 2 of the reply to 'a1' is 'hint x', which is wrong",
    ),
    "end with words": (b"ok a1\nend a1\n", 2, "'end a1', which is wrong: 'end' stands alone on its line"),
    "second reply": (
        b"ok a1\nend\nok a1\nend\n",
        3,
        "after 'end', the last line of the reply to 'a1', came 'ok a1",
    ),
    "half a line after end": (b"ok a1\nx 1\nend\nx", 4, "came 'x'; a port answers once"),
    "CR LF": (b"ok a1\r\n", 1, "'ok a1\\r', which is ended by CR LF; the protocol ends lines with LF alone"),
    "CR": (b"ok a1\nx\ry\n", 2, "a carriage return is its byte 2"),
    "tab": (b"ok a1\nx\t1\n", 2, "'x\\t1', which is not printable ASCII: a tab is its byte 2"),
    "zero byte": (b"ok a1\nx\x00\n", 2, "a zero byte is its byte 2"),
    "Latin-1": (b"ok a1\nx \xe9\n", 2, "not printable ASCII: the byte 0xe9 is its byte 3"),
    "UTF-8 byte order mark": (b"\xef\xbb\xbfok a1\n", 1, "the byte 0xef is its byte 1"),
    "double space": (b"ok a1\nx  1\n", 2, "'x  1', which is spaced wrongly: its byte 3 is a second space"),
    "leading space": (b"ok a1\n x 1\n", 2, "' x 1', which is indented"),
    "trailing space": (b"ok a1\nx 1 \n", 2, "'x 1 ', which is followed by a space"),
    "empty line": (b"ok a1\n\nend\n", 2, "line 2 of the reply to 'a1' is '', which is empty"),
    "empty first line": (b"\nok a1\n", 1, "which is empty"),
    "long line": (
        b"ok a1\n" + b"x" * (MAX_LINE + 1) + b"\n",
        2,
        "longer than the 65,536 bytes a line may have",
    ),
    "long line without end": (
        b"ok a1\n" + b"x" * (MAX_LINE + 1),
        2,
        "xxx'... (65,537 bytes), which is longer",
    ),
    "noise": (bytes(range(128, 256)) + b"\n", 1, "which is not printable ASCII"),
    "fault far down": (
        b"ok a1\n" + b"x 1\n" * 5000 + b"y  2\n",
        5002,
        "line 5,002 of the reply to 'a1' is 'y  2'",
    ),
}


@pytest.mark.parametrize("data, line, says", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_with_its_line(data: bytes, line: int, says: str) -> None:
    with pytest.raises(ProtocolFault) as caught:
        ReplyReader("a1").feed(data)
    assert says in caught.value.message
    assert caught.value.line == line


def test_the_longest_line_is_no_fault() -> None:
    longest = "x" * MAX_LINE
    assert parse_reply(f"ok a1\n{longest}\nend\n").lines == (longest,)


def test_a_reply_that_is_too_long_names_the_option() -> None:
    reader = ReplyReader("a1", max_reply=1000)
    assert reader.feed(b"ok a1\n" + b"x 1\n" * 200) is None
    with pytest.raises(LimitExceeded) as caught:
        reader.feed(b"x 1\n" * 200)
    assert "the reply to 'a1' is longer than 1000 bytes; 201 lines of it were read" in caught.value.message
    assert caught.value.option == "--output-limit"


def test_words_that_begin_with_end_are_usual_keys() -> None:
    assert parse_reply("ok a1\nending 1\nendless\nend\n").lines == ("ending 1", "endless")


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "must close with the line 'end'"),
        ("ok a1\n", "must close with the line 'end'"),
        ("ok a1\nend", "must close with the line 'end'"),
        ("ok\nend\n", "opens with 'ok <id>'"),
        ("error a1\nend\n", "opens with 'ok <id>'"),
        ("ok a1 more\nend\n", "opens with 'ok <id>'"),
    ],
)
def test_a_golden_trace_that_was_truncated_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_reply(text)


@pytest.mark.parametrize("data", [b"hello a\nend\nhello b\nend\n", b""])
def test_what_is_not_one_block_is_no_request(data: bytes) -> None:
    with pytest.raises(ValueError):
        request_of(data)
