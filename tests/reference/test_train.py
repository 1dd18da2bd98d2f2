"""Claims on `microgpt train`: what it saves and shows, and that nothing that happens to it loses work."""

import errno
import json
import math
import os
import signal
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import SHORT, at_step, child, left_behind, press_ctrl_c, refusal

from reference import microgpt
from reference.__main__ import main
from reference.app import modelfile, watching
from reference.app.dataset import GARDEN

# ---------------------------------------------------------------- train


def test_training_saves_what_a_run_computes(names: str, trained: str) -> None:
    whole = microgpt.PRESETS["seed"]
    run = microgpt.Run(replace(whole, optimizer=replace(whole.optimizer, steps=6)), ["ab", "ba", "c"])
    losses = list(run.losses())
    model = modelfile.load(Path(trained))
    assert model.finished and model.last_losses == losses
    assert model.training.m == run.training.m and model.training.v == run.training.v
    ours, theirs = (microgpt.flatten(t.parameters) for t in (model.training, run.training))
    assert [value.data for value in ours] == [value.data for value in theirs]
    assert model.generator.getstate() == run.generator.getstate()
    trained_on = model.trained_on
    assert (trained_on.file, trained_on.documents, trained_on.characters) == ("names.txt", 3, 5)


def test_training_without_a_dataset_takes_the_garden(model: str) -> None:
    assert main(["train", "--save", model, "--steps", "1"]) == 0
    trained_on = modelfile.load(Path(model)).trained_on
    names = GARDEN.read_text().splitlines()
    assert (trained_on.file, trained_on.documents) == ("names.txt", len(names))
    assert trained_on.characters == sum(map(len, names))


def test_the_seed_and_the_math_change_the_model_and_are_saved(names: str, model: str) -> None:
    saved = []
    for options in (["--seed", "42"], ["--seed", "0"], ["--math", "native"], ["--preset", "classic"]):
        assert main(["train", "--dataset", names, "--save", model, "--steps", "1", "--force", *options]) == 0
        saved.append(modelfile.load(Path(model)))
    assert [(m.seed, m.math, m.preset) for m in saved] == [
        (42, "exact", "seed"),
        (0, "exact", "seed"),
        (42, "native", "seed"),
        (42, "exact", "classic"),
    ]
    states = [m.generator.getstate() for m in saved]
    assert states[0] != states[1] and states[0] == states[2]
    assert microgpt.maths is microgpt.exactmath


def test_training_says_how_far_it_is_in_plain_lines_in_a_pipe(
    names: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--dataset", names, "--save", model, "--steps", "20"]) == 0
    printed, said = capsys.readouterr()
    assert printed == "" and "\x1b" not in said
    losses = modelfile.load(Path(model)).last_losses
    *lines, last = said.splitlines()
    assert len(lines) == 2
    for number, line in enumerate(lines, start=1):
        mean = sum(losses[10 * number - 10 : 10 * number]) / 10
        begin = f"microgpt: step {10 * number} of 20, loss {mean:.4f} (mean of 10), "
        assert line.startswith(begin) and line.endswith(" steps a second")
    mean = sum(losses) / 20
    assert last == f"microgpt: trained 20 steps, mean of the last 20 losses {mean:.4f}, saved as {model}"


def test_training_on_a_terminal_shows_curve_loss_rate_and_time_left(names: str, model: str) -> None:
    pytest.importorskip("rich", reason="the progress display needs rich: pip install rich")
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    process = child("train", "--dataset", names, "--save", model, *SHORT, stderr=theirs, stdin=None)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError as problem:
            assert problem.errno == errno.EIO  # how Linux says that the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait() == 0
    text, losses = shown.decode(), modelfile.load(Path(model)).last_losses
    assert "step 6/6" in text and "steps/s" in text and "left" in text
    assert f"loss {sum(losses) / 6:.4f}" in text and watching.curve(losses) in text


def test_training_on_a_terminal_shows_samples(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(watching, "SAMPLE_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 0
    found = modelfile.load(Path(model))
    microgpt.use_math(found.math)
    config, parameters = found.training.config, found.training.parameters
    tokens = microgpt.sample(config, parameters, 0.5, microgpt.Generator(6))
    assert f"6  {found.tokenizer.decode(tokens)}" in capsys.readouterr().err


def test_training_on_a_terminal_goes_on_without_rich(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 0
    assert "pip install rich" in capsys.readouterr().err
    assert modelfile.load(Path(model)).finished


# ---------------------------------------------------------------- interrupted and resumed


@pytest.mark.parametrize("preset", ["seed", "classic"])
def test_ctrl_c_loses_nothing_and_the_resumed_file_has_the_same_bytes(
    preset: str, names: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    straight = tmp_path / "straight.json"
    options = ["--dataset", names, "--preset", preset, *SHORT]
    assert main(["train", "--save", str(straight), *options]) == 0
    with monkeypatch.context() as patch:
        at_step(patch, 2, press_ctrl_c)
        assert main(["train", "--save", model, *options]) == 130
    said = capsys.readouterr().err
    assert "interrupted after step 2 of 6" in said
    assert f"go on with: microgpt train --resume --save {model} --dataset {names}\n" in said
    assert modelfile.load(Path(model)).training.step == 2
    with monkeypatch.context() as patch:
        at_step(patch, 5, press_ctrl_c)
        assert main(["train", "--save", model, "--dataset", names, "--resume"]) == 130
    assert main(["train", "--save", model, "--dataset", names, "--resume"]) == 0
    assert Path(model).read_bytes() == straight.read_bytes()


def test_ctrl_c_in_the_last_step_comes_too_late_to_matter(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 6, press_ctrl_c)
    assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 0
    assert modelfile.load(Path(model)).finished


def test_a_request_to_terminate_saves_too(names: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_step(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGTERM))
    assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 143
    assert modelfile.load(Path(model)).training.step == 2


def test_a_second_ctrl_c_leaves_at_once_and_the_checkpoint_stays(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_step(monkeypatch, 5, lambda: (press_ctrl_c(), press_ctrl_c()))
    options = ["--dataset", names, "--save", model, *SHORT]
    assert main(["train", *options, "--checkpoint-every", "2"]) == 130
    assert capsys.readouterr() == ("", "")
    assert modelfile.load(Path(model)).training.step == 4
    assert left_behind(model) == []


def test_a_second_ctrl_c_while_saving_leaves_the_old_file_whole(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 3, press_ctrl_c)
    replace_file = os.replace

    def slow_replace(source: Path, target: Path) -> None:
        if modelfile.load(Path(source)).training.step == 3:
            press_ctrl_c()
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", slow_replace)
    assert main(["train", "--dataset", names, "--save", model, *SHORT, "--checkpoint-every", "2"]) == 130
    assert modelfile.load(Path(model)).training.step == 2
    assert left_behind(model) == []


@pytest.mark.slow
def test_a_killed_training_is_resumed_from_its_last_checkpoint(
    names: str, model: str, tmp_path: Path
) -> None:
    straight = tmp_path / "straight.json"
    options = ["--dataset", names, "--steps", "40"]
    process = child("train", "--save", model, *options, "--checkpoint-every", "1")
    while not Path(model).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert 1 <= modelfile.load(Path(model)).training.step <= 39
    assert main(["train", "--save", model, "--dataset", names, "--resume"]) == 0
    assert main(["train", "--save", str(straight), *options]) == 0
    assert Path(model).read_bytes() == straight.read_bytes()


def test_a_real_ctrl_c_saves_and_says_how_to_go_on(names: str, model: str) -> None:
    options = ("--dataset", names, "--steps", "4000", "--checkpoint-every", "1")
    process = child("train", "--save", model, *options)
    while not Path(model).exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate()
    assert (process.returncode, printed) == (130, b"")
    step = modelfile.load(Path(model)).training.step
    assert f"interrupted after step {step} of 4000".encode() in said and b"Traceback" not in said


def test_an_ignored_ctrl_c_stays_ignored(names: str, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        at_step(monkeypatch, 2, press_ctrl_c)
        assert main(["train", "--dataset", names, "--save", model, *SHORT]) == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert modelfile.load(Path(model)).finished


def test_the_handlers_of_signals_are_put_back(names: str, model: str) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["train", "--dataset", names, "--save", model, "--steps", "1"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_finished_file_resumed_says_so_and_stays(
    names: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(trained).read_bytes()
    assert main(["train", "--dataset", names, "--save", trained, "--resume"]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert Path(trained).read_bytes() == before


@pytest.mark.parametrize(
    ("option", "value", "saved"),
    [("preset", "classic", "seed"), ("math", "native", "exact"), ("seed", "7", "42"), ("steps", "9", "6")],
)
def test_resume_refuses_another_option(
    option: str, value: str, saved: str, names: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "--dataset", names, "--save", trained, "--resume", f"--{option}", value]
    sentence = refusal(arguments, capsys)
    assert f"was started with --{option} {saved} and cannot go on with {value}" in sentence


def test_resume_takes_the_same_options_again(names: str, trained: str) -> None:
    same = ["--preset", "seed", "--math", "exact", "--seed", "42", "--steps", "6"]
    assert main(["train", "--dataset", names, "--save", trained, "--resume", *same]) == 0


def test_resume_refuses_another_dataset(
    names: str, trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("ab\n ba\n\nc\n")
    sentence = refusal(["train", "--dataset", str(other), "--save", trained, "--resume"], capsys)
    assert "was trained on names.txt, and other.txt is not the same text" in sentence


def test_resume_refuses_a_model_of_another_shape_than_its_preset(
    names: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = json.loads(Path(trained).read_text())
    saved["optimizer"]["beta1"] = 0.8
    Path(trained).write_text(json.dumps(saved))
    sentence = refusal(["train", "--dataset", names, "--save", trained, "--resume"], capsys)
    assert "is not what this microgpt calls the preset seed" in sentence


def test_resume_without_a_file_is_refused(names: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    sentence = refusal(["train", "--dataset", names, "--save", model, "--resume"], capsys)
    assert "nothing to resume" in sentence and not Path(model).exists()


def test_a_saved_model_is_not_overwritten_unless_forced(
    names: str, trained: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path(trained).read_bytes()
    arguments = ["train", "--dataset", names, "--save", trained, "--steps", "1"]
    assert "--resume" in refusal(arguments, capsys)
    assert Path(trained).read_bytes() == before
    assert main([*arguments, "--force"]) == 0
    assert modelfile.load(Path(trained)).steps == 1


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("nowhere/model.json", "No such file or directory"),
        ("names.txt/model.json", "Not a directory"),
        (".", "which is a directory"),
        ("pipe", "which is not a regular file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    place: str, reason: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(microgpt, "Run", None)
    sentence = refusal(["train", "--dataset", names, "--save", str(tmp_path / place), "--force"], capsys)
    assert "cannot save the model" in sentence and reason in sentence
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_disk_that_fills_up_leaves_the_last_checkpoint(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill_disk() -> None:
        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)

    at_step(monkeypatch, 3, fill_disk)
    arguments = ["train", "--dataset", names, "--save", model, *SHORT, "--checkpoint-every", "2"]
    assert "No space left on device" in refusal(arguments, capsys)
    assert modelfile.load(Path(model)).training.step == 2
    assert left_behind(model) == []


def test_training_that_diverges_stops_and_keeps_the_last_checkpoint(
    names: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    advance = microgpt.Training.advance

    def diverge(training: microgpt.Training, tokens: Sequence[int]) -> tuple[float, list[float]]:
        loss, gradients = advance(training, tokens)
        return (math.nan if training.step == 3 else loss), gradients

    monkeypatch.setattr(microgpt.Training, "advance", diverge)
    arguments = ["train", "--dataset", names, "--save", model, *SHORT, "--checkpoint-every", "2"]
    assert "the loss of step 3 is nan" in refusal(arguments, capsys)
    assert modelfile.load(Path(model)).training.step == 2
