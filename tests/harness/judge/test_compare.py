"""Claims about comparing a reply with a golden trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.doubles import ulps_between
from conformance.messages import Reply, Request
from harness.judge.compare import compare
from reference.protocol.wire import hexadecimal

ONE, NEXT = "3ff0000000000000", "3ff0000000000001"
ZERO, MINUS_ZERO = "0000000000000000", "8000000000000000"
NAN, OTHER_NAN, INF = "7ff8000000000000", "fff0000000000001", "7ff0000000000000"
REQUEST = Request("forward", "f")


def reply(*lines: str, ok: bool = True, reason: str = "") -> Reply:
    return Reply("f", ok, reason, lines)


def first(golden: Reply, came: Reply, request: Request = REQUEST):
    return compare(request, golden, came).first


def test_equal_replies_agree_and_every_value_is_counted():
    golden = reply("tensor wte 2 2", f"row {ONE} {NEXT}", f"row {ZERO} {NAN}", f"loss {ONE}")
    found = compare(REQUEST, golden, golden)
    assert found.agrees
    assert found.values == 3 + 4 + 1


@pytest.mark.parametrize(
    ("a", "b", "ulps"),
    [
        (ONE, ONE, 0),
        (ONE, NEXT, 1),
        (NEXT, ONE, 1),
        (ZERO, MINUS_ZERO, 1),
        ("0000000000000001", "8000000000000001", 3),
        (NAN, OTHER_NAN, 0),
        (NAN, ONE, None),
        (ONE, "ffffffffffffffff", None),
        (INF, "7fefffffffffffff", 1),
        (INF, "fff0000000000000", 2 * 0x7FF0000000000000 + 1),
    ],
)
def test_distance_counts_the_doubles_between(a: str, b: str, ulps: int | None):
    assert ulps_between(a, b) == ulps


@given(st.floats(), st.floats())
def test_distance_is_symmetric_and_zero_only_for_the_same_number(x: float, y: float):
    a, b = hexadecimal(x), hexadecimal(y)
    assert ulps_between(a, b) == ulps_between(b, a)
    assert (ulps_between(a, b) == 0) == (a == b)


def test_nan_never_passes_for_a_number():
    difference = first(reply(f"loss {ONE}"), reply(f"loss {NAN}"))
    assert difference is not None and difference.ulps is None


def test_the_sign_of_zero_is_a_difference():
    difference = first(reply(f"loss {ZERO}"), reply(f"loss {MINUS_ZERO}"))
    assert difference is not None and difference.ulps == 1


def test_the_first_difference_is_named_with_its_place_in_the_tensor():
    golden = reply("tensor layer0.attn_wq 2 2", f"row {ONE} {ONE}", f"row {ONE} {ONE}", f"loss {ONE}")
    came = reply("tensor layer0.attn_wq 2 2", f"row {ONE} {ONE}", f"row {ONE} {NEXT}", f"loss {ZERO}")
    found = compare(REQUEST, golden, came)
    assert found.first is not None
    assert found.first.checkpoint == "layer0.attn_wq[1][1]"
    assert found.first.line == 4
    assert found.different == 2


def test_a_tensor_of_one_row_has_one_index():
    golden = reply("tensor pos0.q 1 2", f"row {ONE} {ONE}")
    difference = first(golden, reply("tensor pos0.q 1 2", f"row {ONE} {NEXT}"))
    assert difference is not None and difference.checkpoint == "pos0.q[1]"


def test_steps_and_samples_are_part_of_the_name():
    golden = reply("step 7", f"loss {ONE}", "tensor m.wte 1 1", f"row {ONE}", "step 8", f"loss {ONE}")
    came = reply("step 7", f"loss {ONE}", "tensor m.wte 1 1", f"row {NEXT}", "step 8", f"loss {NEXT}")
    difference = first(golden, came)
    assert difference is not None and difference.checkpoint == "step 7: m.wte[0]"
    golden = reply(
        "sample 2", f"probabilities {ONE} {ONE}", "token 1", f"probabilities {ONE} {ONE}", "token 0"
    )
    came = reply("sample 2", f"probabilities {ONE} {ONE}", "token 1", f"probabilities {ONE} {ONE}", "token 3")
    difference = first(golden, came)
    assert difference is not None and difference.checkpoint == "sample 2: token[1]"


def test_a_difference_shows_the_line_that_was_asked():
    asked = Request("math", "m", ("math exact", f"exp {ONE}", f"log {ONE}"))
    difference = first(reply(f"exp {ONE}", f"log {ZERO}"), reply(f"exp {ONE}", f"log {ONE}"), asked)
    assert difference is not None and difference.asked == f"log {ONE}"
    graph = Request("graph", "g", ("math exact", f"leaf {ONE}", "exp 0", "root 1"))
    golden = reply(f"value {ONE}", f"value {ONE}", f"gradient {ONE}", f"gradient {ONE}")
    came = reply(f"value {ONE}", f"value {ONE}", f"gradient {ONE}", f"gradient {NEXT}")
    difference = first(golden, came, graph)
    assert difference is not None
    assert (difference.checkpoint, difference.asked) == ("gradient[1]", "exp 0")


def test_printed_text_is_shown_as_text():
    difference = first(reply("print", "print 97 98"), reply("print", "print 97 99 100"))
    assert difference is not None
    assert (difference.checkpoint, difference.expected, difference.got) == ("print[1]", "'ab'", "'acd'")


def test_values_of_a_line_are_numbered():
    asked = Request("random", "r", ("math exact", "seed 1", "words 2", "random 2"))
    golden = reply("words 1 2", f"random {ONE} {ONE}")
    difference = first(golden, reply("words 1 2", f"random {ONE} {NEXT}"), asked)
    assert difference is not None
    assert (difference.checkpoint, difference.asked) == ("random[1]", "random 2")


@pytest.mark.parametrize(
    "came",
    [
        reply(f"loss {ONE}", f"loss {ONE}"),
        reply(),
        reply(f"los {ONE}"),
        reply(f"loss {ONE} {ONE}"),
        reply("loss"),
    ],
    ids=["one line more", "one line less", "another key", "one value more", "one value less"],
)
def test_another_form_is_a_difference_and_never_passes(came: Reply):
    difference = first(reply(f"loss {ONE}"), came)
    assert difference is not None and difference.kind == "shape"


@pytest.mark.parametrize("word", ["3FF0000000000000", "1.0", "3ff000000000000", "nan", "0x3ff0000000000000"])
def test_a_double_in_another_form_is_a_difference(word: str):
    difference = first(reply(f"loss {ONE}"), reply(f"loss {word}"))
    assert difference is not None and difference.kind == "text"


def test_any_reason_is_right_where_an_error_is_wanted():
    golden = reply(ok=False, reason="expected a line math")
    assert first(golden, reply(ok=False, reason="what is this")) is None


def test_unsupported_is_right_only_where_the_golden_trace_says_so():
    bad, unsupported = reply(ok=False, reason="bad number"), reply(ok=False, reason="unsupported")
    assert first(bad, unsupported) is not None
    assert first(unsupported, bad) is not None
    assert first(unsupported, unsupported) is None


def test_an_error_for_a_good_request_and_an_answer_to_a_bad_one_are_differences():
    bad = reply(ok=False, reason="bad number")
    assert first(reply(f"loss {ONE}"), bad) is not None
    assert first(bad, reply(f"loss {ONE}")) is not None


HELLO = reply("name reference", "protocol 1", "verbs hello arith math", "math exact native")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (("name rust", "protocol 1", "verbs hello math", "math exact"), None),
        (("name go", "protocol 1", "verbs hello", "math exact"), "the line name"),
        (("name rust", "protocol 2", "verbs hello", "math exact"), "the line protocol"),
        (("name rust", "protocol 1", "verbs arith", "math exact"), "the line verbs"),
        (("name rust", "protocol 1", "verbs hello math arith", "math exact"), "the line verbs"),
        (("name rust", "protocol 1", "verbs hello dance", "math exact"), "the line verbs"),
        (("name rust", "protocol 1", "verbs hello", "math native exact"), "the line math"),
        (("name rust", "protocol 1", "verbs hello"), "the line math"),
        (("name rust", "protocol 1", "verbs hello", "math exact", "more 1"), "the end"),
    ],
)
def test_hello_may_say_only_what_is_true_of_the_port(lines: tuple[str, ...], fault: str | None):
    difference = compare(Request("hello", "h"), HELLO, reply(*lines), "rust").first
    assert (difference.checkpoint if difference else None) == fault


def test_the_first_difference_is_the_topmost_whatever_quantity_it_belongs_to():
    golden = reply(f"exp {ONE}", f"log {ONE}", f"exp {ONE}")
    came = reply(f"exp {ONE}", f"log {NEXT}", f"exp {NEXT}")
    difference = first(golden, came, Request("math", "m"))
    assert difference is not None and (difference.checkpoint, difference.line) == ("log", 3)


def test_every_checkpoint_is_listed_in_order_with_its_own_differences():
    golden = reply("tensor q 2 2", f"row {ONE} {ONE}", f"row {ONE} {ONE}", "tensor k 1 1", f"row {ONE}")
    came = reply("tensor q 2 2", f"row {ONE} {ONE}", f"row {NEXT} {MINUS_ZERO}", "tensor k 1 1", f"row {ONE}")
    q, k = compare(REQUEST, golden, came).quantities
    assert (q.name, q.values, q.different) == ("q", 4, 2)
    assert q.first is not None and q.first.checkpoint == "q[1][0]"
    assert q.worst_ulps > 2**60
    assert (k.name, k.values, k.different, k.first) == ("k", 1, 0, None)
