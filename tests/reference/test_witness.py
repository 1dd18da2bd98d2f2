"""The reference computes what the original program computed: reference/witness/ holds the original's figures.

Every printed line, and at every step the bits of the loss and the checksums of gradients, m, v and
parameters. The reference needs more than two minutes for the 1,000 steps. So the C port runs all of them, and
the reference confirms steps that a hash chooses, each from the port's own tensors. The tests marked `long`
let the reference run alone, and are left out unless pytest is given --long.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from conformance import ladder
from conformance.cases.case import config_lines, line, matrix_lines, optimizer_lines
from conformance.doubles import double_of
from conformance.messages import Request
from harness.build import manifest, runners
from harness.run.limits import Limits
from harness.run.session import Session
from reference import microgpt
from reference.app.dataset import GARDEN
from reference.protocol.wire import checksum, hexadecimal

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("witness")]  # they share what the port computes
WITNESS = GARDEN.parent.parent / "witness"
PRINTED = (WITNESS / "printed.txt").read_text().splitlines()
NAMES = GARDEN.read_text().splitlines()
CLASSIC = microgpt.PRESETS["classic"]
FIRST = 5
"""Steps that the reference computes from the beginning."""


@dataclass(frozen=True)
class Step:
    """What one step computes: the bits of its loss, and four checksums."""

    loss: str
    gradients: str
    m: str
    v: str
    parameters: str


def read() -> list[Step]:
    found = []
    for number, text in enumerate((WITNESS / "steps.txt").read_text().splitlines()):
        step, loss, *sums = text.split()
        assert int(step) == number and sums[::3] == ["g", "m", "v", "p"]
        found.append(Step(loss, *(f"{a} {b}" for a, b in zip(sums[1::3], sums[2::3], strict=True))))
    return found


ORIGINAL = read()
SEED = hashlib.sha256(repr(ORIGINAL).encode()).hexdigest()
CONFIRMED = sorted(random.Random(SEED).sample(range(1, 1000), 6))
"""Steps, from 0, that the reference computes from the port's tensors: others when the figures change."""


def started() -> microgpt.Run:
    return microgpt.Run(CLASSIC, NAMES)


def tokens(run: microgpt.Run) -> list[list[int]]:
    """The document of each step."""
    return [run.tokenizer.encode(run.documents[step % len(run.documents)]) for step in range(len(ORIGINAL))]


def advance(training: microgpt.Training, document: Sequence[int]) -> Step:
    loss, gradients = training.advance(document)
    parameters = [value.data for value in microgpt.flatten(training.parameters)]
    return Step(hexadecimal(loss), *map(checksum, (gradients, training.m, training.v, parameters)))


# ---------------------------------------------------------------- the figures


def test_the_figures_are_a_whole_run_and_fit_each_other():
    assert len(ORIGINAL) == 1000 and len(PRINTED) == 3 + 1000 + 1 + CLASSIC.samples
    for step, text in zip(ORIGINAL, PRINTED[3:], strict=False):
        assert text.endswith(f"loss {double_of(step.loss):.4f}")


def test_the_golden_run_prints_what_the_original_printed_and_ends_where_it_ended():
    """The golden trace is the reference's own reply, which `make golden-check` computes again."""
    case = ladder.find_case("run/long-classic-garden")
    lines = [text.partition(" ") for text in case.golden.lines]
    printed = ["".join(map(chr, map(int, rest.split()))) for key, _, rest in lines if key == "print"]
    assert [text for text in printed if text] == PRINTED
    sums = {key: rest for key, _, rest in lines if key in ("m", "v", "parameters")}
    assert sums == {name: getattr(ORIGINAL[-1], name) for name in ("m", "v", "parameters")}


# ---------------------------------------------------------------- the reference from the beginning


def test_the_first_steps_have_the_original_s_bits():
    run = started()
    found = [advance(run.training, document) for document in tokens(run)[:FIRST]]
    assert found == ORIGINAL[:FIRST]


@pytest.mark.parametrize("kind", ["native", "exact"])
def test_the_first_lines_are_those_that_the_original_printed(kind: str):
    microgpt.use_math(kind)
    assert list(itertools.islice(started().text(), 3 + FIRST)) == PRINTED[: 3 + FIRST]


@pytest.mark.long
def test_every_line_is_the_one_that_the_original_printed_with_native_functions():
    microgpt.use_math("native")
    assert list(filter(None, started().text())) == PRINTED


@pytest.mark.long
def test_every_step_has_the_original_s_bits():
    run = started()
    for number, document in enumerate(tokens(run)):
        assert advance(run.training, document) == ORIGINAL[number], f"step {number}"


# ---------------------------------------------------------------- every step


@dataclass(frozen=True)
class State:
    """All numbers between two steps, in the order of `flatten`."""

    parameters: list[float]
    m: list[float]
    v: list[float]


def read_reply(lines: Sequence[str]) -> tuple[list[Step], dict[int, State]]:
    """The steps of a reply to `train`, and the numbers after those whose tensors it holds."""
    sums: list[dict[str, str]] = []
    tensors: dict[int, dict[str, list[float]]] = {}
    into: list[float] = []
    for key, _, rest in (text.partition(" ") for text in lines):
        if key == "step":
            sums.append({})
        elif key == "tensor":
            kind = rest.partition(".")[0]
            into = tensors.setdefault(len(sums) - 1, {}).setdefault(kind, [])
        elif key == "row":
            into.extend(map(double_of, rest.split()))
        else:
            sums[-1][key] = rest
    states = {step: State(found["parameters"], found["m"], found["v"]) for step, found in tensors.items()}
    return [Step(**found) for found in sums], states


@pytest.fixture(scope="module")
def by_port() -> tuple[list[Step], dict[int, State]]:
    """All steps as the C port computes them, and its numbers before each step to be confirmed."""
    if shutil.which("gcc") is None:
        pytest.skip("left out, since it builds the C port: apt-get install gcc libc6-dev")
    run = started()
    config, parameters = run.training.config, run.training.parameters
    matrices = {name: [[value.data for value in row] for row in rows] for name, rows in parameters.items()}
    request = Request(
        "train",
        "witness",
        (
            *config_lines(config),
            *optimizer_lines(CLASSIC.optimizer),
            line("from", 0),
            line("count", len(ORIGINAL)),
            line("full", *(step - 1 for step in CONFIRMED)),
            *(line("tokens", *document) for document in tokens(run)),
            *matrix_lines(matrices),
        ),
    )
    limits = Limits()
    runner = runners.runner("local", limits)
    runner.prepare(manifest.load("c"))
    with Session(runner.launch, limits) as session:
        reply = session.ask(request)
    assert reply.ok, reply.reason
    return read_reply(reply.lines)


def test_every_step_of_the_c_port_has_the_original_s_bits(by_port: tuple[list[Step], dict[int, State]]):
    found, _ = by_port
    assert found == ORIGINAL


@pytest.mark.parametrize("number", CONFIRMED)
def test_the_reference_confirms_steps_chosen_by_hash(
    number: int, by_port: tuple[list[Step], dict[int, State]]
):
    before = by_port[1][number - 1]
    run = started()
    training = run.training
    for value, number_before in zip(microgpt.flatten(training.parameters), before.parameters, strict=True):
        value.data = number_before
    training.m, training.v, training.step = before.m, before.v, number
    assert advance(training, tokens(run)[number]) == ORIGINAL[number]
