"""Claims about the search: what it comes to is smaller, fails in the same way, and is a good request."""

import time

import pytest

from conformance import ladder
from conformance.messages import Reply, Request, golden_of, request_of
from harness.errors import LimitExceeded
from harness.explain import search
from harness.explain.blocks import config_of
from harness.explain.mutants.mutant import Edit, load
from harness.explain.smaller import smaller
from harness.run.limits import Limits

VERBS = (
    "arith",
    "math",
    "random",
    "tokens",
    "graph",
    "forward",
    "backward",
    "adam",
    "train",
    "sample",
    "run",
)


class Port:
    """The reference with some edits, as a session."""

    limits = Limits()

    def __init__(self, *edits: Edit) -> None:
        self._answer = load(edits)

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        return self._answer(request)


def smallest(case: str, *edits: Edit, seconds: float = 60.0) -> search.Smallest:
    found = search.smallest(Port(*edits), ladder.find_case(case).request, seconds)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_smaller_is_a_good_request(verb):
    for candidate in list(smaller(ladder.find_case(f"{verb}/example").request))[:40]:
        assert golden_of(candidate).ok, candidate.text()


def test_a_model_shrinks_to_one_of_everything():
    found = smallest("forward/two-layers", Edit("microgpt", "+ 1e-5) ** -0.5", "+ 3e-5) ** -0.5"))
    config = config_of(found.request)
    assert config is not None
    assert (config.layers, config.heads, config.embedding, config.vocabulary) == (1, 1, 1, 2)
    assert "one layer, one head, embedding 1, vocabulary 2, one position" in search.in_words(found.request)


def test_what_needs_two_positions_keeps_two():
    old = "keys = [cache.keys[p][part] for p in positions]"
    found = smallest(
        "forward/two-layers", Edit("microgpt", old, old.replace("in positions", "in positions[::-1]"))
    )
    assert "two positions" in search.in_words(found.request) or "2 positions" in search.in_words(
        found.request
    )


def test_a_graph_shrinks_to_the_wrong_derivative():
    old = "(divide(1.0, self.data),))"
    found = smallest(
        "graph/exp-and-log", Edit("microgpt", old, old.replace("self.data", "self.data + 1e-12"))
    )
    assert search.in_words(found.request) == "graph: leaf 1.0; log 0; root 1"


def test_it_fails_like_the_first_failure():
    edits = (
        Edit("microgpt", "+ 1e-5) ** -0.5", "+ 3e-5) ** -0.5"),
        Edit("microgpt", "total = total + value", "total = value + total"),
    )
    first = search.smallest(Port(*edits), ladder.find_case("forward/example").request, 0.0)  # type: ignore[arg-type]
    found = smallest("forward/example", *edits)
    assert first is not None
    assert search.kind(found.difference) == search.kind(first.difference)


def test_its_text_is_a_request_that_can_be_asked_again():
    found = smallest("adam/example", Edit("microgpt", "+ self.epsilon), m, v", "- self.epsilon), m, v"))
    assert request_of(found.request.data()) == found.request


def test_it_ends_in_time_whatever_the_port_does():
    class Slow(Port):
        def ask(self, request: Request, timeout: float | None = None) -> Reply:
            if request.lines == case.lines:
                return super().ask(request)
            time.sleep(0.05)
            raise LimitExceeded("too slow", option="--request-timeout")

    case = ladder.find_case("forward/two-layers").request
    slow = Slow(Edit("microgpt", "+ 1e-5) ** -0.5", "+ 3e-5) ** -0.5"))
    found = search.smallest(slow, case, 0.1)  # type: ignore[arg-type]
    assert found is not None and found.request.lines == case.lines


def test_a_request_that_passes_has_no_smallest():
    case = ladder.find_case("adam/example").request
    assert search.smallest(Port(), case) is None  # type: ignore[arg-type]


def test_a_wrong_seeding_is_told_from_a_wrong_draw():
    seed = Request("random", "x", ("math exact", "seed 42", "words 1"))
    assert "the state after seeding is right" in search.probes(Port(), seed)[0]  # type: ignore[arg-type]


def test_a_smaller_backward_goes_wrong_at_the_same_place_on_the_way_back():
    found = smallest("backward/example", Edit("microgpt", "(xi * xi for xi in x)", "(xi ** 2.0 for xi in x)"))
    assert any("attn_wo is the first that is wrong" in clue for clue in found.clues)
