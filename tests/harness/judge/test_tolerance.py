"""Claims about tolerances: what is measured, what a port may be off by, and what no port may."""

import math
import random
import struct
import sys
from dataclasses import replace

import pytest

from conformance import ladder, spread, tolerance
from conformance.bounds import Bounds, load
from conformance.doubles import double_of, ulps_between
from conformance.ladder import find_case
from conformance.messages import Reply, Request, parse_reply
from harness import paths
from harness.errors import ManifestError
from harness.judge.climb import judge_case
from harness.judge.compare import Comparison
from harness.judge.tolerance import FACTOR, compare_within, in_native, wants_native
from harness.run.limits import Limits
from harness.run.local import LocalProcess
from harness.run.session import Session
from reference import exactmath, microgpt
from reference.protocol import replies
from reference.protocol.wire import hexadecimal

ONE = "3ff0000000000000"
NAN, INF = "7ff8000000000000", "7ff0000000000000"


def answer(request: Request) -> Reply:
    return parse_reply("\n".join([*replies.answer(request.text().split("\n")[:-2]), ""]))


def judged(case: str) -> Comparison:
    """What a port would be told that computes as the reference does at this moment."""
    found = find_case(case)
    return compare_within(found.request, found.golden, answer(found.request))


def with_line(golden: Reply, number: int, line: str) -> Reply:
    return replace(golden, lines=(*golden.lines[:number], line, *golden.lines[number + 1 :]))


def up(word: str, ulps: int) -> str:
    return f"{int(word, 16) + ulps:016x}"


# --- What is measured -------------------------------------------------------------------------------------


def test_a_move_is_an_ulp_up_or_down_or_none_and_all_three_come():
    move = spread.by_one_ulp(random.Random(1))
    distances = {int(hexadecimal(move(1.5)), 16) - int(hexadecimal(1.5), 16) for _ in range(100)}
    assert distances == {-1, 0, 1}


def test_what_ieee_754_fixes_is_not_moved():
    far = spread.Moved(lambda x: x * 2.0)
    assert (far.exp(0.0), far.cos(-0.0), far.pow(7.0, 0.0), far.pow(1.0, 9.0), far.log(1.0)) == (
        1,
        1,
        1,
        1,
        0,
    )
    assert (far.exp(-math.inf), far.log(0.0), far.pow(0.0, -1.0)) == (0.0, -math.inf, math.inf)
    assert math.isnan(far.log(-1.0))
    assert far.exp(1.0) == 2.0 * math.e


def test_a_move_makes_no_infinity():
    assert spread.Moved(lambda x: math.inf).exp(709.0) == exactmath.exp(709.0)


def test_the_same_seed_gives_the_same_spread_and_another_seed_another():
    case = find_case("forward/example")
    first = spread.spread_of(case.request, case.golden, 3, 1)
    assert first == spread.spread_of(case.request, case.golden, 3, 1)
    assert first != spread.spread_of(case.request, case.golden, 3, 2)


def test_measuring_leaves_the_reference_as_it_was():
    case = find_case("backward/example")
    spread.spread_of(case.request, case.golden, 2, 1)
    assert answer(case.request) == replace(case.golden, id=case.request.id)


def test_what_no_function_has_a_part_in_has_no_spread():
    case = find_case("forward/example")
    measured = spread.spread_of(case.request, case.golden, 3, 1)
    assert "pos*.embedded" not in measured
    assert measured["pos*.normed"] > 0.0


def test_a_value_that_depends_on_a_function_has_at_least_an_ulp_even_if_no_move_shows():
    lines = ("math exact", "leaf 3ff0000000000000", "exp 0", f"add_number 1 {hexadecimal(2.0**20)}", "root 2")
    request = Request("graph", "absorbed", lines)
    measured = spread.spread_of(request, answer(request), 2, 1)
    assert measured["value[2]"] >= math.ulp(2.0**20)


def test_two_moves_never_cancel_so_that_nothing_seems_to_depend_on_the_functions():
    third = hexadecimal(3.0)
    lines = (
        "math exact",
        f"leaf {ONE}",
        f"leaf {third}",
        "div 0 1",
        "div 2 1",
        "add_number 3 4010000000000000",
    )
    request = Request("graph", "divided-twice", (*lines, "root 4"))
    golden = answer(request)
    assert all("value[4]" in spread.spread_of(request, golden, 1, seed) for seed in range(40))


def test_all_positions_layers_and_heads_are_one_quantity_and_checksums_are_none():
    lines = ["tensor pos3.layer1.head0.scores 1 1", f"row {ONE}", f"loss {ONE}"]
    assert spread.quantities("forward", lines) == [None, "pos*.layer*.head*.scores", "loss"]
    lines = ["step 7", f"loss {ONE}", "m 00000000 11111111", "tensor m.wte 1 1", f"row {ONE}"]
    assert spread.quantities("train", lines) == [
        None,
        "step 7: loss",
        spread.CHECKSUM,
        None,
        "step 7: m.wte",
    ]
    assert spread.quantities("graph", [f"value {ONE}", f"value {ONE}", f"gradient {ONE}"]) == [
        "value[0]",
        "value[1]",
        "gradient[0]",
    ]


def test_a_case_whose_text_changes_by_an_ulp_cannot_be_judged():
    names = spread.quantities("sample", ["token 3"])
    with pytest.raises(ArithmeticError, match="token 4"):
        spread._widen({}, names, ["token 3"], ["token 4"])


# --- What a port may be off by ----------------------------------------------------------------------------

SOME = ("graph/softmax-by-hand", "forward/classic-preset", "backward/two-layers", "adam/seed-step-250",
        "train/later-steps", "sample/two-layers", "random/gauss-many", "math/example")  # fmt: skip


@pytest.mark.parametrize("case", SOME)
def test_functions_that_are_four_ulps_off_are_within(case: str):
    source = random.Random(5)
    move = spread.by_one_ulp(source)
    with spread.functions(spread.Moved(lambda x: move(move(move(move(x)))))):
        found = judged(case)
    assert found.agrees, found.first
    assert found.different > 0
    assert 0.0 < found.worst_share <= 1.0


def in_float32(x: float) -> float:
    return struct.unpack("f", struct.pack("f", x))[0] if abs(x) < 1e38 else x


@pytest.mark.parametrize("case", SOME)
def test_functions_in_float32_are_outside(case: str):
    with spread.functions(spread.Moved(in_float32)):
        found = judged(case)
    assert found.first is not None
    assert found.first.bound


def test_no_bias_correction_is_outside(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(microgpt.Optimizer, "corrections", lambda self, step: (1.0, 1.0))
    found = judged("adam/seed-step-250").first
    assert found is not None and found.checkpoint == "correction1"


def test_epsilon_inside_the_root_is_outside(monkeypatch: pytest.MonkeyPatch):
    def update(self, step, ps, gs, ms, vs):
        rate = self.rate(step)
        one, two = self.corrections(step)
        for p, g, m, v in zip(ps, gs, ms, vs, strict=True):
            m = self.beta1 * m + (1.0 - self.beta1) * g
            v = self.beta2 * v + (1.0 - self.beta2) * (g * g)
            yield p - rate * (m / one) / math.sqrt(v / two + self.epsilon), m, v

    monkeypatch.setattr(microgpt.Optimizer, "update", update)
    found = judged("adam/seed-step-250").first
    assert found is not None and found.checkpoint.startswith("parameters")
    assert f"{FACTOR} times the spread" in found.bound


def test_a_fused_multiply_add_is_outside_because_arithmetic_must_be_exact():
    case = find_case("arith/muladd-fused")
    key, word = case.golden.lines[0].split(" ")
    found = compare_within(case.request, case.golden, with_line(case.golden, 0, f"{key} {up(word, 1)}")).first
    assert found is not None and "every bit" in found.bound


def test_sixteen_ulps_of_a_function_are_within_and_seventeen_are_not():
    case = find_case("math/example")
    key, word = case.golden.lines[0].split(" ")
    for ulps, agrees in ((FACTOR, True), (FACTOR + 1, False)):
        reply = with_line(case.golden, 0, f"{key} {up(word, ulps)}")
        assert compare_within(case.request, case.golden, reply).agrees is agrees


@pytest.mark.parametrize("call", ["exp 0000000000000000", f"pow {ONE} 4008000000000000", f"log {ONE}"])
def test_a_result_that_ieee_754_fixes_must_be_exact(call: str):
    request = Request("math", "fixed", ("math exact", call))
    golden = answer(request)
    key, word = golden.lines[0].split(" ")
    assert not compare_within(request, golden, with_line(golden, 0, f"{key} {up(word, 1)}")).agrees


@pytest.mark.parametrize("word", [NAN, INF])
def test_nan_and_infinity_never_pass_for_a_number(word: str):
    case = find_case("forward/example")
    last = len(case.golden.lines) - 1
    assert not compare_within(case.request, case.golden, with_line(case.golden, last, f"loss {word}")).agrees


def test_a_token_and_the_generator_must_be_exact():
    case = find_case("sample/example")
    for line in ("token", "word"):
        number = next(i for i, text in enumerate(case.golden.lines) if text.startswith(line))
        changed = f"{line} {int(case.golden.lines[number].split(' ')[1]) ^ 1}"
        first = compare_within(case.request, case.golden, with_line(case.golden, number, changed)).first
        assert first is not None and first.kind == "text"


def test_a_checksum_without_tensors_is_not_judged_but_counted():
    case = find_case("train/high-rate")
    number = next(i for i, text in enumerate(case.golden.lines) if text.startswith("gradients "))
    reply = with_line(case.golden, number, "gradients 00000000 00000000")
    found = compare_within(case.request, case.golden, reply)
    assert found.agrees and found.different == 2


def test_a_checksum_must_be_that_of_the_tensors_that_follow_it():
    case = find_case("train/example")
    numbers = [i for i, text in enumerate(case.golden.lines) if text.startswith("m ")]
    reply = with_line(case.golden, numbers[1], "m 00000000 00000000")
    first = compare_within(case.request, case.golden, reply).first
    assert first is not None and first.checkpoint == "step 1: m"
    assert "same reply" in first.bound and first.line == numbers[1] + 2


def printed(text: str) -> str:
    return "print " + " ".join(str(ord(character)) for character in text)


def test_a_printed_loss_must_be_exact():
    case = find_case("run/example")
    line = "".join(chr(int(word)) for word in case.golden.lines[3].split(" ")[1:])
    before, _, loss = line.rpartition(" ")
    assert before == "step    1 /    2 | loss"
    for text in (f"{before} {float(loss) + 0.0001:.4f}", f"{before}  {loss}", before):
        assert not compare_within(case.request, case.golden, with_line(case.golden, 3, printed(text))).agrees


def test_a_run_whose_printed_loss_may_be_rounded_either_way_is_refused():
    lines = ["step 0", f"loss {hexadecimal(1.00005)}"]
    names = spread.quantities("run", lines)
    spread.check_printed(names, lines, {})
    spread.check_printed(names, ["step 0", f"loss {ONE}"], {"step 0: loss": 1e-12})
    with pytest.raises(ArithmeticError, match="step 0 loss"):
        spread.check_printed(names, lines, {"step 0: loss": 1e-12})


def test_an_error_must_be_an_error_within_a_tolerance_too():
    case = find_case("math/error-math-kind")
    assert compare_within(case.request, case.golden, Reply("x", False, "no such kind")).agrees
    assert not compare_within(case.request, case.golden, Reply("x", True, "", (f"exp {ONE}",))).agrees


# --- Functions of their own -------------------------------------------------------------------------------


def reference_session() -> Session:
    limits = Limits(request=60.0)
    return Session(
        lambda: LocalProcess(f"{sys.executable} -m reference conform", paths.root(), limits), limits
    )


def test_every_request_is_asked_for_in_native_and_wrong_ones_stay_wrong():
    assert in_native(find_case("adam/example").request).lines[0] == "math native"
    wrong = [case for case in ladder.robust() if not case.golden.ok and not case.request.raw]
    assert len(wrong) > 100
    for case in wrong:
        assert not answer(in_native(case.request)).ok, case.id


def test_the_library_of_this_python_is_within():
    with reference_session() as session:
        assert wants_native(session, "reference", True)
        session.translate = in_native
        results = [judge_case(session, find_case(case), None, compare_within) for case in SOME]
    assert [result.verdict for result in results] == ["agrees"] * len(SOME)
    assert sum(result.different for result in results) > 0


class Hello:
    """A session with a port that says only hello."""

    def __init__(self, kinds: str) -> None:
        self.kinds = kinds

    def ask(self, request: Request) -> Reply:
        return Reply(request.id, True, "", ("name p", "protocol 1", "verbs hello", f"math {self.kinds}"))


def test_a_port_without_exact_functions_is_asked_for_its_own():
    assert wants_native(Hello("native"), "p", False)  # type: ignore[arg-type]
    assert not wants_native(Hello("exact native"), "p", False)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="no functions of its own"):
        wants_native(Hello("exact"), "p", True)  # type: ignore[arg-type]


# --- The file and the table -------------------------------------------------------------------------------


def test_the_tolerances_are_those_of_the_ladder_as_it_is(capsys: pytest.CaptureFixture[str]):
    assert tolerance.check(load(), tolerance.judged_cases()) == 0, capsys.readouterr().out


def test_a_case_that_has_changed_makes_them_stale(capsys: pytest.CaptureFixture[str]):
    known = load()
    other = Bounds(known.runs, known.seed, {**known.digests, "adam/example": "0" * 16}, known.spreads)
    assert tolerance.check(other, tolerance.judged_cases()) == 1
    assert "adam/example" in capsys.readouterr().out


@pytest.mark.parametrize("case", ["graph/softmax-by-hand", "adam/seed-step-250", "forward/example"])
def test_measuring_again_gives_what_the_file_holds(case: str):
    found, known = find_case(case), load()
    assert (
        spread.spread_of(found.request, found.golden, known.runs, known.seed)
        == (known.spreads[known.digests[case]])
    )


def test_what_is_not_in_the_file_is_measured_when_it_is_needed():
    case = find_case("adam/example")
    other = replace(case.request, id="another")
    golden = answer(other)
    number = next(i for i, line in enumerate(golden.lines) if line.startswith("correction2"))
    key, word = golden.lines[number].split(" ")
    assert compare_within(other, golden, with_line(golden, number, f"{key} {up(word, 1)}")).agrees
    assert not compare_within(other, golden, with_line(golden, number, f"{key} {up(word, 1 << 20)}")).agrees


def test_no_spread_is_unlimited():
    assert all(math.isfinite(moved) for measured in load().spreads.values() for moved in measured.values())


def test_distances_are_absolute_and_know_nan():
    assert spread.distance(NAN, "fff0000000000001") == 0.0
    assert spread.distance(NAN, ONE) == math.inf
    assert spread.distance(ONE, up(ONE, 1)) == 2.0**-52
    assert ulps_between(ONE, up(ONE, 1)) == 1 and double_of(ONE) == 1.0
