"""Claims about the form of requests and replies, asked of the reference as of any port."""

import io

import pytest

from conformance import ladder
from conformance.cases.case import line
from conformance.messages import Reply, Request, golden_of
from harness.judge.compare import compare
from reference.protocol import replies as conform
from reference.protocol import wire

LONG = wire.LINE_LIMIT


def replies(text: bytes) -> list[str]:
    """The first lines of all replies to this input."""
    output = io.BytesIO()
    conform.answer_all(io.BytesIO(text), output)
    return [block.split("\n")[0] for block in output.getvalue().decode("ascii").split("end\n")[:-1]]


def result(verb: str, *lines: str) -> tuple[str, ...]:
    return golden_of(Request(verb, "x", lines)).lines


# ---------------------------------------------------------------- the form


def test_the_last_lf_of_the_input_is_optional():
    assert replies(b"hello a\nend\nhello b\nend") == ["ok a", "ok b"]


@pytest.mark.parametrize("text", [b"hello a", b"hello a\n", b"hello a\nen", b"sing a\n", b"hello a\nend "])
def test_an_input_that_ends_within_a_request_is_answered_once(text: bytes):
    assert replies(b"hello b\nend\n" + text) == ["ok b", "error a the input ended before the line 'end'"]


def test_a_line_has_up_to_65536_bytes_without_its_lf():
    """4 + 7 * 9361 + 5 = 65,536."""
    text = "tokens x\nline" + " 128512" * 9361 + " 1000"
    assert len(text.split("\n")[1]) == LONG
    assert replies(f"{text}\nend\n".encode()) == ["ok x"]
    [reply] = replies(f"{text}0\nend\n".encode())
    assert reply.startswith("error x a line has at most 65536 bytes")


@pytest.mark.parametrize("extra", [0, 1, LONG - 1, LONG, LONG + 1, 3 * LONG])
def test_after_a_line_of_any_length_the_next_request_is_answered(extra: int):
    long = b"x" * (LONG + extra)
    first, *rest = replies(b"arith x\n" + long + b"\nend\n" + long + b"y x\nend\nhello z\nend\n")
    assert first.startswith("error x ") and rest[-1] == "ok z"
    assert rest[0].startswith("error - a line has at most")


def test_a_reason_has_at_most_200_bytes_whatever_came():
    for word in ("a" * 60000, "?" * 60000, "\xff" * 60000, " " * 60000, "\0 " * 20000):
        for request in (f"arith x\n{word}", f"arith x\nsqrt {word}", f"forward x\nmath {word}", word):
            [reply] = replies(f"{request}\nend\n".encode("latin-1"))
            reason = reply.split(" ", 2)[2]
            assert 1 <= len(reason) <= 200 and "  " not in reply and reply.isprintable()


def test_a_wrong_tensor_is_named_in_single_spaces():
    lines = [*ladder.find_case("forward/example").request.lines]
    lines[lines.index("tensor wte 3 1")] = "tensor ??? 3 1"
    [reply] = replies("\n".join(["forward x", *lines, "end\n"]).encode())
    assert reply == "error x expected tensor wte 3 1 and not tensor ??? 3 1"


def test_every_verb_of_printable_ascii_is_a_verb():
    for code in range(0x21, 0x7F):
        assert replies(b"%c x\nend\n" % code) == ["error x unsupported"]
    for code in (*range(0x0A), *range(0x0B, 0x21), 0x7F, 0x80, 0xFF):
        [reply] = replies(b"he%cllo x\nend\n" % code)
        assert reply.startswith("error - ")


# ---------------------------------------------------------------- the numbers


@pytest.mark.parametrize("pattern", ["7ff0000000000001", "fff0000000000001", "fff8000000000000"])
def test_every_nan_is_read_as_the_quiet_one(pattern: str):
    assert result("math", "math exact", f"pow {pattern} 0000000000000000") == ("pow 3ff0000000000000",)
    assert result("arith", f"sub {pattern} {pattern}") == ("sub 7ff8000000000000",)


def decimals(x: float) -> str:
    [reply] = result("arith", line("decimals", x))
    return "".join(chr(int(word)) for word in reply.split(" ")[1:])


def test_four_decimals_are_rounded_once_with_ties_to_even():
    expected = {0.03125: "0.0312", 0.09375: "0.0938", 2.40625: "2.4062", -0.0: "-0.0000", -1e-5: "-0.0000"}
    expected |= {0.00015: "0.0001", 0.00025: "0.0003", 2.0**53: "9007199254740992.0000", 5e-324: "0.0000"}
    expected |= {float("nan"): "nan", float("inf"): "inf", float("-inf"): "-inf"}
    assert {x: decimals(x) for x in expected} == expected
    assert not golden_of(Request("arith", "x", (line("decimals", 2.0**53 + 2.0),))).ok


def test_a_plain_number_stands_where_its_operation_names_it():
    leaf, three = line("leaf", 2.0), line("x", 3.0).split(" ")[1]
    for key, value in (("number_sub", 1.0), ("number_div", 1.5)):
        lines = result("graph", "math exact", leaf, f"{key} {three} 0", "root 1")
        assert lines[1] == line("value", value)
        assert not golden_of(Request("graph", "x", ("math exact", leaf, f"{key} 0 {three}", "root 1"))).ok
    for key, value in (("sub_number", -1.0), ("div_number", 2.0 * (1.0 / 3.0))):
        assert result("graph", "math exact", leaf, f"{key} 0 {three}", "root 1")[1] == line("value", value)


# ---------------------------------------------------------------- the judge


def error(reason: str) -> Reply:
    return Reply("x", False, reason)


def test_a_reason_of_201_bytes_is_one_too_many():
    request = Request("arith", "x", ("sing",))
    assert compare(request, error("no"), error("n" * 200)).agrees
    first = compare(request, error("no"), error("n" * 201)).first
    assert first and first.expected == "a reason of at most 200 bytes"


def test_unsupported_is_right_for_native_functions_only_where_the_request_asks_for_them():
    wrong = "exp 1.0"
    asked = Request("math", "x", ("math native", wrong))
    assert compare(asked, error("no"), error("unsupported")).agrees
    assert compare(asked, error("no"), error("no double")).agrees
    assert not compare(asked, error("no"), Reply("x", True, lines=("exp 3ff0000000000000",))).agrees
    exact = Request("math", "x", ("math exact", wrong))
    assert not compare(exact, error("no"), error("unsupported")).agrees


def test_printed_numbers_are_compared_as_text():
    asked = "decimals 4003400000000000"
    request = Request("arith", "x", (asked,))
    golden = Reply("x", True, lines=("decimals 50 46 52 48 54 50",))
    first = compare(request, golden, Reply("x", True, lines=("decimals 50 46 52 48 54 51",))).first
    assert first and (first.expected, first.got, first.asked) == ("'2.4062'", "'2.4063'", asked)
    shorter = compare(request, golden, Reply("x", True, lines=("decimals 50 46 52",))).first
    assert shorter and shorter.got == "'2.4'"


def test_each_statement_of_the_contract_has_a_case():
    names = {case.id for level in ladder.levels() for case in (*level.cases, *level.robust_cases)}
    assert {
        "arith/decimals",
        "arith/nan-patterns",
        "math/signalling-nan",
        "math/error-native-wrong-line",
        "graph/error-number-after-node",
        "hello/error-first-line-nul-in-verb",
        "hello/error-first-line-long-line",
        "hello/last-line-without-lf",
        "hello/error-input-ends",
        "hello/unknown-verb-of-signs",
        "arith/error-long-word",
        "tokens/error-too-many-characters",
        "run/four-decimals",
    } <= names
