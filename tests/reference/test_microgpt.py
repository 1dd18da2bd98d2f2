"""Claims on the reference itself: its size, its derivatives, its order of evaluation, its random numbers."""

import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FunctionType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import microgpt
from reference.microgpt import PRESETS, Config, Generator, Optimizer, Run, Tokenizer, Training, Value

ROOT = Path(__file__).parents[2]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def short(name: str, steps: int, samples: int = 20) -> microgpt.Preset:
    preset = PRESETS[name]
    return replace(preset, optimizer=replace(preset.optimizer, steps=steps), samples=samples)


# ---------------------------------------------------------------- size


@pytest.mark.parametrize(("preset", "count"), [("seed", 4064), ("classic", 4192)])
def test_26_letters_make_the_known_number_of_parameters(preset: str, count: int) -> None:
    run = Run(PRESETS[preset], [LETTERS])
    assert len(microgpt.flatten(run.training.parameters)) == count
    assert sum(rows * columns for _, rows, columns in run.training.config.matrices()) == count


def test_a_value_has_fifteen_methods() -> None:
    assert sum(isinstance(member, FunctionType) for member in vars(Value).values()) == 15


# ---------------------------------------------------------------- autograd

OPERATIONS: dict[str, tuple[Callable[..., Value], tuple[float, ...]]] = {
    "a + b": (lambda a, b: a + b, (0.7, -1.3)),
    "a + 2": (lambda a: a + 2.0, (0.7,)),
    "2 + a": (lambda a: 2.0 + a, (0.7,)),
    "a * b": (lambda a, b: a * b, (0.7, -1.3)),
    "a * 3": (lambda a: a * 3.0, (0.7,)),
    "3 * a": (lambda a: 3.0 * a, (0.7,)),
    "-a": (lambda a: -a, (0.7,)),
    "a - b": (lambda a, b: a - b, (0.7, -1.3)),
    "a - 2": (lambda a: a - 2.0, (0.7,)),
    "2 - a": (lambda a: 2.0 - a, (0.7,)),
    "a / b": (lambda a, b: a / b, (0.7, -1.3)),
    "a / 3": (lambda a: a / 3.0, (0.7,)),
    "3 / a": (lambda a: 3.0 / a, (0.7,)),
    "a ** 3": (lambda a: a**3.0, (-1.3,)),
    "a ** -0.5": (lambda a: a**-0.5, (0.7,)),
    "a ** 0": (lambda a: a**0.0, (0.7,)),
    "log a": (lambda a: a.log(), (0.7,)),
    "exp a": (lambda a: a.exp(), (-1.3,)),
    "relu a, positive": (lambda a: a.relu(), (0.7,)),
    "relu a, negative": (lambda a: a.relu(), (-1.3,)),
    "a * a": (lambda a: a * a, (0.7,)),
    "a / a + a": (lambda a: a / a + a, (0.7,)),
    "a shared graph": (lambda a, b: ((a * b).exp() + a) * ((a * b).exp() - b).log(), (0.7, 0.2)),
    "a sum": (lambda a, b: microgpt.add_up([a, b, a, a * b]), (0.7, -1.3)),
    "softmax": (lambda a, b: microgpt.softmax([a, b, a * b])[1], (0.7, -1.3)),
    "rmsnorm": (lambda a, b: microgpt.rmsnorm([a, b, a * b])[2], (0.7, -1.3)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_gradient_is_the_slope_that_central_differences_see(name: str) -> None:
    function, arguments = OPERATIONS[name]
    step = 2.0**-17
    leaves = [Value(x) for x in arguments]
    function(*leaves).backward()
    for i, leaf in enumerate(leaves):
        above, below = (
            [Value(x + sign * step * (i == j)) for j, x in enumerate(arguments)] for sign in (1, -1)
        )
        slope = (function(*above).data - function(*below).data) / (2.0 * step)
        assert leaf.grad == pytest.approx(slope, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("number", [0.0, -0.0, math.nan, -1.0])
def test_relu_is_plus_zero_and_flat_unless_its_argument_is_positive(number: float) -> None:
    leaf = Value(number)
    result = leaf.relu()
    result.backward()
    assert math.copysign(1.0, result.data) == 1.0 and (result.data, leaf.grad) == (0.0, 0.0)


def test_a_gradient_is_added_to_what_is_there() -> None:
    leaf = Value(3.0)
    leaf.grad = 10.0
    (leaf * 2.0).backward()
    (leaf * 2.0).backward()
    assert leaf.grad == 14.0


def test_a_graph_can_be_run_backward_again() -> None:
    leaf = Value(3.0)
    root = (leaf * leaf).exp()
    root.backward()
    first = leaf.grad
    for node in (leaf, root, *root.children):
        node.grad = 0.0
    root.backward()
    assert leaf.grad == first


def test_a_chain_of_100_000_nodes_is_not_too_deep() -> None:
    leaf = Value(1.0)
    node = leaf
    for _ in range(100_000):
        node = node + 1.0
    node.backward()
    assert (node.data, leaf.grad) == (100_001.0, 1.0)


def test_gradients_add_up_in_the_reverse_of_the_depth_first_post_order() -> None:
    """The leaf gets 1e16, 1 and -1e16. In the reverse of the order of creation, they would add up to 0."""

    def gradient(root: Callable[[Value, Value, Value], Value]) -> float:
        leaf = Value(1.0)
        root(leaf * -1e16, leaf * 1.0, leaf * 1e16).backward()
        return leaf.grad

    assert gradient(lambda first, second, third: (second + first) + third) == (1e16 - 1e16) + 1.0
    assert gradient(lambda first, second, third: second + (third + first)) == (-1e16 + 1e16) + 1.0
    assert gradient(lambda first, second, third: (third + second) + first) == (-1e16 + 1.0) + 1e16


def test_a_sum_starts_with_x0_plus_0_which_turns_minus_zero_around() -> None:
    leaf = Value(-0.0)
    total = microgpt.add_up([leaf])
    assert math.copysign(1.0, total.data) == 1.0
    assert total.children[0] is leaf and total.children[1].data == 0.0


def test_a_sum_runs_from_the_left() -> None:
    assert microgpt.add_up(map(Value, (1.0, 1e16, -1e16))).data == 0.0
    assert microgpt.add_up(map(Value, (1e16, -1e16, 1.0))).data == 1.0


# ---------------------------------------------------------------- tokenizer


def test_tokens_are_the_distinct_characters_by_code_point_and_bos_stands_on_both_sides() -> None:
    tokenizer = Tokenizer.of(["ba", "\U0001f600é", "ab"])
    assert tokenizer.characters == ("a", "b", "é", "\U0001f600")
    assert (tokenizer.bos, tokenizer.vocabulary) == (4, 5)
    assert tokenizer.encode("bé") == [4, 1, 2, 4]
    assert tokenizer.decode([1, 2]) == "bé"


def test_documents_are_stripped_of_ascii_white_space_only() -> None:
    assert microgpt.documents_of([" a\t", "\v\f\r", "", "\x1cb\x85", "\xa0"]) == ["a", "\x1cb\x85", "\xa0"]


# ---------------------------------------------------------------- random numbers


class Twister:
    """MT19937 and what is made of it, after section 3 of SPEC.md: our own, to hold the generator against."""

    def __init__(self, seed: int) -> None:
        mt = [19650218]
        for i in range(1, 624):
            mt.append((1812433253 * (mt[i - 1] ^ (mt[i - 1] >> 30)) + i) % 2**32)
        i = 1
        for factor, count, sign in ((1664525, 624, 1), (1566083941, 623, -1)):
            for _ in range(count):
                term = seed if sign == 1 else -i
                mt[i] = ((mt[i] ^ ((mt[i - 1] ^ (mt[i - 1] >> 30)) * factor)) + term) % 2**32
                i += 1
                if i == 624:
                    mt[0], i = mt[623], 1
        mt[0] = 2**31
        self.mt, self.index = mt, 624

    def word(self) -> int:
        mt = self.mt
        if self.index == 624:
            for i in range(624):
                y = (mt[i] & 2**31) | (mt[(i + 1) % 624] & 2**31 - 1)
                mt[i] = mt[(i + 397) % 624] ^ (y >> 1) ^ (2567483615 if y % 2 else 0)
            self.index = 0
        y = mt[self.index]
        self.index += 1
        y ^= y >> 11
        y ^= (y << 7) & 2636928640
        y ^= (y << 15) & 4022730752
        return y ^ (y >> 18)

    def random(self) -> float:
        a, b = self.word() >> 5, self.word() >> 6
        return (a * 67108864 + b) / 9007199254740992

    def below(self, n: int) -> int:
        while (word := self.word() >> (32 - n.bit_length())) >= n:
            pass
        return word

    def shuffle(self, items: list[int]) -> None:
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def choice(self, weights: Sequence[float]) -> int:
        cumulative = [weights[0]]
        for weight in weights[1:]:
            cumulative.append(cumulative[-1] + weight)
        u = self.random() * (cumulative[-1] + 0.0)
        return next((i for i, c in enumerate(cumulative[:-1]) if u < c), len(weights) - 1)


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 - 1])
def test_the_stream_is_the_one_that_the_specification_describes(seed: int) -> None:
    ours, described = Generator(seed), Twister(seed)
    assert [ours.getrandbits(32) for _ in range(1300)] == [described.word() for _ in range(1300)]
    assert [ours.random() for _ in range(700)] == [described.random() for _ in range(700)]
    for length in (0, 1, 2, 3, 64, 65, 1000):
        shuffled, expected = list(range(length)), list(range(length))
        ours.shuffle(shuffled)
        described.shuffle(expected)
        assert shuffled == expected
    for weights in ([1.0], [0.0, 1.0, 0.0], [0.1] * 10, [1e300, 1e-300, 1e300], [0.0, 5e-324, 0.0, 5e-324]):
        drawn = [ours.choices(range(len(weights)), weights=weights)[0] for _ in range(50)]
        assert drawn == [described.choice(weights) for _ in range(50)]


@pytest.mark.parametrize("kind", ["native", "exact"])
def test_gauss_gives_the_numbers_of_python_in_the_same_order(kind: str) -> None:
    """Cosine first, then the kept sine. Python's own come from the C library, so the last bit may differ."""
    microgpt.use_math(kind)
    ours, python = Generator(42), random.Random(42)
    for sigma in [1.0, 0.08, 0.02] * 300:
        assert ours.gauss(0.0, sigma) == pytest.approx(python.gauss(0.0, sigma), rel=4e-16, abs=1e-18)
    assert ours.getstate()[1] == python.getstate()[1]


def test_the_output_projections_start_at_zero_in_seed_without_moving_the_stream() -> None:
    runs = [Run(replace(PRESETS["seed"], output_sigma=sigma), ["ab"]) for sigma in (0.0, 0.02)]
    zero, drawn = (run.training.parameters for run in runs)
    assert runs[0].generator.getstate() == runs[1].generator.getstate()
    for name in zero:
        numbers, others = ([value.data for row in p[name] for value in row] for p in (zero, drawn))
        if name.endswith(("attn_wo", "mlp_fc2")):
            assert set(numbers) == {0.0} and 0.0 not in others
        else:
            assert numbers == others


# ---------------------------------------------------------------- training


@given(st.integers(1, 4096), st.data())
def test_the_rate_falls_from_the_learning_rate_to_almost_nothing(steps: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(0, steps - 1))
    for schedule, expected in (
        ("linear", 0.01 * (1.0 - step / steps)),
        ("cosine", 0.005 * (1.0 + math.cos(math.pi * step / steps))),
    ):
        optimizer = Optimizer(0.01, 0.9, 0.95, 1e-8, schedule, steps)
        assert optimizer.rate(0) == 0.01
        assert optimizer.rate(step) == pytest.approx(expected, rel=1e-12, abs=1e-18)
        assert 0.0 < optimizer.rate(step) <= 0.01


def test_the_first_update_moves_each_parameter_by_the_rate_against_its_gradient() -> None:
    """Corrected, m is g and v is g squared, so that m / sqrt(v) is the sign of g. For g = 0 nothing moves."""
    optimizer = Optimizer(0.01, 0.9, 0.95, 0.0, "linear", 10)
    updated = list(optimizer.update(0, [1.0] * 3, [5.0, -1e-3, 1e6], [0.0] * 3, [0.0] * 3))
    assert [p for p, _, _ in updated] == pytest.approx([0.99, 1.01, 0.99], rel=1e-14)
    optimizer = replace(optimizer, epsilon=1e-8)
    assert list(optimizer.update(0, [1.0], [0.0], [0.0], [0.0])) == [(1.0, 0.0, 0.0)]


@pytest.mark.slow
def test_training_learns_a_document_by_heart() -> None:
    config = Config(1, 2, 8, 6, 3, "relu", microgpt.causal(6))
    parameters = microgpt.draw_parameters(PRESETS["classic"], config, Generator(42))
    training = Training.start(config, Optimizer(0.05, 0.85, 0.99, 1e-8, "linear", 60), parameters)
    document = [2, 0, 1, 1, 0, 2]
    losses = [training.advance(document)[0] for _ in range(60)]
    assert losses[0] == pytest.approx(math.log(3), abs=0.2) and losses[-1] < 0.05
    assert microgpt.sample(config, parameters, 0.5, Generator(1)) == document[1:-1]


def test_steps_take_the_documents_in_turn() -> None:
    taken: list[list[int]] = []

    class Watched(Training):
        def advance(self, tokens: Sequence[int]) -> tuple[float, list[float]]:
            taken.append(list(tokens))
            self.step += 1
            return 0.0, []

    run = Run(short("seed", 7), ["a", "b", "c"])
    start = run.training
    run.training = Watched(start.config, start.optimizer, start.parameters, start.m, start.v)
    list(run.losses())
    assert taken[:3] == [run.tokenizer.encode(document) for document in run.documents]
    assert taken == (taken[:3] * 3)[:7]


def test_a_document_longer_than_the_block_is_cut_there() -> None:
    config = Config(1, 1, 2, 3, 3, "relu", microgpt.causal(3))
    parameters = microgpt.draw_parameters(PRESETS["classic"], config, Generator(1))
    losses = [
        microgpt.document_loss(config, parameters, tokens).data
        for tokens in ([2, 0, 1, 0], [2, 0, 1, 0, 1, 1, 2])
    ]
    assert losses[0] == losses[1]


def test_a_position_sees_only_what_the_attention_table_lists() -> None:
    """Position 2 does not attend to position 1, so that the token there changes nothing after itself."""
    table = ((0,), (0, 1), (0, 2))
    config = Config(1, 2, 4, 3, 4, "relu", table)
    parameters = microgpt.draw_parameters(PRESETS["classic"], config, Generator(1))

    def logits(tokens: Sequence[int], config: Config) -> list[list[float]]:
        caches = microgpt.empty_caches(config)
        steps = [microgpt.gpt(config, parameters, token, i, caches) for i, token in enumerate(tokens)]
        return [[logit.data for logit in step] for step in steps]

    first, second = logits([3, 0, 1], config), logits([3, 2, 1], config)
    assert first[0] == second[0] and first[1] != second[1] and first[2] == second[2]
    full = replace(config, attention=microgpt.causal(3))
    assert logits([3, 0, 1], full)[2] != logits([3, 2, 1], full)[2]


# ---------------------------------------------------------------- a whole run


def test_a_run_prints_in_the_format_of_the_original() -> None:
    lines = list(Run(short("classic", 2, samples=11), ["anna", "", " bob "]).text())
    assert lines[:3] == ["num docs: 2", "vocab size: 5", f"num params: {16 * (5 + 16 + 5 + 12 * 16)}"]
    assert lines[3].startswith("step    1 /    2 | loss ") and len(lines[3].split("loss ")[1]) == 6
    assert lines[5:7] == ["", "--- inference (new, hallucinated names) ---"]
    assert [line[:11] for line in lines[7:]] == [f"sample {i:2d}: " for i in range(1, 12)]


def test_a_dataset_without_documents_is_refused() -> None:
    with pytest.raises(ValueError, match="no documents"):
        Run(PRESETS["seed"], ["", " \t"])


@pytest.mark.slow
def test_the_bits_do_not_depend_on_the_hash_seed() -> None:
    code = """if True:
        from dataclasses import replace
        from reference import microgpt
        from reference.protocol import wire
        preset = microgpt.PRESETS["classic"]
        preset = replace(preset, optimizer=replace(preset.optimizer, steps=4), samples=3)
        run = microgpt.Run(preset, ["anna", "bob", "zoé", "maya"])
        for line in run.text():
            print(line)
        print(wire.checksum(value.data for value in microgpt.flatten(run.training.parameters)))
    """
    printed = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4294967295")
    ]
    assert printed[0] == printed[1] == printed[2] and printed[0].count(b"\n") == 13
