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

pytestmark = pytest.mark.slow


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


def test_a_wrong_update_is_traced_to_the_level_adam_where_adam_disagrees():
    finding = traced(Mistaken(Optimizer, "corrections", without_correction), "train/to-the-end")
    assert finding.request.verb == "adam"
    assert finding.difference.checkpoint == "correction1"
    assert "its update is not: see the level adam" in finding.sentence


@pytest.mark.parametrize(
    ("method", "quantity"), [("ms", "the formula of Adam are right"), ("gs", "those of the step are not")]
)
def test_where_adam_agrees_the_sentence_follows_from_the_quantity(method: str, quantity: str):
    """Training hands wrong numbers to a right formula."""
    real = Training.advance

    def advance(self: Training, tokens: list[int]) -> tuple[float, list[float]]:
        if method == "ms":
            self.m = [m + 1e-3 for m in self.m]
        loss, gradients = real(self, tokens)
        return loss, gradients if method == "ms" else [2.0 * g for g in gradients]

    finding = traced(Mistaken(Training, "advance", advance), "train/to-the-end")
    assert finding.request.verb == "train"
    assert "see the level adam" not in finding.sentence
    assert quantity in finding.sentence
    assert finding.difference.kind == "value" and "[" in finding.difference.checkpoint


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
    assert "the moments are not kept from step to step" in finding.sentence
    assert finding.difference.checkpoint.startswith("step 3: m.wte[")


class Leftover(Mistaken):
    """A session whose mistake does not show in a request of one step."""

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        return golden_of(request) if "count 1" in request.lines else super().ask(request, timeout)


def test_of_a_first_step_it_is_not_said_that_others_came_before():
    real = Training.start

    def start(*arguments: object) -> Training:
        training = real(*arguments)  # type: ignore[arg-type]
        training.m = [1e-3 for _ in training.m]
        return training

    finding = traced(Leftover(Training, "start", start), "train/to-the-end")
    assert "memory that is read before it is written" in finding.sentence
    assert "after the steps before" not in finding.sentence
    assert finding.difference.checkpoint.startswith("step 0: m.wte[")


def test_a_run_is_traced_through_its_training():
    finding = traced(Mistaken(microgpt, "rmsnorm", norm_with_epsilon_outside), "run/one-step")
    assert finding.request.verb == "forward"


def test_a_run_whose_training_is_right_says_so_and_where_to_look():
    real = microgpt.sample

    def sample(*arguments: object) -> list[int]:
        for _ in range(5):
            arguments[3].random()  # type: ignore[attr-defined]
        return real(*arguments)  # type: ignore[arg-type]

    case = ladder.find_case("run/example")
    session = Mistaken(microgpt, "sample", sample)
    found = compare(case.request, case.golden, session.ask(case.request))
    assert found.first is not None
    assert found.first.checkpoint.startswith("print[")
    finding = trace(session, case.request, found.first)  # type: ignore[arg-type]
    assert finding is not None
    assert "training is right when it is asked for as train" in finding.sentence
    assert "look at the sampling" in finding.sentence


class Misprinted(Mistaken):
    """Only runs are wrong: what the reference has is changed in the reply."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self._change = change

    def ask(self, request: Request, timeout: float | None = None) -> Reply:
        reply = golden_of(request)
        if request.verb != "run":
            return reply
        return replace(reply, lines=tuple(map(self._printed, reply.lines)))

    def _printed(self, line: str) -> str:
        key, *words = line.split(" ")
        if key != "print":
            return line
        text = self._change("".join(chr(int(word)) for word in words))
        return " ".join([key, *(str(ord(character)) for character in text)])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("loss 1", "loss  1"), "the loss is the same, the text around it is not"),
        (
            lambda text: text.replace("num docs", "documents"),
            "line 1 is not: look at how documents are counted",
        ),
        (lambda text: f"{text[:-1]}" if "sample" in text else text, "how a sample is decoded and printed"),
    ],
)
def test_a_fault_of_printing_is_called_so(change: Callable[[str], str], said: str):
    assert said in traced(Misprinted(change), "run/example").sentence


def test_the_order_of_documents_is_read_off_the_printed_losses():
    real = microgpt.Run.losses

    def from_the_end(self: microgpt.Run) -> object:
        self.documents = self.documents[::-1]
        return real(self)

    finding = traced(Mistaken(microgpt.Run, "losses", from_the_end), "run/example")
    assert "the drawn parameters are right, the order of documents is not" in finding.sentence


def test_wrong_parameters_are_told_from_a_wrong_order():
    real = microgpt.draw_parameters

    def flat(*arguments: object) -> microgpt.Parameters:
        drawn = real(*arguments)  # type: ignore[arg-type]
        for row in drawn["wpe"]:
            for value in row:
                value.data *= 3.0
        return drawn

    class OnlyRuns(Mistaken):
        def ask(self, request: Request, timeout: float | None = None) -> Reply:
            return super().ask(request) if request.verb == "run" else golden_of(request)

    finding = traced(OnlyRuns(microgpt, "draw_parameters", flat), "run/example")
    assert "look at the drawn parameters" in finding.sentence


@pytest.mark.parametrize("preset", ["seed", "classic"])
def test_every_mistake_in_the_optimizer_shows_in_both_presets(preset: str):
    optimizer = microgpt.PRESETS[preset].optimizer
    other = replace(optimizer, epsilon=0.0)
    golden = list(optimizer.update(0, [0.1], [0.01], [0.0], [0.0]))
    assert list(other.update(0, [0.1], [0.01], [0.0], [0.0])) != golden
