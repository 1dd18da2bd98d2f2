"""Claims about the requests of fuzzing: good ones are good, of every kind; damage is read rightly."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from conformance import ladder, verbs
from conformance.cases.case import config_lines, line
from conformance.messages import Request, golden_of
from conformance.verbs import verb_of
from harness.fuzz import doubles, found, models
from harness.fuzz.damage import bad, cut_off, requests_of
from harness.fuzz.requests import arith_lines, good, tokens
from harness.fuzz.shrink import candidates, shrunk
from harness.run.protocol import MAX_LINE
from reference.protocol import replies

pytestmark = pytest.mark.slow

QUIET = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
SEARCH = settings(QUIET, max_examples=5000, derandomize=True, phases=[Phase.generate])


def answered(data: bytes) -> bytes:
    """What the reference as a port says to these bytes."""
    output = io.BytesIO()
    replies.answer_all(io.BytesIO(data), output)
    return output.getvalue()


@pytest.mark.parametrize("verb", verbs.NAMES)
def test_good_requests_are_answered_with_ok(verb: str):
    @settings(QUIET, max_examples=min(200, 8 * verb_of(verb).a_round))
    @given(good(verb))
    def is_ok(request: Request) -> None:
        reply = golden_of(request)
        assert reply.ok, reply.reason
        assert max(map(len, request.text().split("\n"))) <= MAX_LINE

    is_ok()


def keys(verb: str, examples: int) -> Counter[str]:
    """How often each key and each setting occurs."""
    seen: Counter[str] = Counter()

    @settings(QUIET, max_examples=examples, derandomize=True)
    @given(good(verb))
    def look(request: Request) -> None:
        seen.update(line.split(" ")[0] for line in request.lines)
        seen.update(line for line in request.lines if len(line) < 30)

    look()
    return seen


def test_every_operation_occurs():
    assert {*replies.EXPRESSIONS, "sum", "root"} <= keys("graph", 100).keys()
    assert {*replies.ARITHMETIC, "sum", "dot"} <= keys("arith", 100).keys()
    assert {"exp", "log", "sin", "cos", "pow"} <= keys("math", 100).keys()
    assert {"words", "random", "gauss", "shuffle", "choices", "state"} <= keys("random", 100).keys()


def test_models_are_of_many_shapes():
    seen = keys("forward", 300)
    assert {f"layers {n}" for n in (1, 2, 3)} <= seen.keys()
    assert {"embedding 3", "embedding 15", "heads 1", "heads 5", "activation squared_relu"} <= seen.keys()
    assert {"schedule linear", "schedule cosine"} <= keys("train", 60).keys()
    assert {"preset seed", "preset classic"} <= keys("run", 10).keys()


@pytest.mark.parametrize(
    ("key", "end"), [("layers", 16), ("heads", 64), ("vocabulary", 2048), ("block", 1024)]
)
def test_now_and_then_one_size_is_at_the_end_of_its_range(key: str, end: int):
    config = find(models.configs(), lambda config: getattr(config, key) == end, settings=SEARCH)
    tokens = find(
        models.documents(config), lambda tokens: len(tokens) > min(config.block, 100), settings=SEARCH
    )
    lines = [
        *config_lines(config),
        line("tokens", *tokens),
        *models.matrix_lines(config, lambda n: ["3ff0000000000000"] * n),
    ]
    assert golden_of(Request("forward", "large", tuple(lines))).ok


@pytest.mark.parametrize(
    ("strategy", "least"), [(arith_lines(doubles.tame), MAX_LINE - 17), (tokens, 40_000)]
)
def test_lines_are_as_long_as_they_may_be(strategy: SearchStrategy[list[str]], least: int):
    longest = find(strategy, lambda lines: max(map(len, lines)) >= least, settings=SEARCH)
    assert max(map(len, longest)) <= MAX_LINE


@pytest.mark.parametrize("verb", ["arith", "graph", "forward", "sample", "tokens"])
def test_bad_requests_are_answered_by_the_reference_as_ports_must(verb: str):
    refused = Counter[bool]()

    @settings(QUIET, max_examples=150, derandomize=True)
    @given(bad(verb))
    def look(requests: list[Request]) -> None:
        data = b"".join(request.data() for request in requests)
        assert [golden_of(request).text() for request in requests] == split(answered(data))
        refused.update(not golden_of(request).ok for request in requests)

    look()
    assert refused[True] > refused[False]


def split(replies: bytes) -> list[str]:
    return [f"{reply}\nend\n" for reply in replies.decode().split("\nend\n")[:-1]]


@given(st.binary(max_size=200) | st.text("en\nd ab\r", max_size=40).map(str.encode))
def test_any_bytes_are_cut_into_requests_that_add_up_to_them(data: bytes):
    requests = requests_of(data)
    sent = b"".join(request.data() for request in requests)
    assert sent.startswith(data)
    assert sent.removeprefix(data) in (b"", b"\n", b"end\n", b"\nend\n")
    assert [golden_of(request).text() for request in requests] == split(answered(sent))


@pytest.mark.parametrize(
    "data",
    [b"end\n", b"graph fuzz\r\nend\n", b"\xff fuzz\nend\n", b"graph fuzz\n\xe9\nend\n", b"graph\nend\n"],
)
def test_requests_that_break_every_rule_are_kept_byte_for_byte(data: bytes, tmp_path: Path):
    case = found.save("graph", data, tmp_path)
    assert case.request.data() == case.path.read_bytes()
    assert case.path.read_bytes().replace(case.name.encode(), b"fuzz") == data
    assert case.golden.id == case.request.id
    assert not case.golden.ok


@pytest.mark.parametrize("verb", ["hello", "graph", "train"])
def test_a_request_that_the_input_ends_within_gets_an_error_under_its_own_id(verb: str):
    @settings(QUIET, max_examples=50)
    @given(cut_off(verb))
    def look(requests: list[Request]) -> None:
        [request] = requests
        assert request.ends_input
        assert golden_of(request).text().encode() == answered(request.data())
        assert golden_of(request).id == request.id and not golden_of(request).ok

    look()


def test_a_node_in_the_middle_gives_way_to_its_child_and_numbers_to_plain_ones():
    lines = ("math exact", "leaf 4000000000000000", "exp 0", "neg 1", "sum 1 2 2", "root 3")
    simpler = [request.lines[1:] for request in candidates(Request("graph", "fuzz", lines))]
    assert ("leaf 4000000000000000", "exp 0", "sum 1 1 1", "root 2") in simpler
    assert ("leaf 4000000000000000", "neg 0", "sum 0 1 1", "root 2") in simpler
    assert ("leaf 0000000000000000", *lines[2:]) in simpler
    assert len(simpler) == 5


@given(good("graph"))
@settings(QUIET, max_examples=50)
def test_every_simpler_graph_is_a_right_one_and_the_search_for_the_simplest_ends(request_: Request):
    assert all(golden_of(simpler).ok for simpler in candidates(request_))
    assert len(shrunk(request_, lambda simpler: True).lines) == 3


def test_what_was_found_is_kept_with_the_reference_s_own_replies():
    for level in ladder.levels():
        for path in level.found_files("request"):
            case = level.found_case(path)
            assert case.golden == golden_of(case.request), case.id
