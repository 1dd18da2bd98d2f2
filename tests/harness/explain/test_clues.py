"""Claims about clues: what the wrong numbers of a reply have in common is said, for mistakes nobody has
listed.
"""

import pytest

from conformance import ladder
from conformance.cases import large
from conformance.cases.case import attending, shape
from conformance.messages import Request, request_of
from harness.explain.causes import likely_cause
from harness.explain.clues import clues
from harness.explain.mutants.mutant import Edit, load
from harness.explain.trace import first_tensor
from harness.judge.compare import Difference, compare

LINEAR = "    return [add_up(w * xi for w, xi in zip(row, x, strict=True)) for row in weights]\n"
M = "            m = self.beta1 * m + (1.0 - self.beta1) * g\n"
HEADS = "    result = []\n    for head in range"
ROOT = "        self.grad = 1.0\n"


def said(case: str | Request, *edits: tuple[str, str], module: str = "microgpt") -> str:
    """The clues to the failure of the reference with these edits."""
    request = case if isinstance(case, Request) else ladder.find_case(case).request
    golden = load([])(request)
    reply = load([Edit(module, old, new) for old, new in edits])(request)
    found = compare(request, golden, reply)
    assert found.first is not None, "the mistake does not show in this case"
    return "; ".join(clues(request, golden, reply, first_tensor(found)))


@pytest.mark.parametrize(("factor", "named"), [("2.0", "multiplied by 2"), ("-1.0", "multiplied by -1")])
def test_one_factor_of_all_gradients_is_named(factor, named):
    assert f"every gradient is {named}" in said("backward/example", (ROOT, f"        self.grad = {factor}\n"))


def test_a_factor_that_is_a_size_of_the_model_is_called_so():
    mean = "    return (1.0 / count) * add_up(losses)\n"
    clue = said("forward/example", (mean, "    return add_up(losses)\n"))
    assert "all of loss is multiplied by" in clue
    assert "n, the number of positions" in clue


def test_another_order_of_one_matrix_is_named():
    edit = LINEAR.replace("zip(row, x, strict=True)", "list(zip(row, x, strict=True))[::-1]")
    assert "added up from the last to the first" in said("forward/as-long-as-block", (LINEAR, edit))


def test_another_matrix_is_named():
    edit = ('x = linear(x, parameters[f"{layer}.attn_wo"])', 'x = linear(x, parameters[f"{layer}.attn_wv"])')
    assert "attn_out is layer0.attn_wv times mixed, where layer0.attn_wo" in said(
        "forward/as-long-as-block", edit
    )


@pytest.mark.parametrize(
    ("edit", "made", "right"),
    [
        (
            (
                "cache.values[p][part] for p in positions",
                "cache.values[p][part] for p in range(len(positions))",
            ),
            "v of layer 0, head 0, positions 0, 1",
            "v of layer 0, head 0, positions 1, 2",
        ),
        (
            ("cache.keys[p][part] for p in positions", "cache.values[p][part] for p in positions"),
            "v of layer 0, head 0, positions 0",
            "k of layer 0, head 0, positions 0",
        ),
        (
            (
                "    result = []\n    for head in range",
                "    positions = sorted(positions, key=str)\n" + HEADS,
            ),
            "k of layer 0, head 0, positions 0, 1, 10, 2, 3",
            "k of layer 0, head 0, positions 0, 1, 2, 3",
        ),
        (
            ("cache.keys[p][part] for p in", "cache.keys[p][:size] for p in"),
            "k of layer 0, head 0, positions 0",
            "k of layer 0, head 1, positions 0",
        ),
    ],
)
def test_other_keys_or_values_are_named(edit, made, right):
    case = "forward/classic-preset-full-block" if ", 10" in made else "forward/hexagonal"
    clue = said(case, edit)
    assert f"is made from {made}" in clue and f"where {right}" in clue


def test_another_epsilon_is_solved_for():
    assert "an epsilon of 3e-05" in said("forward/example", ("+ 1e-5) ** -0.5", "+ 3e-5) ** -0.5"))


def test_gradients_that_differ_by_rounding_are_said_to_do_so():
    clue = said("backward/example", ("(xi * xi for xi in x)", "(xi ** 2.0 for xi in x)"))
    assert "attn_wo is the first that is wrong, by rounding alone" in clue
    assert "by rounding" not in said("backward/example", (ROOT, "        self.grad = 2.0\n"))


def test_a_first_wrong_position_that_is_a_power_of_two_says_how_many_bits_are_missing():
    edit = ("cache.values[p][part] for p", "cache.values[p % 64][part] for p")
    config = attending(shape(1, 1, 2, 70, 3), large.windowed(70, 4))
    clue = said(request_of(large.documented("forward", "many-positions", config).request()), edit)
    assert "mixed is right for positions 0 to 63: 64 is 2^6: look for an integer of 6 bits" in clue


def test_at_the_end_of_the_model_softmax_and_loss_are_told_apart():
    total = ("    total = add_up(exps)\n", "    total = Value(add_up(exps).data)\n")
    assert "look at the derivative of softmax" in said("backward/example", total)
    log = ("(divide(1.0, self.data),)", "(divide(0.5, self.data),)")
    assert "look at the loss, log and the mean" in said("backward/example", log)


def test_the_rate_of_a_step_is_told_from_how_far_the_parameters_move():
    edit = ("s, n = float(step), float(self.steps)", "s, n = float(step + 1), float(self.steps)")
    one_step = {"count": "count 1", "full": "full 0"}
    lines = ladder.find_case("train/example").request.lines
    lines = tuple(one_step.get(text.split(" ")[0], text) for text in lines)
    clue = said(Request("train", "one", lines), edit)
    assert "right if it is the" in clue and "rate of step 1 of" in clue


CHOICE = "[token] = generator.choices(range(config.vocabulary), weights=probabilities)"


@pytest.mark.parametrize(
    ("change", "way"),
    [
        (
            "[token] = generator.choices(range(config.vocabulary - 1), weights=probabilities[:-1])",
            "without BOS",
        ),
        ("generator.random(); " + CHOICE, "after one more random number"),
        ("token = probabilities.index(max(probabilities))", "as the most likely token"),
    ],
)
def test_another_way_to_draw_is_named(change, way):
    assert f"the tokens are those that are drawn {way}" in said("sample/many-samples", (CHOICE, change))


def test_another_target_of_a_loss_is_named():
    edit = ("probabilities[tokens[position + 1]]", "probabilities[tokens[position]]")
    clue = "is that of token 2 (the token that the position is given), where 0 comes next"
    assert clue in said("forward/example", edit)


def test_a_term_too_many_in_an_update_is_named():
    edit = ("            yield p - divide", "            yield p - rate * 0.01 * p - divide")
    assert "times the parameters before is added to parameters" in said("adam/example", edit)


def test_what_an_update_leaves_as_it_was_is_said():
    edit = (M, "            if g == 0.0:\n                yield p, m, v\n                continue\n" + M)
    clue = "m is what it was before where gradients is 0: nothing is done to it there"
    assert clue in said("adam/classic-zero-gradients", edit)


def test_what_the_wrong_numbers_are_made_from_is_said():
    edit = (M, M.replace("* g", "* max(g, 0.0)"))
    clue = "m is wrong where gradients is negative, and nowhere else"
    assert clue in said("adam/classic-step-9", edit)


def test_other_weights_of_a_moment_are_solved_for():
    edit = M.replace("self.beta1 * m + (1.0 - self.beta1) * g", "(1.0 - self.beta1) * m + self.beta1 * g")
    assert "m is 0.15*m + 0.85*g, where 0.85*m + 0.15*g is right" in said("adam/classic-step-9", (M, edit))


def test_the_rate_of_another_step_is_recognised():
    edit = (
        "        s, n = float(step), float(self.steps)\n",
        "        s, n = step + 2.0, float(self.steps)\n",
    )
    assert "rate of step" in said("adam/example", edit)


def test_on_the_way_back_the_first_wrong_matrix_is_named():
    edit = ("(1.0 if positive else 0.0,)", "(0.5 if positive else 0.0,)")
    clue = said("backward/example", edit)
    assert "mlp_fc2 is right" in clue and "mlp_fc1 is the first that is wrong" in clue
    assert "the derivative of the activation" in clue


def test_in_a_graph_the_derivative_that_is_wrong_is_named():
    edit = ("(divide(1.0, self.data),))", "(divide(1.0, self.data + 1e-12),))")
    assert "look at the derivative of log" in said("graph/exp-and-log", edit)


def test_a_character_too_many_is_named():
    edit = ('WHITE_SPACE = "\\t\\n\\v\\f\\r "', 'WHITE_SPACE = "\\t\\n\\f\\r "')
    request = Request("tokens", "x", ("line 11 97 98", "line 99"))
    assert "the vocabulary has U+000B, which must not be in it" in said(request, edit)


def test_a_wrong_zero_is_no_rounding():
    edit = ("    total = first + 0.0\n", "    total = first\n")
    case = "forward/all-minus-zero"
    assert "no number differs but zeros: -0.0 where +0.0 is right" in said(case, edit)
    zero = Difference("value", "pos0.layer0.mixed[0]", "0" * 16, f"8{'0' * 15}", ulps=1)
    cause = likely_cause("forward", zero)
    assert cause is not None and "A 0 + x was left out" in cause.sentence


@pytest.mark.parametrize(
    "checkpoint",
    ["hidden[0]", "attn_out[0]", "mlp_out[0]", "activated[0]", "q[1]", "head0.mixed[0]", "head0.scores[0]"],
)
def test_every_quantity_of_forward_has_a_cause_for_a_large_difference(checkpoint):
    far = Difference("value", f"pos0.layer0.{checkpoint}", "3ff0000000000000", "4000000000000000", ulps=2**52)
    assert likely_cause("forward", far) is not None


@pytest.mark.parametrize(
    ("verb", "checkpoint", "asked", "words"),
    [
        ("arith", "decimals", "decimals fff0000000000001 (nan)", "-ffast-math"),
        ("random", "state[0]", "state", "624 once all are used up"),
    ],
)
def test_what_one_answer_gives_away_is_said(verb, checkpoint, asked, words):
    cause = likely_cause(verb, Difference("text", checkpoint, "x", "y", asked=asked))
    assert cause is not None and words in cause.sentence


def test_nothing_is_said_about_an_error():
    request = ladder.find_case("adam/example").request
    golden = load([])(request)
    refused = load([])(Request("adam", "x", ("steps 0",)))
    found = compare(request, golden, refused)
    assert found.first is not None
    assert clues(request, golden, refused, found.first) == ()
