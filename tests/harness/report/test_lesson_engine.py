"""Claims on the lesson's engine and language: the reference's bits and order. Node stands for the browser."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from lessons import STATIC, node

from harness.report.site import lesson
from reference import microgpt
from reference.app import expression, graph
from reference.app.layout import layout
from reference.app.refusal import Refusal
from reference.microgpt import Optimizer, Value, add_up, softmax
from reference.protocol.wire import hexadecimal

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs Node"),
]
ALL = (*lesson.EXAMPLES, *lesson.PARTS)
NAMES = [one.name for one in ALL]
LESSON = """
const { lesson } = await import('./steps.js');
const { Words } = await import('./words.js');
return given.map((text) => {
  const found = lesson(text);
  const place = new Map(found.nodes.map((one, i) => [one, i]));
  return {
    result: hex(found.result.data),
    values: found.nodes.map(({ data }) => hex(data)),
    grads: found.nodes.map(({ grad }) => hex(grad)),
    names: found.nodes.map((one) => found.names.get(one) ?? null),
    inputs: found.inputs.map(({ name, node }) => [name, hex(node.data), hex(node.grad)]),
    order: found.steps.filter(({ kind }) => kind === 'backward')
      .map(({ node, child, after }) => [place.get(node), place.get(child), hex(after)]),
    sentences: found.steps.map((step) => new Words(found).sentence(step)),
  };
});
"""
Written = list[tuple[Value, float]]


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Node makes of every example."""
    found = node(tmp_path_factory.mktemp("lesson"), LESSON, [one.text for one in ALL])
    return dict(zip(NAMES, found, strict=True))


def by_python(text: str) -> tuple[Value, dict[str, Value]]:
    """The result and the inputs of an example, run by Python itself with the reference's Value."""

    def tanh(x: Value) -> Value:
        e = (x * 2.0).exp()
        return (e - 1.0) / (e + 1.0)

    scope: dict[str, Any] = {name: getattr(Value, name) for name in ("exp", "log", "relu")}
    scope |= {"tanh": tanh, "sum": lambda *parts: add_up(parts), "max": lambda *v: max(x.data for x in v)}
    inputs, result = {}, Value(0.0)
    for line in text.splitlines():
        line = re.sub(r"(?<![\w.])(\d+)(?![\w.])", r"\1.0", line.partition("#")[0])  # Python's 2 is no double
        name, _, right = line.rpartition(" = ")
        if not right:
            continue
        result = eval(right, scope)
        if isinstance(result, float) and not right.startswith("max"):
            result = inputs[name] = Value(result)
        scope[name] = result
    return result, inputs


def post_order(result: Value) -> list[Value]:
    return list(expression.post_order(result))


@pytest.mark.parametrize("example", ALL, ids=NAMES)
def test_every_value_and_gradient_has_the_references_bits(example: lesson.Example, lessons: dict[str, Any]):
    result, inputs = by_python(example.text)
    result.backward()
    nodes, found = post_order(result), lessons[example.name]
    assert found["result"] == hexadecimal(result.data)
    assert found["values"] == [hexadecimal(node.data) for node in nodes]
    assert found["grads"] == [hexadecimal(node.grad) for node in nodes]
    assert found["inputs"] == [[name, hexadecimal(v.data), hexadecimal(v.grad)] for name, v in inputs.items()]


@pytest.mark.parametrize("example", ALL, ids=NAMES)
def test_backward_goes_in_the_references_order(
    example: lesson.Example, lessons: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """Each `child.grad +=` of the reference is noted as it happens."""
    result, _ = by_python(example.text)
    place = {node: i for i, node in enumerate(post_order(result))}
    written: Written = []
    slot = Value.__dict__["grad"]

    def note(node: Value, grad: float) -> None:
        written.append((node, grad))
        slot.__set__(node, grad)

    monkeypatch.setattr(Value, "grad", property(slot.__get__, note))
    result.backward()
    assert [[place[node], hexadecimal(grad)] for node, grad in written[1:]] == [
        [child, after] for _, child, after in lessons[example.name]["order"]
    ]


def test_the_neuron_and_micrograd_come_to_what_micrograd_prints(lessons: dict[str, Any]):
    """Figures of micrograd's README and of its first lecture."""
    result, inputs = by_python(next(one.text for one in ALL if one.name == "micrograd"))
    result.backward()
    assert [f"{x:.4f}" for x in (result.data, inputs["a"].grad, inputs["b"].grad)] == [
        "24.7041", "138.8338", "645.5773",
    ]  # fmt: skip
    said = lessons["neuron"]["sentences"]
    assert any("= 0.70711" in sentence for sentence in said)


def test_the_softmax_is_the_references(lessons: dict[str, Any]):
    scores = [Value(2.0), Value(1.0), Value(0.1)]
    loss = -softmax(scores)[1].log()
    loss.backward()
    assert lessons["softmax"]["result"] == hexadecimal(loss.data)
    grads = {name: grad for name, _, grad in lessons["softmax"]["inputs"]}
    assert [grads[name] for name in "abc"] == [hexadecimal(score.grad) for score in scores]


def test_the_head_is_the_references(lessons: dict[str, Any]):
    """`attend`, with one head of two numbers over two positions, of which one number is looked at."""
    config = microgpt.Config(1, 1, 2, 2, 3, "relu", microgpt.causal(2))
    q, first, second = ([Value(x) for x in pair] for pair in ((1.0, 0.5), (0.8, -0.4), (-0.3, 1.2)))
    values = [[Value(2.0), Value(0.0)], [Value(-1.0), Value(0.0)]]
    cache = microgpt.Cache([first, second], values)
    mixed = microgpt.attend(config, q, cache, (0, 1), "", microgpt.nothing)[0]
    mixed.backward()
    inputs = [*q, *first, *second, values[0][0], values[1][0]]
    assert lessons["attention"]["result"] == hexadecimal(mixed.data)
    assert [grad for _, _, grad in lessons["attention"]["inputs"]] == [hexadecimal(x.grad) for x in inputs]


@pytest.mark.parametrize("example", ALL, ids=NAMES)
def test_the_terminal_has_the_same_nodes_names_and_bits(example: lesson.Example, lessons: dict[str, Any]):
    found, read = lessons[example.name], expression.read(example.text)
    read.result.backward()
    assert [read.names.get(node) for node in read.nodes] == found["names"]
    assert [hexadecimal(node.grad) for node in read.nodes] == found["grads"]
    assert [hexadecimal(step.after) for step in graph.products(read)] == [
        after for *_, after in found["order"]
    ]


SHAPES = [
    [[], [], [0, 1], [2, 2], [0, 3], [1, 4]],
    [[], [0], [1], [2], [3], [0, 4], [], [5, 6]],
    [[] for _ in range(6)] + [[0, 5], [1, 4], [2, 3], [6, 7], [8, 0], [9, 10], [11, 2], [12, 1]],
]


def test_the_page_and_the_terminal_draw_the_same_picture(tmp_path: Path):
    shapes = list(SHAPES)
    for example in ALL:
        read = expression.read(example.text)
        place = {node: i for i, node in enumerate(node for node in read.nodes if not read.is_constant(node))}
        shapes.append([[place[child] for child in node.children if child in place] for node in place])
    program = "const { layout } = await import('./layout.js'); return given.map(layout);"
    for shape, there in zip(shapes, node(tmp_path, program, shapes), strict=True):
        here = layout(shape)
        assert there["places"] == [list(place) for place in here.places]
        assert there["edges"] == [[list(place) for place in edge] for edge in here.edges]
        assert (there["layers"], there["width"]) == (here.layers, here.width)


def test_no_two_boxes_of_a_picture_touch():
    for example in ALL:
        read = expression.read(example.text)
        place = {node: i for i, node in enumerate(node for node in read.nodes if not read.is_constant(node))}
        drawn = layout([[place[child] for child in node.children if child in place] for node in place])
        for i, (layer, position) in enumerate(drawn.places):
            for other, there in drawn.places[:i]:
                assert layer != other or abs(position - there) > 1 - 1e-9, example.name


RIGHT = {
    "a*b + c": ["a", "b", "c"],
    "2 * -a ** 2": ["a"],
    "c = a\nc + (b\n+ a)  # over two lines": ["a", "b"],
    "1 / a - 2 / 3 + .5e1": ["a"],
    "k = 1/3; k + log(2)": ["k"],
    "a ** -0.5 ** 2 ** 1": None,
    "a = 2; a = a*a; a = 3; a": ["a''"],
}
WRONG = {
    "": "there is no expression yet",
    "a $ b": "Character 3: “$” means nothing here.",
    "a^2": "Character 2: a power is written **",
    "2a": "Character 2: “a” follows without an operator",
    "a b": "Character 3: “b” follows without an operator",
    "(a + b": "Character 1: this parenthesis is never closed: add ).",
    "(a b)": "Character 4: “b” follows without an operator",
    "a + b)": "Character 6: this parenthesis was never opened",
    "a +": "Character 4: a name, a number or a parenthesis should stand here, before the end.",
    "a * / b": "Character 5: a name, a number or a parenthesis should stand here, before “/”.",
    "exp a": "Character 1: exp is a function and needs parentheses, as in exp(a).",
    "sin(a)": "Character 1: “sin” is not a function here; there are exp, log, relu, tanh, sum and max.",
    "exp(a, b)": "Character 1: exp takes one value, not 2.",
    "1,5 * a": "Character 2: a comma only stands between the values of sum",
    "a**b": "Character 2: the exponent has to be a plain number.",
    "a**0.3": "Character 4: the exponent has to be a whole or a half number up to 4096",
    "a**5000": "Character 4: the exponent has to be",
    "exp = 3": "Character 1: exp is a function; choose another name.",
    "a + b = c": "Character 7: only a single name can be given a value",
    "2 + 3": "there is no name in this, so nothing can change.",
    "a\n  b c": "Line 2, character 5: “c” follows without an operator",
    "+".join("a" * 250): "this makes 250 nodes; up to 200 can be drawn.",
}


def test_what_is_right_is_understood_by_both(tmp_path: Path):
    program = """
    const { run } = await import('./language.js');
    return given.map((text) => {
      try {
        const { result, inputs } = run(text);
        return { result: hex(result.data), inputs: inputs.map(({ name }) => name) };
      } catch (error) { return error.message; }
    });
    """
    for (text, inputs), found in zip(RIGHT.items(), node(tmp_path, program, list(RIGHT)), strict=True):
        if inputs is None:
            assert isinstance(found, str) and "exponent" in found, text
            with pytest.raises(Refusal, match="exponent"):
                expression.read(text)
            continue
        read = expression.read(text)
        assert found["inputs"] == inputs and list(read.inputs.values()) == inputs, text
        assert found["result"] == hexadecimal(read.result.data), text


def test_what_is_wrong_gets_a_sentence_with_its_place_and_the_terminal_refuses_it_as_well(tmp_path: Path):
    program = """
    const { ExpressionError, run } = await import('./language.js');
    return given.map((text) => {
      try { run(text); } catch (error) { return [error instanceof ExpressionError, error.message]; }
      return [false, 'it was understood'];
    });
    """
    for (text, right), (is_sentence, said) in zip(
        WRONG.items(), node(tmp_path, program, list(WRONG)), strict=True
    ):
        assert is_sentence and right in said and said.endswith("."), f"{text!r}: {said}"
        with pytest.raises(Refusal):
            expression.read(text)


def test_adams_step_is_the_references(tmp_path: Path):
    class Constant(Optimizer):
        def rate(self, step: int) -> float:
            return 0.2

    gradients = [1.5, -0.25, 3.0e-5, 0.0]
    program = """
    const { adam } = await import('./adam.js');
    let state = { p: 0.3, m: 0, v: 0 };
    return given.map((g, step) => {
      state = adam(step, { ...state, g });
      return [state.p, state.m, state.v].map(hex);
    });
    """
    optimizer = Constant(0.0, 0.9, 0.95, 1e-8, "linear", 1)
    state, expected = (0.3, 0.0, 0.0), []
    for step, g in enumerate(gradients):
        [state] = optimizer.update(step, [state[0]], [g], [state[1]], [state[2]])
        expected.append([hexadecimal(x) for x in state])
    assert node(tmp_path, program, gradients) == expected


def test_the_engine_that_is_shown_is_the_one_that_runs():
    source = (STATIC / f"{lesson.ENGINE}.js").read_text()
    shown = [re.sub("<[^>]*>", "", line) for line in lesson.shown().lines]
    unescaped = "\n".join(shown).replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'")
    assert unescaped.replace("&quot;", '"').replace("&amp;", "&") == source.rstrip("\n")
    body = source.partition("exact.js';\n")[2].replace("export ", "")
    assert body in lesson.page_script()
    statements = [line for line in source.splitlines() if line.strip() not in ("", "}", "});")]
    assert len(statements) <= 45, "about thirty lines, and a few that say what they are for"
