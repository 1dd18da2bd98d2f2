"""Claims about traces: every form is read, right ones agree, and the first wrong quantity is named."""

import json

import pytest

from harness.errors import ManifestError
from harness.explain.mutants import traced
from harness.judge.check import goldens, names, tracefile, traces
from harness.judge.check.engine import Engine
from harness.judge.check.setup import Setup
from reference import microgpt
from reference.protocol.wire import hexadecimal

SETUP = Setup("classic", microgpt.PRESETS["classic"], goldens.of_garden())
REFERENCE = Engine("reference")


@pytest.fixture(scope="module")
def values():
    """Initial parameters, and all of the first two steps."""
    run = SETUP.begin()
    init = traces.numbers(run.training.parameters)
    steps = goldens.train(REFERENCE, run, 2, [0, 1])
    found = {f"init.{name}": goldens.flat({name: rows}) for name, rows in init.items()}
    for number, step in enumerate(steps):
        found[f"step{number}.loss"] = [step.loss]
        for kind, reply in names.REPLY.items():
            for name, rows in step.tensors[reply].items():
                found[f"step{number}.{kind}.{name}"] = goldens.flat({name: rows})
    return found


def judged(text, explain=lambda *_: ()):
    data = text if isinstance(text, bytes) else text.encode()
    return traces.judge("it", data, goldens.Candidates([SETUP], lambda: REFERENCE), explain)


def lines(values, write=hexadecimal):
    return "".join(f"{name} {' '.join(map(write, numbers))}\n" for name, numbers in values.items())


@pytest.mark.parametrize("write", [hexadecimal, float.hex, repr, "{:.16e}".format])
def test_a_right_trace_is_bit_exact_in_every_notation(values, write):
    verdict = judged(lines(values, write))
    assert (verdict.agreement, verdict.agreed) == ("bit", len(values))
    assert "9 of 9 initial matrices, loss of 2 steps, 18 of 18 gradients of 2 steps" in verdict.seen


def test_json_lines_are_read_in_both_forms(values):
    one = "".join(json.dumps({"name": name, "values": numbers}) + "\n" for name, numbers in values.items())
    other = "".join(json.dumps({name: numbers}) + "\n" for name, numbers in values.items())
    assert judged(one).agreement == judged(other).agreement == "bit"


def test_arrays_are_read(values, tmp_path):
    numpy = pytest.importorskip("numpy")
    save = pytest.importorskip("safetensors.numpy").save
    arrays = {name: numpy.array(numbers) for name, numbers in values.items()}
    numpy.savez(tmp_path / "it.npz", **arrays)
    assert judged((tmp_path / "it.npz").read_bytes()).agreement == "bit"
    assert judged(save(arrays)).agreement == "bit"
    singles = {name: array.astype(numpy.float32) for name, array in arrays.items()}
    verdict = judged(save(singles))
    assert (verdict.agreement, verdict.width) == ("tolerance", "float32")


def test_any_part_will_do_and_the_answer_says_how_much():
    loss = goldens.find("classic", SETUP.dataset.sha256).golden.losses[3]
    verdict = judged(f"step3.loss {loss!r}\n")
    assert verdict.agreement == "bit"
    assert verdict.seen.startswith("seen: loss of 1 step; not seen: initial parameters, gradients")


def test_the_first_wrong_quantity_is_named(values):
    wrong = dict(values)
    wrong["step0.m.wpe"] = [x * 2.0 for x in values["step0.m.wpe"]]
    wrong["step1.loss"] = [values["step1.loss"][0] + 1e-3]
    verdict = judged(lines(wrong))
    assert not verdict.agrees
    assert verdict.difference.checkpoint.startswith("step0.m.wpe[")
    assert "2 of" in verdict.sentence


def test_transposed_matrices_are_recognized(values):
    run = SETUP.begin()
    shapes = {f"init.{name}": (rows, columns) for name, rows, columns in run.training.config.matrices()}
    turned = {
        name: [values[name][i * columns + j] for j in range(columns) for i in range(rows)]
        for name, (rows, columns) in shapes.items()
    }
    verdict = judged(lines(turned))
    assert verdict.agreement == "bit"
    assert any("agree when transposed" in note for note in verdict.notes)


def test_a_constant_factor_is_told():
    written = tracefile.Written(names.Quantity("grad", 0, "wte"), (2.0, 4.0, -6.0))
    assert "2 times" in traced.proportion(traces.Compared(written, [1.0, 2.0, -3.0], "wrong"))
    assert traced.proportion(traces.Compared(written, [1.0, 2.0, 3.0], "wrong")) == ""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("step0.loss abc\n", "line 1 of it has 'abc', no number"),
        ("step0.loss\nstep1.loss 2.0\n", "a name and no numbers"),
        ("init.wte 1.0 2.0\n", "has 2 values, and 27 x 16 = 432 were expected"),
        ("step0.loss 1.0\nstep0.loss 2.0\n", "holds step0.loss twice"),
        ('{"step0.nothing": 1}\n', "no quantity of a known name"),
        ('{"step0.loss": 1}\n{"step1.loss"\n', "line 2 of it is not JSON"),
        (b"PK\x03\x04rubbish", "no sound .npz|NumPy"),
    ],
)
def test_what_is_no_trace_gets_a_sentence(text, sentence):
    with pytest.raises(ManifestError, match=sentence):
        judged(text)


@pytest.mark.parametrize(
    "name", ["init.wte", "step0.loss", "step3.logits.pos2", "step12.grad.layer0.attn_wq", "sample1"]
)
def test_names_are_read_and_written_alike(name):
    quantity = names.parse(name)
    assert quantity is not None and quantity.words == name
