"""Claims on `microgpt graph`: what it prints, draws and refuses. Its bits: see test_lesson_engine.py."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import refusal

from reference.__main__ import main
from reference.app import expression

PRINTED = """\
inputs
  a = 2.0
  b = -3.0

forward
  d = a * b = 2.0 * (-3.0) = -6.0
  v1 = exp(a) = exp(2.0) = 7.38905609893065
  result = d + v1 = (-6.0) + 7.38905609893065 = 1.3890560989306504

backward: d/d(child) += local * upstream
  dresult/dresult = 1.0
  d/dd += 1.0 * 1.0 = 1.0
  d/dv1 += 1.0 * 1.0 = 1.0
  d/da += 7.38905609893065 * 1.0 = 7.38905609893065
  d/da += (-3.0) * 1.0 = -3.0, with what was there 4.38905609893065
  d/db += 2.0 * 1.0 = 2.0

gradients
  dresult/da = 4.38905609893065
  dresult/db = 2.0
"""


def test_it_prints_each_step_forward_and_backward(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", "a = 2; b = -3; d = a*b; d + exp(a)"]) == 0
    assert capsys.readouterr() == (PRINTED, "")


def test_it_draws_every_node_but_constants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "graph.svg"
    text = "a = 2; b = -3; 2 * tanh(a*b) + a"
    assert main(["graph", text, "--svg", str(picture)]) == 0
    root = ElementTree.fromstring(picture.read_text())
    svg = "{http://www.w3.org/2000/svg}"
    boxes = root.findall(f"{svg}g")
    found = expression.read(text)
    found.result.backward()
    nodes = [node for node in found.nodes if not found.is_constant(node)]
    assert [box.findtext(f"{svg}text") for box in boxes] == [found.names[node] for node in nodes]
    assert [box.get("class") for box in boxes].count("input") == 2
    for box, node in zip(boxes, nodes, strict=True):
        texts = [text.text for text in box.findall(f"{svg}text")]
        assert (texts[3], texts[5]) == (f"{node.data:.5g}", f"{node.grad:.5g}")
    edges = sum(not found.is_constant(child) for node in nodes for child in node.children)
    assert len(root.findall(f"{svg}path")) == edges


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "the expression is empty: give one, such as 'a*b + c'"),
        ("a b", "character 3 of the expression: invalid syntax; write names, numbers"),
        ("x = 1\na +* b", "character 4 of line 2 of the expression"),
        ("a^2", "a power is written **, as in a**2, not ^"),
        ("sin(a)", "'sin' is not a function here: there are exp, log, relu, tanh, sum and max"),
        ("exp(a, b)", "exp takes one value, not 2"),
        ("exp", "exp is a function and needs parentheses, as in exp(a)"),
        ("a**b", "character 4 of the expression: the exponent has to be a plain number"),
        ("a**0.3", "the exponent has to be a whole or a half number up to 4096"),
        ("2 + 3", "the result has no name in it"),
        ("log(0)", "the result has no name in it"),
        ("-a", "an expression that begins with - goes after --, as in: microgpt graph -- '-a'"),
        ("a.real", "'a.real' is not understood"),
        ("__import__('os')", "'__import__' is not a function here"),
        ("exp = 2", "exp is a function: choose another name"),
        ("a = b = 2", "give a value to one name at a time"),
        ("a += 1", "only expressions and assignments such as 'd = a*b' are understood"),
        ("+".join("a" * 300), "the expression makes 300 nodes, up to 200 are shown"),
        ("+".join("a" * 9000), "the expression is nested too deeply"),
    ],
)
def test_what_is_wrong_gets_one_sentence(text: str, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert what in refusal(["graph", text], capsys)


def test_a_picture_that_cannot_be_written_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["graph", "a", "--svg", str(tmp_path)]) == 2
    assert re.search(r"cannot write the picture .*: Is a directory$", capsys.readouterr().err.strip())
