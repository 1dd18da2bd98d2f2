"""Claims about tracing: a planted mistake in a training is traced to the first quantity that it spoils."""

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest

from conformance import ladder
from conformance.messages import Reply, Request, golden_of
from harness.explain.trace import Finding, trace
from harness.judge.compare import compare
from harness.run.limits import Limits
from reference import microgpt
from reference.microgpt import Optimizer, Training, Value, add_up


class Mistaken:
    """A session with the reference, which has one mistake while it answers."""

    limits = Limits()

    def __init__(self, target: object, name: str, mistake: object) -> None:
        self._patch = (target, name, mistake)

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        with patch.object(*self._patch):
            return golden_of(request)


def traced(session: Mistaken, case_name: str) -> Finding:
    case = ladder.find_case(case_name)
    found = compare(case.request, case.golden, session.ask(case.request))
    assert found.first is not None, "the mistake does not show in this case"
    finding = trace(session, case.request, found.first)  # type: ignore[arg-type]
    assert finding is not None
    return finding


def norm_with_epsilon_outside(x: list[Value]) -> list[Value]:
    scale = (add_up(xi * xi for xi in x) / float(len(x))) ** -0.5 + 1e-5
    return [xi * scale for xi in x]


def backward_in_order_of_creation(real: Callable[[Value], None]) -> Callable[[Value], None]:
    def backward(self: Value) -> None:
        swapped: list[Value] = []
        stack = [self]
        while stack:  # children from right to left: another depth-first order, still topological
            node = stack.pop()
            if not node.visited and len(node.children) == 2:
                node.visited = True
                swapped.append(node)
                stack.extend(node.children)
        for node in swapped:
            node.visited = False
            node.children = node.children[::-1]
            node.local_grads = node.local_grads[::-1]
        real(self)

    return backward


def test_a_wrong_activation_is_traced_to_the_first_one():
    finding = traced(Mistaken(microgpt, "rmsnorm", norm_with_epsilon_outside), "train/two-layers")
    assert finding.request.verb == "forward"
    assert finding.difference.checkpoint == "pos0.normed[0]"


def test_another_order_of_accumulation_is_traced_to_a_gradient():
    mistake = backward_in_order_of_creation(Value.backward)
    finding = traced(Mistaken(Value, "backward", mistake), "train/two-layers")
    assert finding.request.verb == "backward"
    assert finding.difference.kind == "value"
    assert "the activations of step 0 are right" in finding.sentence


def without_correction(self: Optimizer, step: int) -> tuple[float, float]:
    return 1.0, 1.0


def test_a_wrong_update_is_traced_to_the_parameters():
    finding = traced(Mistaken(Optimizer, "corrections", without_correction), "train/to-the-end")
    assert finding.request.verb == "train"
    assert finding.difference.checkpoint.startswith("step 0: parameters")
    assert "its update is not" in finding.sentence


def test_a_mistake_that_shows_late_is_traced_to_its_step():
    real = Optimizer.rate

    def rate(self: Optimizer, step: int) -> float:
        return real(self, step) if step < 6 else real(self, step + 1)

    finding = traced(Mistaken(Optimizer, "rate", rate), "train/classic-preset")
    assert "step 6" in finding.sentence
    assert finding.request.id.endswith("step-6")


def test_what_is_carried_over_between_steps_is_said_to_be_so():
    real = Training.advance

    def advance(self: Training, tokens: list[int]) -> tuple[float, list[float]]:
        if self.step >= 3 and hasattr(self, "loss_before"):
            self.m = [m + 1e-9 for m in self.m]
        found = real(self, tokens)
        self.loss_before = found[0]  # type: ignore[attr-defined]
        return found

    finding = traced(Mistaken(Training, "advance", advance), "train/to-the-end")
    assert "carried over" in finding.sentence
    assert any(line == "full 3" for line in finding.request.lines)


def test_a_run_is_traced_through_its_training():
    finding = traced(Mistaken(microgpt, "rmsnorm", norm_with_epsilon_outside), "run/one-step")
    assert finding.request.verb == "forward"


def test_a_run_whose_training_is_right_cannot_be_narrowed():
    real = microgpt.sample

    def sample(*arguments: object) -> list[int]:
        return real(*arguments)[:1]  # type: ignore[arg-type]

    case = ladder.find_case("run/seed-a-few-names")
    session = Mistaken(microgpt, "sample", sample)
    found = compare(case.request, case.golden, session.ask(case.request))
    assert found.first is not None
    assert found.first.checkpoint.startswith("print[")
    assert trace(session, case.request, found.first) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", ["seed", "classic"])
def test_every_mistake_in_the_optimizer_shows_in_both_presets(preset: str):
    optimizer = microgpt.PRESETS[preset].optimizer
    other = replace(optimizer, epsilon=0.0)
    golden = list(optimizer.update(0, [0.1], [0.01], [0.0], [0.0]))
    assert list(other.update(0, [0.1], [0.01], [0.0], [0.0])) != golden
