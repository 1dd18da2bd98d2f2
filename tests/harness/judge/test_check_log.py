"""Claims about printed logs: every form is read, right ones agree, and what is no log gets a sentence."""

import pytest

from harness.errors import ManifestError
from harness.judge.check import agreement, goldens, log

CLASSIC = goldens.find("classic", goldens.of_garden().sha256)
FORMS = {
    "the original's": "num docs: 7347\nstep    1 / 1000 | loss 3.3570\nstep    2 / 1000 | loss 3.1933\n",
    "carriage returns": "step    1 / 1000 | loss 3.3570\rstep    2 / 1000 | loss 3.1933\r",
    "both mixed": "step 1 / 1000 | loss 3.3570\r\nstep 2 / 1000 | loss 3.1933\rstep 2 / 1000 | loss 3.1933\n",
    "colours": "\x1b[32mStep\x1b[0m 0: \x1b[1mloss = 3.3570\x1b[0m\nStep 1: loss = 3.1933\n",
    "other words": "[LOG] Step 1 Loss: 3.3570\n[LOG] Arena size: 36817\n[LOG] Step 2 Loss: 3.1933\n",
    "decimal commas": "Step 1 Loss: 3,3570\nStep 2 Loss: 3,1933\n",
    "a mean beside it": "step 1 | avg loss 3.9 | loss 3.3570 | 12ms\nstep 2 | mean loss 3.8 | loss 3.1933\n",
    "a progress bar": "1%|#  | 1/1000 [00:00<00:10, loss=3.3570]\r1%|#  | 2/1000 [00:01, loss=3.1933]",
    "a table": "step,loss\n1,3.3570\n2,3.1933\n",
    "loss before step": "Loss at step 1: 3.3570\nLoss at step 2: 3.1933\n",
    "no steps": "loss: 3.3570\nloss: 3.1933\n",
    "not UTF-8": b"step 1: loss=3.3570 \xb5=1\nstep 2: loss=3.1933 \xb5=1\n".decode("latin-1"),
}
NO_LOGS = {
    b"": "is empty",
    b"\n \n": "only empty lines",
    b"\x7fELF\0\0\1\2": "is binary",
    b"num docs: 5\nSegmentation fault\n": "ends before its first step; its last line is 'Segmentation fault'",
    b"hello\n": "no line of it has a step and a loss",
    b"step 1 loss 2.0\nstep 2 loss 3.0\nstep 1 loss 2.5\n": "more than one run: step 1 comes again on line 3",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_losses(form):
    data = FORMS[form].encode("latin-1" if form == "not UTF-8" else "utf-8")
    found = log.read(data, form)
    assert [loss.value for loss in found.losses.values()] == [3.3570, 3.1933]
    assert list(found.losses) == [0, 1]


@pytest.mark.parametrize("data", NO_LOGS)
def test_what_is_no_log_gets_a_sentence(data):
    with pytest.raises(ManifestError, match=NO_LOGS[data]):
        log.read(data, "it")


def test_half_a_line_at_the_end_is_left_out():
    found = log.read(b"step 1 loss 3.3570\nstep 2 loss 3.1933\nstep 3 loss 3.2", "it")
    assert list(found.losses) == [0, 1]
    assert "cut in the middle" in found.notes[0]


def test_a_pattern_says_how_losses_are_printed():
    found = log.read(b"at 1: 3.3570\nat 2: 3.1933\n", "it", r"at (?P<step>\d+): (?P<loss>[0-9.]+)")
    assert [loss.text for loss in found.losses.values()] == ["3.3570", "3.1933"]
    with pytest.raises(ManifestError, match="group named loss"):
        log.read(b"at 1: 3.3570\n", "it", r"at (\d+)")


@pytest.mark.parametrize(
    "lines",
    [
        "sample  1: lila\nsample  2: aman\n",
        "[LOG] Sample: 0: lila\n[LOG] Sample: 1: aman\n",
        "  [0] lila\n  [1] aman\n",
        "sample: lila\nsample: aman\n",
        "--- inference (new, hallucinated names) ---\nlila\naman\n",
        "Final generated name: 'lila'\nFinal generated name: 'aman'\n",
    ],
)
def test_samples_are_found_in_every_form(lines):
    found = log.read(f"step 1 loss 3.3570\nstep 2 loss 3.1933\n\n{lines}".encode(), "it")
    assert found.samples == {0: "lila", 1: "aman"}


def test_a_missing_sample_leaves_a_gap():
    found = log.read(b"step 1 loss 3.3\nsample  2: aman\nsample  3: maba\n", "it")
    assert found.samples == {1: "aman", 2: "maba"}


@pytest.mark.parametrize("form", ["{:.4f}", "{:.2f}", "{:.6g}", "{!r}", "{:.16e}"])
def test_right_losses_agree_in_all_digits_that_are_shown(form):
    assert CLASSIC is not None
    losses = CLASSIC.golden.losses[:200]
    text = "".join(f"step {i} loss {form.format(x)}\n" for i, x in enumerate(losses, start=1))
    found = log.read(text.encode(), "it")
    compared = agreement.compare_log(found, losses)
    assert (compared.compared, compared.wrong) == (200, ())
    assert compared.is_bit == (form in ("{!r}", "{:.16e}"))


def test_one_digit_that_differs_is_found():
    assert CLASSIC is not None
    losses = list(CLASSIC.golden.losses[:50])
    losses[16] += 1e-4
    text = "".join(f"step {i} loss {x:.4f}\n" for i, x in enumerate(losses, start=1))
    compared = agreement.compare_log(log.read(text.encode(), "it"), CLASSIC.golden.losses)
    [wrong] = compared.wrong
    assert (wrong.step, wrong.printed.line, round(wrong.units)) == (16, 17, 1)


def test_the_stored_losses_are_those_of_the_witness():
    """Bits that the original program came to on the same names, with exact functions."""
    assert CLASSIC is not None
    assert [x.hex() for x in CLASSIC.golden.losses[:2]] == ["0x1.adb1e366bd02fp+1", "0x1.98bebd2db9195p+1"]
    assert CLASSIC.golden.checksums[1]["parameters"] == "e88841be 50763004"
